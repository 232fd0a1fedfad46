"""docstrings.py FOLDER FILE: compares docstrings that FILE lists with those in the sources of the .pyc files in FOLDER.

FILE has a line "module<TAB>name<TAB>first line" for each code object with a docstring.
"""
import ast
import collections
import marshal
import os
import sys
import types

folder, listing = sys.argv[1:]
listed = collections.defaultdict(collections.Counter)
with open(listing, encoding='utf-8', errors='surrogatepass') as file:
    for line in file:
        module, name, first = line.rstrip('\n').split('\t')
        listed[module][name, int(first)] += 1


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def documented(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module):
            key = '<module>', 0
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            key = node.name, min(each.lineno for each in [node] + node.decorator_list)
        else:
            continue
        yield key, ast.get_docstring(node, clean=False) is not None


def assigns(source):
    return any(isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == '__doc__' for target in node.targets)
               for node in ast.walk(ast.parse(source)))


bad = count = assigned = 0
for file in sorted(os.listdir(folder)):
    with open(os.path.join(folder, file), 'rb') as pyc:
        root = marshal.loads(pyc.read()[16:])
    with open(root.co_filename, 'rb') as source:
        source = source.read()
    expected = collections.Counter()
    if not file.endswith('.opt.pyc'):
        have = {key for key, doc in documented(source) if doc}
        for code in codes(root):
            key = code.co_name, 0 if code is root else code.co_firstlineno
            # Scopes of the compiler's own are called <...>; variables with bounds have the line of what they belong to.
            if key in have:
                expected[key] += 1
    found = listed[file]
    count += sum(found.values())
    if found != expected:
        if not expected - found and all(name == '<module>' or name[:1].isupper() for name, _ in found - expected) and assigns(source):
            assigned += 1
            continue
        bad += 1
        print(file, 'missing', dict(expected - found), 'too many', dict(found - expected))
print(count, 'docstrings,', assigned, 'files assign __doc__,', bad, 'files differ')
sys.exit(bad != 0)
