"""Extension modules: stamps say where CPython would find them."""

import _imp
import importlib.machinery
import importlib.util
import pathlib
import shutil

import permacode.stamp
import pytest
from overlay import app  # noqa: F401

SUFFIXES = _imp.extension_suffixes()

#: The spec of the module, and how many modules stamps found.
SHOW = """
import importlib, {name} as module
spec = module.__spec__
print(type(spec.loader).__name__, spec.loader.name, spec.loader.path, spec.origin, spec.has_location, spec.cached,
      spec.submodule_search_locations, spec.parent, module.__file__, module.__loader__ is spec.loader)
"""
FOUND = "print(permacode.status()['stamps']['found'], permacode.stats()['hits'], permacode.stats()['misses'])"


def an_extension():
    """The name and the file of an extension module of CPython that a start does not import."""
    for name in ("_queue", "_opcode", "_csv", "_bz2", "_lzma", "_ctypes"):
        spec = importlib.util.find_spec(name)
        if spec is not None and isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            return name, pathlib.Path(spec.origin)
    pytest.skip("this interpreter has no extension modules in files")


@pytest.fixture
def with_extension(app):  # noqa: F811
    """An application with an extension module, in its folder and in a package, and stamps."""
    app.name, app.origin = an_extension()
    app.file = app.folder / (app.name + SUFFIXES[0])
    app.write("package/__init__.py", "")
    app.in_package = app.folder / "package" / app.file.name
    for path in (app.file, app.in_package):
        shutil.copyfile(app.origin, path)
    app.bundle()
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    app.show = SHOW.format(name=app.name)
    return app


def test_they_answer(with_extension):
    app = with_extension  # noqa: F811
    assert str(app.file) in app.same(app.show)
    assert app.run(f"import {app.name}\n" + FOUND) == "1 0 1\n"
    show = SHOW.format(name=f"package.{app.name}")
    assert str(app.in_package) in app.same(show)
    assert app.run(f"import package.{app.name}\n" + FOUND) == "2 1 1\n"


def test_of_the_standard_library(with_extension):
    """Entries of the path that do not exist, such as python313.zip, come before it."""
    app = with_extension  # noqa: F811
    for path in (app.file, app.in_package):
        path.unlink()
    app.bundle()
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert str(app.origin) in app.same(app.show)
    assert app.run(f"import {app.name}\n" + FOUND) == "1 0 1\n"


def test_no_finder_is_asked(with_extension):
    script = f"""
    asked = []
    def profile(frame, event, argument):
        if event == "call" and frame.f_code.co_name in ("_get_spec", "find_spec"):
            asked.append(frame.f_code.co_name)
    sys.setprofile(profile)
    import package.{with_extension.name}
    sys.setprofile(None)
    print("_get_spec" in asked)
    """
    assert with_extension.run(script) == "False\n"


def test_a_removed_file(with_extension):
    with_extension.file.unlink()
    assert str(with_extension.origin) in with_extension.same(with_extension.show)


@pytest.mark.parametrize("name", ["{name}.py", "{name}/__init__.py", "{name}/other.txt"])
def test_a_file_that_is_added(with_extension, name):
    app = with_extension  # noqa: F811
    app.write(name.format(name=app.name), "")
    expected = "SourceFileLoader" if name.endswith("__init__.py") else "ExtensionFileLoader"
    assert app.same(app.show).startswith(expected)


@pytest.mark.parametrize("name", ["{name}.py", "{name}/__init__.py", "{name}/other.txt"])
def test_a_file_that_was_there_before(with_extension, name):
    app = with_extension  # noqa: F811
    app.write(name.format(name=app.name), "")
    app.bundle()
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    # PermacodeLoader calls itself SourceFileLoader in the stock run only.
    script = f"import {app.name} as module; print(module.__file__)"
    assert ("__init__" if "__init__" in name else SUFFIXES[0]) in app.same(script)


@pytest.mark.skipif(len(SUFFIXES) < 2, reason="one suffix only")
def test_the_first_suffix_wins(with_extension):
    app = with_extension  # noqa: F811
    shutil.copyfile(app.origin, app.folder / (app.name + SUFFIXES[-1]))
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert str(app.file) in app.same(app.show)
    app.file.unlink()
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert str(app.folder / (app.name + SUFFIXES[-1])) in app.same(app.show)


def test_a_folder_with_the_name_of_the_file(with_extension):
    app = with_extension  # noqa: F811
    app.file.unlink()
    app.file.mkdir()
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert str(app.origin) in app.same(app.show)


def test_a_link(with_extension):
    app = with_extension  # noqa: F811
    target = app.folder.parent / "target"
    app.file.rename(target)
    app.file.symlink_to(target)
    permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert str(app.file) in app.same(app.show)
    # The folder does not change.
    target.unlink()
    assert str(app.origin) in app.same(app.show)


@pytest.mark.parametrize("where", [0, 1])
def test_a_finder_of_the_program_comes_first(with_extension, where):
    app = with_extension  # noqa: F811
    script = f"""
    import importlib.util
    class Finder:
        asked = []
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            cls.asked.append(name)
            if name == {app.name!r} and take:
                return importlib.util.spec_from_loader(name, Loader())
    class Loader:
        def create_module(self, spec): return None
        def exec_module(self, module): module.WHAT = "program"
    take = arguments == ["take"]
    sys.meta_path.insert({where} - 1 if {where} else 0, Finder)
    import {app.name}
    print(getattr({app.name}, "WHAT", None), Finder.asked.count({app.name!r}))
    """
    assert app.same(script, "take") == "program 1\n"
    assert app.same(script, "leave") == "None 1\n"


def test_a_program_that_changes_how_files_are_found(with_extension):
    app = with_extension  # noqa: F811
    script = f"""
    import importlib.machinery
    class Finder(importlib.machinery.FileFinder):
        def find_spec(self, name, target=None):
            print("asked for", name)
            return super().find_spec(name, target)
    details = importlib.machinery.SourceFileLoader, [".py"]
    sys.path_importer_cache[folder] = Finder(folder, details)
    import {app.name}
    print({app.name}.__file__)
    """
    assert app.same(script).splitlines() == [f"asked for {app.name}", str(app.origin)]
