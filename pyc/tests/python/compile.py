"""compile.py FOLDER COUNT: compiles about COUNT modules of this interpreter's standard library into FOLDER.

Prints the magic number, sys.hexversion, and the hash that the interpreter gives of b"permacode".
"""
import _imp
import importlib.util
import os
import py_compile
import sys
import sysconfig

folder, count = sys.argv[1], int(sys.argv[2])
library = sysconfig.get_path('stdlib')
sources = []
for path, folders, files in os.walk(library):
    folders[:] = sorted(set(folders) - {'site-packages', '__pycache__', 'test', 'tests', 'idle_test', 'lib2to3', 'bad_coding'})
    sources += [os.path.join(path, file) for file in sorted(files) if file.endswith('.py')]
step = max(1, len(sources) // count)
for number, source in enumerate(sources[::step]):
    for optimize in ((0, 2) if number % 10 == 0 else (0,)):
        name = os.path.relpath(source, library).replace(os.sep, '.')[:-3] + ('' if optimize == 0 else '.opt')
        py_compile.compile(source, os.path.join(folder, name + '.pyc'), doraise=True, optimize=optimize)
magic = importlib.util.MAGIC_NUMBER
print(int.from_bytes(magic[:2], 'little'), sys.hexversion, _imp.source_hash(int.from_bytes(magic, 'little'), b'permacode').hex())
