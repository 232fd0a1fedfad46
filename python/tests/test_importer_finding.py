"""Which module is found: what CPython would find, and from the archive where that is what it holds."""

import importlib.machinery
import os
import sys
import zipfile
from textwrap import dedent

import pytest
from overlay import STOCK, app, is_archived  # noqa: F401

KINDS = {"sealed": ["--sealed"], "mtime": ["--mtime"], "digest": []}

#: Imports `tool` and prints its text, whether it came from the archive, and what was counted meanwhile.
SHOW = f"""
before = permacode.stats()
import tool
counts = permacode.stats()
grown = {{name: counts[name] - before[name] for name in before if isinstance(before[name], int) and name != "sealed"}}
print((tool.WHAT, {is_archived('tool')}, {{name: count for name, count in grown.items() if count}}))
"""


@pytest.fixture(params=list(KINDS))
def tool(app, request):
    """An archive of one module, `tool`, and of each kind."""
    app.write("tool.py", "WHAT = 'archived'\n")
    app.bundle(*KINDS[request.param])
    app.is_sealed = request.param == "sealed"
    return app


def shown(app, before=""):
    """What `SHOW` says after a script."""
    return eval(app.run(dedent(before) + SHOW))


ARCHIVED = ("archived", True, {"hits": 1})


def test_a_module_that_is_where_it_was(tool):
    assert shown(tool) == ARCHIVED


def test_a_package_its_modules_and_a_namespace(app):
    app.write("package/__init__.py", "from . import inner\n")
    app.write("package/inner.py", "WHAT = __name__\n")
    app.write("space/deep/part.py", "WHAT = __name__\n")
    app.bundle()
    script = f"""
    import package, space.deep.part
    print(package.inner.WHAT, space.deep.part.WHAT, list(package.__path__) == [folder + "/package"])
    print([{is_archived('package')}, {is_archived('package.inner')}, {is_archived('space.deep.part')}])
    print({is_archived('space.deep')}, permacode.stats()["hits"])
    """
    assert app.run(script).splitlines() == [
        "package.inner space.deep.part True",
        "[True, True, True]",
        "False 3",
    ]


SPECS = """
import _imp, sys, permacode, importlib.machinery as machinery
archive, *roots = sys.argv[1:]
sys.path[:0] = roots
permacode.install(archive, strict=True, roots={"app": roots[0]} if roots else None)
finder, = (finder for finder in sys.meta_path if type(finder).__name__ == "PermacodeFinder")

def check(is_right, *what):
    # No assertion: with -O there are none.
    if not is_right:
        raise AssertionError(what)

fields = ["name", "origin", "cached", "submodule_search_locations", "has_location", "parent", "loader_state"]
compared, paths = 0, {"": None}
with permacode.open(archive) as opened:
    names = list(opened)
for name in names:
    parent = name.rpartition(".")[0]
    # In a namespace package.
    if parent not in paths:
        continue
    ours = finder.find_spec(name, paths[parent])
    stock = machinery.PathFinder.find_spec(name, paths[parent])
    if _imp.is_frozen(name) or _imp.is_builtin(name):
        check(ours is None, name)
        paths[name] = stock.submodule_search_locations
        continue
    for field in fields:
        one, other = getattr(ours, field), getattr(stock, field)
        check(one == other and type(one) is type(other), name, field, one, other)
    check(vars(ours).keys() == vars(stock).keys(), name, vars(ours), vars(stock))
    check(vars(ours.loader) == vars(stock.loader), name, vars(ours.loader), vars(stock.loader))
    check(isinstance(ours.loader, machinery.SourceFileLoader), name)
    if ours.submodule_search_locations is not None:
        paths[name] = ours.submodule_search_locations
    compared += 1
print(compared)
"""


@pytest.mark.parametrize("flags", [[], ["-X", "pycache_prefix=/nowhere/prefix"]], ids=["here", "prefix"])
def test_every_spec_of_the_library_is_that_of_the_path_finder(library, child, flags):
    assert int(child(SPECS, library, flags=["-I", *flags])) > 500


@pytest.mark.parametrize("level", [1, 2])
def test_specs_of_optimised_modules(app, child, level):
    app.write("package/__init__.py", "")
    app.write("package/inner.py", "")
    archive = app.bundle(f"-O{level}")
    assert child(SPECS, archive, app.folder, flags=["-" + level * "O"]) == "2\n"


def test_sys_path_0_comes_first(tool, tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    (first / "tool.py").write_text("WHAT = 'first'\n")
    before = f"sys.path.insert(0, {str(first)!r})\n"
    assert shown(tool, before) == ("first", False, {"shadowed": 1})
    before += f"import os, importlib; os.remove({str(first / 'tool.py')!r}); importlib.invalidate_caches()\n"
    assert shown(tool, before) == ARCHIVED


def test_the_current_folder_is_searched_for_an_empty_entry(tool, tmp_path):
    (tmp_path / "tool.py").write_text("WHAT = 'current'\n")
    before = f"import os; os.chdir({str(tmp_path)!r}); sys.path.insert(0, '')"
    assert shown(tool, before) == ("current", False, {"shadowed": 1})


ENTRIES = {"current folder": ("", "."), "dot": (".", "."), "relative": ("app", ".."), "separator": ("{folder}/", "/"),
           "dotted": ("../app", ".")}


@pytest.mark.parametrize("named", ["as in sys.path", "absolute"])
@pytest.mark.parametrize("entry", list(ENTRIES))
def test_entries_that_are_other_names_of_the_folder(app, entry, named):
    """The entry is that of the root: the modules come from the archive, or a warning says why not."""
    app.write("tool.py", "WHAT = 'a file'\n")
    app.write("package/__init__.py", "")
    app.write("package/inner.py", "")
    for kind in KINDS.values():
        app.bundle(*kind)
        entry_text, current = ENTRIES[entry]
        script = f"""
        import os, permacode, warnings
        warnings.simplefilter("error")
        os.chdir(os.path.join(folder, {current!r}))
        entry = {entry_text!r}.format(folder=folder)
        # The other entry is that of `-c`: the current folder.
        sys.path[:2] = [entry]
        permacode.install(archive, strict=True, roots={{"app": entry if arguments[0] == "as in sys.path" else folder}})
        assert permacode.stats()["unsearched"] == {{}}, permacode.stats()
        import tool, package.inner
        print(permacode.stats()["hits"], permacode.stats()["unsearched"], os.path.samefile(tool.__file__, folder + "/tool.py"))
        """
        # Up to 3.10 CPython keeps the dot.
        has_dots = entry == "dotted" or entry == "dot" and sys.version_info < (3, 11)
        if has_dots and named == "absolute":
            # To CPython, and in names of files, these are two folders.
            script = script.replace('simplefilter("error")', 'simplefilter("ignore")').replace("assert", "#")
            assert app.run(script, named, prologue=STOCK) == f"0 {{'app': {str(app.folder)!r}}} True\n"
        else:
            assert app.run(script, named, prologue=STOCK) == "3 {} True\n"


def test_a_relative_entry_means_the_folder_of_its_finder(app, tmp_path):
    """What an entry meant when it was first searched counts; from 3.10 on, until the caches are invalidated."""
    app.write("tool.py", "WHAT = 'app'\n")
    app.write("other.py", "WHAT = 'app'\n")
    app.write("third.py", "WHAT = 'app'\n")
    app.bundle("--sealed")
    (tmp_path / "else" / "app").mkdir(parents=True)
    for name in ("tool", "other", "third"):
        (tmp_path / "else" / "app" / f"{name}.py").write_text("WHAT = 'else'\n")
    script = """
    import os, importlib
    os.chdir(folder + "/..")
    sys.path[0] = "app"
    import tool
    os.chdir(folder + "/../else")
    import other
    importlib.invalidate_caches()
    import third
    print(tool.WHAT, other.WHAT, third.WHAT)
    """
    assert app.same(script).startswith("app app ")


def test_a_part_of_a_namespace_package_is_passed_over(tool, tmp_path):
    (tmp_path / "first" / "tool").mkdir(parents=True)
    assert shown(tool, f"sys.path.insert(0, {str(tmp_path / 'first')!r})") == ARCHIVED


HOOKED = """
class Loader:
    def create_module(self, spec):
        pass
    def exec_module(self, module):
        module.WHAT = "hooked"
class Finder:
    {method}
def hook(entry):
    if entry != "hooked":
        raise ImportError
    return Finder()
import importlib.util
sys.path_hooks.insert(0, hook)
sys.path.insert(0, "hooked")
"""


def test_earlier_entries_with_other_finders_are_left_to_cpython(tool):
    method = "def find_spec(self, name, target=None): return importlib.util.spec_from_loader(name, Loader())"
    assert shown(tool, HOOKED.format(method=method)) == ("hooked", False, {"shadowed": 1})
    # It may be asked only once, and only CPython can act on the answer.
    method = "def find_spec(self, name, target=None): return None"
    assert shown(tool, HOOKED.format(method=method)) == ("archived", False, {"shadowed": 1})


@pytest.mark.skipif(sys.version_info < (3, 10), reason="zipimporter has no find_spec up to 3.9")
def test_an_earlier_entry_that_is_a_zip_file(tool, tmp_path):
    with zipfile.ZipFile(tmp_path / "earlier.zip", "w") as file:
        file.writestr("other.py", "")
    before = f"sys.path.insert(0, {str(tmp_path / 'earlier.zip')!r})\n"
    assert shown(tool, before) == ARCHIVED
    with zipfile.ZipFile(tmp_path / "earlier.zip", "w") as file:
        file.writestr("tool.py", "WHAT = 'zipped'\n")
    assert shown(tool, before) == ("zipped", False, {"shadowed": 1})


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython asks finders without find_spec up to 3.11")
def test_a_finder_in_the_words_of_old_is_asked_by_cpython(tool):
    for loader, expected in [("Loader()", "hooked"), ("None", "archived")]:
        method = f"def find_module(self, name): return {loader}"
        before = "import warnings; warnings.simplefilter('ignore')\n" + HOOKED.format(method=method)
        assert shown(tool, before) == (expected, False, {"shadowed": 1})


def test_an_exception_of_an_earlier_finder_is_not_lost(tool):
    script = """
    class Finder:
        def find_spec(self, name, target=None):
            raise RuntimeError("do not ask me for " + name)
    sys.path_importer_cache["asked first"] = Finder()
    sys.path.insert(0, "asked first")
    try:
        import tool
    except RuntimeError as error:
        print(error)
    """
    assert tool.run(script) == "do not ask me for tool\n"


def test_finders_before_ours_stay_before_it(tool):
    tool.write("other.py", "WHAT = 'editable'\n")
    before = """
    import importlib.util
    names = [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path]
    assert names.index("PermacodeFinder") + 3 == names.index("PathFinder"), names
    class Editable:
        def find_spec(self, name, path=None, target=None):
            if name == "tool":
                return importlib.util.spec_from_file_location(name, folder + "/other.py")
    sys.meta_path.insert(0, Editable())
    """
    assert shown(tool, before) == ("editable", False, {})


def test_what_is_built_in_or_frozen_is_not_ours(library, child):
    script = """
import sys, permacode, importlib, _imp
assert permacode.install(sys.argv[1], strict=True)
for name in ["marshal", "builtins", "errno"]:
    sys.modules.pop(name, None)
    assert importlib.import_module(name).__spec__.origin == "built-in", name
frozen = [name for name in ["abc", "codecs", "io", "os", "site", "stat", "genericpath"] if _imp.is_frozen(name)]
for name in frozen:
    sys.modules.pop(name, None)
    assert importlib.import_module(name).__spec__.origin == "frozen", name
print(len(frozen))
"""
    assert int(child(script, library)) == (7 if sys.version_info >= (3, 11) else 0)


def test_a_package_that_took_the_place_of_a_module(tool):
    tool.write("tool/__init__.py", "WHAT = 'package'\n")
    assert shown(tool) == (ARCHIVED if tool.is_sealed else ("package", False, {"shadowed": 1}))


def test_an_extension_module_that_took_the_place_of_a_module(tool):
    tool.write("tool" + importlib.machinery.EXTENSION_SUFFIXES[0], "")
    # It need not be loaded to see who finds it.
    script = """
    import importlib.util
    loader = importlib.util.find_spec("tool").loader
    print(type(loader).__name__, permacode.stats()["shadowed"])
    """
    assert tool.run(script) == ("PermacodeLoader 0\n" if tool.is_sealed else "ExtensionFileLoader 1\n")


def test_a_file_that_is_gone(tool):
    os.remove(tool.folder / "tool.py")
    if tool.is_sealed:
        assert shown(tool) == ARCHIVED
        return
    script = """
    try:
        import tool
    except ModuleNotFoundError as error:
        print(error, permacode.stats()["hits"])
    """
    assert tool.run(script) == "No module named 'tool' 0\n"


def test_a_folder_that_is_not_searched(tool):
    script = """
    sys.path.remove(folder)
    try:
        import tool
    except ModuleNotFoundError as error:
        print(error, permacode.stats()["misses"])
    """
    # Where a warning is shown, modules are imported for it.
    assert tool.run(script, flags=["-W", "ignore"]) == "No module named 'tool' 1\n"


def test_a_path_of_a_package_that_was_changed(app, tmp_path):
    app.write("package/__init__.py", f"__path__.insert(0, {str(tmp_path / 'more')!r})\n")
    app.write("package/inner.py", "WHAT = 'archived'\n")
    app.write("package/only.py", "WHAT = 'archived'\n")
    app.bundle("--sealed")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "inner.py").write_text("WHAT = 'more'\n")
    script = f"""
    import package.inner, package.only
    print(package.inner.WHAT, {is_archived('package.inner')}, package.only.WHAT, {is_archived('package.only')})
    """
    assert app.run(script) == "more False archived True\n"


def test_entries_that_are_no_strings_are_passed_over(tool):
    assert shown(tool, "sys.path[:0] = [None, 7]") == ARCHIVED


def test_a_folder_whose_name_is_no_text(bundle, child, tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff \xc3\xa9")
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system has no such names")
    with open(os.path.join(folder, "tool.py"), "w") as file:
        file.write("WHAT = 'archived'\n")
    script = f"""
import sys, permacode, os
folder, archive = sys.argv[1:]
sys.path.insert(0, folder)
assert permacode.install(archive, strict=True, roots={{"root": folder}})
import tool
assert tool.__file__ == folder + "/tool.py" == tool.__loader__.get_code("tool").co_filename
assert tool.__spec__.cached.startswith(folder + "/__pycache__/tool.")
print(tool.WHAT, {is_archived('tool')}, permacode.stats()["hits"])
"""
    for options in KINDS.values():
        # A root with a name is text as a whole: this is the one that has none.
        assert child(script, folder, bundle(folder, *options), env={"PYTHONUTF8": "1"}) == "archived True 2\n"


def test_names_that_no_archive_has(tool):
    script = """
    finder, = (finder for finder in sys.meta_path if type(finder).__name__ == "PermacodeFinder")
    for name in ["\\ud800", "", "tool.", ".tool", "x" * 70_000]:
        print(finder.find_spec(name))
    """
    assert tool.run(script) == "None\n" * 5
