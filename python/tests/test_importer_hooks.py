"""Programs that change how CPython finds or loads files: what they import is theirs, sealed or not."""

import pytest
from overlay import INSTALL, STOCK, app, is_archived  # noqa: F401

KINDS = {"sealed": ["--sealed"], "mtime": ["--mtime"], "digest": []}

#: A loader that changes what a module says, and a hook in `sys.path_hooks` that gives it to folders.
DOUBLING = """
import importlib.machinery as machinery
class Doubling(machinery.SourceFileLoader):
    def get_code(self, name):
        return compile(self.get_data(self.path) + b"VALUE *= 2\\n", self.path, "exec")
hook = machinery.FileFinder.path_hook((Doubling, [".py"]))
"""

SHOW = """
import tool
print(tool.VALUE, type(tool.__loader__).__name__)
"""


@pytest.fixture(params=list(KINDS))
def tool(app, request):
    app.write("tool.py", "VALUE = 1\n")
    app.write("package/__init__.py", "")
    app.write("package/inner.py", "VALUE = 1\n")
    app.bundle(*KINDS[request.param])
    app.is_sealed = request.param == "sealed"
    return app


def with_and_without(app, change, show=SHOW, before="import permacode\n"):
    """What a script prints that makes a change and then imports: without the archive, with it, and with a change before
    the archive is installed. `before` runs before that change, because some hooks find no extension modules."""
    late = STOCK + before + DOUBLING + change + INSTALL.splitlines()[-1] + "\n"
    return [
        app.run(DOUBLING + change + show, prologue=STOCK),
        app.run(DOUBLING + change + show),
        app.run(show, prologue=late),
    ]


#: Changes of `sys.meta_path` and of PathFinder, and the value of `tool` afterwards. `theirs` is a module that the
#: program finds in its place.
META = """
import importlib.util
from importlib.machinery import PathFinder
def theirs(name, folder=folder):
    if name == "tool":
        return importlib.util.spec_from_file_location(name, folder + "/theirs.txt", loader=machinery.SourceFileLoader(name, folder + "/theirs.txt"))
class Mine:
    def find_spec(self, name, path=None, target=None):
        return theirs(name)
class Sandbox(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "tool" else super().find_spec(name, path, target)
"""

FINDERS = {
    "a finder directly before": ("sys.meta_path.insert(sys.meta_path.index(PathFinder), Mine())", "7"),
    "a subclass": ("sys.meta_path[sys.meta_path.index(PathFinder)] = Sandbox", "No module named 'tool'"),
    "none": ("sys.meta_path.remove(PathFinder)", "No module named 'tool'"),
    "another place": ("sys.meta_path.remove(PathFinder); sys.meta_path[:0] = [PathFinder, Mine()]", "1"),
    "find_spec": (
        "plain = PathFinder.find_spec\nPathFinder.find_spec = lambda name, *more: theirs(name) or plain(name, *more)", "7"
    ),
    "a static find_spec": (
        "plain = PathFinder.find_spec\n"
        "PathFinder.find_spec = staticmethod(lambda name, *more: theirs(name) or plain(name, *more))", "7"
    ),
    "_get_spec": (
        "plain = PathFinder._get_spec\nPathFinder._get_spec = lambda name, *more: theirs(name) or plain(name, *more)", "7"
    ),
    "find_spec of a subclass": (
        "class Sub(PathFinder):\n    _get_spec = staticmethod(lambda name, *more: theirs(name) or PathFinder._get_spec(name, *more))\n"
        "PathFinder.find_spec = Sub.find_spec", "7"
    ),
    "_path_importer_cache": ("PathFinder._path_importer_cache = lambda entry: None", "No module named 'tool'"),
    "_path_hooks": (
        "sys.path_importer_cache.clear()\nPathFinder._path_hooks = lambda entry: None", "No module named 'tool'"
    ),
    "a list that iterates in its own way": (
        "class Reversed(list):\n    def __iter__(self): return iter([Mine()])\nsys.meta_path = Reversed(sys.meta_path)", "7"
    ),
    "a cache that answers in its own way": (
        "class Cache(dict):\n    def __getitem__(self, entry): return None\n"
        "sys.path_importer_cache = Cache(sys.path_importer_cache)", "No module named 'tool'"
    ),
    "find_spec of one FileFinder": (
        "PathFinder._path_importer_cache(folder).find_spec = lambda name, target=None: theirs(name)", "7"
    ),
}

SHOW_FOUND = """
try:
    import tool
    print(tool.VALUE, type(tool.__loader__).__name__)
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize("change", list(FINDERS))
def test_a_path_finder_that_is_not_cpythons_or_not_next(tool, change):
    tool.write("theirs.txt", "VALUE = 7\n")
    change, expected = FINDERS[change]
    expected += " SourceFileLoader\n" if expected.isdigit() else "\n"
    # What replaces PathFinder must be able to import the package, too.
    late = DOUBLING + META + change + "\n"
    assert tool.run(late + SHOW_FOUND, prologue=STOCK) == expected
    assert tool.run(late + SHOW_FOUND) == expected
    if "PathFinder." in change:
        # Before the archive is installed, too; before the package is imported, where that can still be found.
        install = INSTALL.splitlines()[-1] + "\n"
        assert tool.run("import permacode\n" + late + install + SHOW_FOUND, prologue=STOCK) == expected
        if "No module" not in expected:
            assert tool.run(late + install + SHOW_FOUND, prologue=STOCK) == expected


BETWEEN = """
import importlib.util
from importlib.machinery import PathFinder
asked = []
class Between:
    def find_spec(self, name, path=None, target=None):
        if name in ("tool", "package.inner", "absent"):
            asked.append((name, path, target))
            return self.find(name, path)
sys.meta_path.insert(sys.meta_path.index(PathFinder), Between())
"""

SHOW_ASKED = """
import tool, package.inner
try:
    import absent
except ModuleNotFoundError as error:
    print(error)
print(asked, tool.VALUE, package.inner.VALUE)
"""

LOADERS = "print(type(tool.__loader__).__name__, type(package.inner.__loader__).__name__)\n"


@pytest.mark.parametrize(("find", "loaders"), [
    ("None", "PermacodeLoader PermacodeLoader"),
    # So does a package whose modules have two names.
    ("PathFinder.find_spec(name, path)", "PermacodeLoader PermacodeLoader"),
    ("importlib.util.spec_from_file_location(name, folder + '/theirs.py')", "SourceFileLoader SourceFileLoader"),
    ("importlib.util.spec_from_file_location(name, folder + '/tool.py', loader=type('Own', (machinery.SourceFileLoader,), {})"
     "(name, folder + '/tool.py'))", "Own Own"),
])
def test_a_finder_between_is_asked_once_and_first(tool, find, loaders):
    tool.write("theirs.py", "VALUE = 7\n")
    script = DOUBLING + BETWEEN.replace("self.find(name, path)", find) + SHOW_ASKED
    tool.same(script)
    assert tool.run(script + LOADERS).splitlines()[-1] == loaders
    # It is between our finder and PathFinder, so this finder was asked by ours.
    tool.write("tool.py", "VALUE = 33\n")
    if not tool.is_sealed:
        tool.same(script)


def test_a_finder_between_may_fail(tool):
    script = BETWEEN.replace("self.find(name, path)", "1 / 0") + """
try:
    import tool
except ZeroDivisionError as error:
    print(error)
"""
    assert tool.same(script) == "division by zero\n"


def test_what_stands_in_the_way_is_said(tool):
    script = """
    from importlib.machinery import PathFinder, SourceFileLoader, FileFinder
    def said(count=None):
        sys.modules.pop("tool", None)
        import tool
        print(type(tool.__loader__).__name__, permacode.stats()["blocked"], permacode.status()["blocked"])
    said()
    path_finder = sys.meta_path.pop()
    sys.meta_path.append(type("Other", (), {"find_spec": path_finder.find_spec}))
    said()
    sys.meta_path[-1] = path_finder
    said()
    plain = PathFinder.__dict__["find_spec"]
    PathFinder.find_spec = PathFinder.find_spec
    said()
    PathFinder.find_spec = plain
    said()
    plain = SourceFileLoader.path_stats
    SourceFileLoader.path_stats = lambda self, path: plain(self, path)
    said()
    SourceFileLoader.path_stats = plain
    said()
    FileFinder._get_spec = lambda *details, plain=FileFinder._get_spec: plain(*details)
    said()
    sys.meta_path[-1:] = []
    print(permacode.status()["blocked"])
    permacode.uninstall()
    print(permacode.status()["blocked"])
    """
    lines = tool.run(script).splitlines()
    assert lines[0] == "PermacodeLoader 0 None"
    assert lines[1].startswith("SourceFileLoader 1 ") and "PathFinder must come after" in lines[1]
    assert lines[2] == "PermacodeLoader 1 None"
    # This is the function of CPython, but it may be bound to another class.
    assert lines[3].startswith("SourceFileLoader 2 ") and "PathFinder.find_spec" in lines[3]
    assert lines[4] == "PermacodeLoader 2 None"
    assert lines[5].startswith("SourceFileLoader 3 ") and "SourceFileLoader.path_stats" in lines[5]
    assert lines[6] == "PermacodeLoader 3 None"
    assert lines[7].startswith("SourceFileLoader 4 ") and "FileFinder._get_spec" in lines[7]
    assert "PathFinder" in lines[8] and lines[9] == "None"


def test_no_finder_of_a_program_is_asked_twice(tool):
    script = """
    class Finder:
        def __init__(self, name):
            self.name = name
        def find_spec(self, name, target=None):
            if name in ("tool", "absent"):
                print(self.name, "is asked for", name)
    sys.path.insert(0, "earlier")
    sys.path_importer_cache["earlier"] = Finder("the finder of an earlier entry")
    if arguments[0] == "here":
        sys.path_importer_cache[folder] = Finder("the finder of the folder")
    for name in ("tool", "absent"):
        try:
            __import__(name)
        except ImportError as error:
            print(error)
    """
    for where in ("here", "elsewhere"):
        assert tool.same(script, where).count("the finder of an earlier entry is asked for tool") == 1


CHANGES = {
    "a hook before": "sys.path_hooks.insert(0, hook); sys.path_importer_cache.clear()\n",
    "a hook instead": "sys.path_hooks[:] = [hook]; sys.path_importer_cache.clear()\n",
    "other hooks": "sys.path_hooks = (hook,); sys.path_importer_cache.clear()\n",
    "a finder": "sys.path_importer_cache[folder] = machinery.FileFinder(folder, (Doubling, ['.py']))\n",
    "loaders of a finder": "import os; finder = machinery.FileFinder(folder, (machinery.SourceFileLoader, ['.py']))\n"
    "finder._loaders[:] = [('.py', Doubling)]; sys.path_importer_cache[folder] = finder\n",
    "a class of finders": "class Finder(machinery.FileFinder): pass\n"
    "sys.path_hooks.insert(0, Finder.path_hook((Doubling, ['.py']))); sys.path_importer_cache.clear()\n",
    "an entry that is added later": "sys.path_hooks.insert(0, hook); sys.path.remove(folder)\n"
    "sys.path_importer_cache.clear(); sys.path.append(folder)\n",
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_folder_that_the_program_searches_in_its_own_way(tool, change):
    assert with_and_without(tool, CHANGES[change]) == ["2 Doubling\n"] * 3


def test_a_folder_of_a_package(tool):
    change = """
def only_the_package(entry, plain=hook):
    if not entry.endswith("package"):
        raise ImportError
    return plain(entry)
sys.path_hooks.insert(0, only_the_package)
"""
    show = "import tool, package.inner\nprint(tool.VALUE, package.inner.VALUE, type(package.inner.__loader__).__name__)\n"
    assert with_and_without(tool, change, show) == ["1 2 Doubling\n"] * 3
    # The hook leaves other folders to CPython.
    assert tool.run(DOUBLING + change + f"import tool\nprint({is_archived('tool')})") == "True\n"


def test_a_hook_that_gives_what_cpython_gives(tool):
    change = "sys.path_hooks.insert(0, machinery.FileFinder.path_hook(*machinery_details))\nsys.path_importer_cache.clear()\n"
    details = "import _frozen_importlib_external as external; machinery_details = external._get_supported_file_loaders()\n"
    assert tool.run(DOUBLING + details + change + SHOW) == "1 PermacodeLoader\n"


def test_a_hook_that_is_gone_again(tool):
    script = """
sys.path_hooks.insert(0, hook); sys.path_importer_cache.clear()
import tool
print(tool.VALUE)
sys.path_hooks.remove(hook); sys.path_importer_cache.clear(); del sys.modules["tool"]
import tool
print(tool.VALUE, type(tool.__loader__).__name__)
"""
    assert tool.run(DOUBLING + script) == "2\n1 PermacodeLoader\n"


def test_a_suffix_that_the_program_adds(tool):
    tool.write("tool.other", "VALUE = 7\n")
    tool.write("late.other", "VALUE = 8\n")
    for line in ["insert(0, '.other')", "append('.other')"]:
        change = f"machinery.SOURCE_SUFFIXES.{line}; sys.path_importer_cache.clear()\n"
        show = "import tool, late\nprint(tool.VALUE, late.VALUE)\n"
        first = 7 if "insert" in line else 1
        assert with_and_without(tool, change, show) == [f"{first} 8\n"] * 3, line


def test_a_folder_that_cpython_does_not_search(tool):
    script = """
    sys.path_importer_cache[folder] = None
    try:
        import tool
    except ModuleNotFoundError as error:
        print(error)
    """
    assert tool.same(script) == "No module named 'tool'\n"


REPLACED = {
    "get_code": "def get_code(self, name, plain=machinery.SourceFileLoader.get_code):\n"
    "    code = plain(self, name)\n"
    "    if name != 'tool':\n"
    "        return code\n"
    "    return code.replace(co_consts=tuple(9 if const in (1, 1234) else const for const in code.co_consts))\n",
    "source_to_code": "def source_to_code(self, data, path, *_, _optimization=-1):\n"
    "    return compile(data.replace(b'VALUE = 1', b'VALUE = 9'), path, 'exec')\n",
    "get_data": "def get_data(self, path):\n"
    "    with open(path, 'rb') as file:\n"
    "        return file.read().replace(b'VALUE = 1', b'VALUE = 9')\n",
    "get_filename": "def get_filename(self, name=None):\n"
    "    return self.path.replace('tool.py', 'nine.py')\n",
    "path_stats": "def path_stats(self, path, plain=machinery.SourceFileLoader.path_stats):\n"
    "    if 'tool' in path: print('9 is asked')\n"
    "    return plain(self, path)\n",
    "exec_module": "def exec_module(self, module, plain=machinery.SourceFileLoader.exec_module):\n"
    "    plain(self, module)\n"
    "    module.VALUE = 9\n",
}


@pytest.mark.parametrize("name", list(REPLACED))
def test_a_function_of_the_loader_that_the_program_replaced(tool, name):
    # A number that is a constant of the module in every version: small ones are part of instructions from 3.14 on.
    tool.write("tool.py", "VALUE = 1\nOTHER = 1234\n")
    tool.write("nine.py", "VALUE = 9\n")
    change = REPLACED[name] + f"machinery.SourceFileLoader.{name} = {name}\n"
    show = "import tool\nprint(tool.VALUE if tool.VALUE == 9 else tool.OTHER, type(tool.__loader__).__name__)\n"
    outputs = with_and_without(tool, change, show, before="")
    assert outputs[0] == outputs[1] == outputs[2]
    assert "9" in outputs[0] and "SourceFileLoader" in outputs[0]


def test_a_function_of_a_base_class_that_the_program_replaced(tool):
    tool.write("nine.py", "VALUE = 9\n")
    change = "import _frozen_importlib_external as external\n" + REPLACED["get_filename"]
    outputs = with_and_without(tool, change + "external.FileLoader.get_filename = get_filename\n", before="")
    assert outputs == ["9 SourceFileLoader\n"] * 3


def test_a_function_that_the_program_puts_back(tool):
    script = """
    import importlib.machinery as machinery
    plain = machinery.SourceFileLoader.source_to_code
    machinery.SourceFileLoader.source_to_code = lambda self, data, path, *_, **how: compile("VALUE = 9", path, "exec")
    import tool
    print(tool.VALUE, type(tool.__loader__).__name__)
    machinery.SourceFileLoader.source_to_code = plain
    import importlib
    print(importlib.reload(tool).VALUE, type(tool.__spec__.loader).__name__)
    """
    assert tool.run(script) == "9 SourceFileLoader\n1 PermacodeLoader\n"


def test_a_function_that_is_replaced_after_the_module_was_found(tool):
    script = """
    import importlib.machinery as machinery, importlib.util
    spec = importlib.util.find_spec("tool")
    def get_code(self, name):
        return compile("VALUE = 9", self.path, "exec")
    machinery.SourceFileLoader.get_code = get_code
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(module.VALUE)
    """
    assert tool.same(script) == "9\n"


def test_a_finder_that_the_program_replaced(tool):
    change = """
def find_spec(self, name, target=None, plain=machinery.FileFinder.find_spec):
    spec = plain(self, name, target)
    if spec is not None and spec.loader is not None:
        spec.loader = Doubling(spec.loader.name, spec.loader.path)
    return spec
machinery.FileFinder.find_spec = find_spec
"""
    assert with_and_without(tool, change) == ["2 Doubling\n"] * 3


def test_a_finder_that_only_looks_like_cpythons(tool):
    # Its loader is one of SourceFileLoader's own, but the finder may say more than that in its spec.
    change = """
import importlib.util
class Finder:
    def find_spec(self, name, target=None):
        if name == "tool":
            return importlib.util.spec_from_file_location(name, folder + "/tool.py", submodule_search_locations=["/x"])
sys.path_importer_cache[folder] = Finder()
"""
    show = "import tool\nprint(tool.__path__)\n"
    assert with_and_without(tool, change, show) == ["['/x']\n"] * 3


def test_no_folder_is_searched_for_a_sealed_archive(app):
    app.write("package/__init__.py", "")
    app.write("package/inner.py", "VALUE = 1\n")
    app.bundle("--sealed")
    script = """
    import package.inner
    print(permacode.stats()["hits"], [entry for entry in sys.path_importer_cache if entry.endswith("package")])
    """
    assert app.run(script) == "2 []\n"
