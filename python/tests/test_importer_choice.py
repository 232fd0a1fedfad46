"""Of several files with one name, the archive has the one that CPython takes. If it is sealed, imports do not look."""

import glob
import importlib.machinery
import os
import py_compile
import shutil
import sys

import pytest
from overlay import app, is_archived  # noqa: F401

EXTENSIONS = importlib.machinery.EXTENSION_SUFFIXES


@pytest.fixture(scope="module")
def extension():
    """An extension module of this interpreter's library, and its name."""
    folders = [entry for entry in sys.path if os.path.basename(entry) == "lib-dynload"]
    files = [file for folder in folders for file in glob.glob(os.path.join(folder, "_json" + EXTENSIONS[0]))]
    if not files:
        pytest.skip("this interpreter has no extension module _json in a file")
    return files[0]


@pytest.mark.parametrize("options", [["--sealed"], []], ids=["sealed", "open"])
@pytest.mark.parametrize("suffix", EXTENSIONS)
def test_an_extension_module_beside_a_source(app, extension, suffix, options):
    app.write("pk/__init__.py", "")
    app.write("pk/_json.py", "PURE = 1\n")
    app.write("pk/other.py", "PURE = 1\n")
    # Of another interpreter, so this one does not see it.
    app.write("pk/other.cpython-27.so", "")
    shutil.copy(extension, app.folder / "pk" / ("_json" + suffix))
    app.bundle(*options)
    app.same("import pk._json; print(pk._json.__file__, type(pk._json.__loader__), hasattr(pk._json, 'PURE'))")
    assert app.run(f"import pk.other; print({is_archived('pk.other')})") == "True\n"


@pytest.mark.parametrize("options", [["--sealed"], []], ids=["sealed", "open"])
def test_a_package_without_a_source(app, options):
    app.write("foo.py", "W = 'module'\n")
    app.write("foo/part.py", "W = 'part of the package'\n")
    package = app.write("init.py", "W = 'package'\n")
    py_compile.compile(str(package), str(app.folder / "foo" / "__init__.pyc"), doraise=True)
    package.unlink()
    app.bundle(*options)
    script = "import foo.part; print(foo.W, foo.part.W, foo.__file__, foo.part.__file__, list(foo.__path__))"
    assert app.same(script).startswith("package part of the package ")
    assert app.run(f"import foo.part; print({is_archived('foo.part')})") == "True\n"


def test_bytecode_beside_a_source_and_without(app):
    app.write("both.py", "W = 'source'\n")
    app.write("space/part.py", "W = 'hidden by bytecode'\n")
    bytecode = app.write("init.py", "W = 'bytecode'\n")
    for name in ["both.pyc", "alone.pyc", "space.pyc"]:
        py_compile.compile(str(bytecode), str(app.folder / name), doraise=True)
    bytecode.unlink()
    app.bundle("--sealed")
    script = """
    import both, alone, space
    print(both.W, alone.W, space.W, both.__file__, alone.__file__)
    try:
        import space.part
    except ImportError as error:
        print(error)
    """
    assert app.same(script).startswith("source bytecode bytecode ")
    assert app.run(f"import both; print({is_archived('both')})") == "True\n"


def test_names_that_no_import_statement_can_say(app):
    names = ["app.migrations.0001_initial", "app.unicode13-0-0", "app.2-tables.naïve name", "0-top"]
    for name in names:
        app.write(name.replace(".", "/") + ".py", "WHAT = __name__\n")
    app.write("app/__init__.py", "")
    app.write("app/migrations/__init__.py", "")
    app.bundle("--sealed")
    script = f"""
    import importlib
    for name in {names!r}:
        module = importlib.import_module(name)
        print(module.WHAT, module.__file__, module.__spec__.parent)
    """
    app.same(script)
    # The packages app and app.migrations as well.
    assert app.run(script + "print(permacode.stats()['hits'])").endswith("\n6\n")


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_linked_folders(app):
    app.write("real/__init__.py", "")
    app.write("real/part.py", "W = __name__\n")
    os.symlink("real", app.folder / "linked")
    os.symlink(".", app.folder / "real" / "loop")
    app.bundle("--sealed")
    script = """
    import importlib
    for name in ["real.part", "linked.part", "real.loop.part", "linked.loop.loop.part"]:
        module = importlib.import_module(name)
        print(module.W, module.__file__)
    """
    app.same(script)
    assert app.run(f"import real.part; print({is_archived('real')}, {is_archived('real.part')})") == "True True\n"
