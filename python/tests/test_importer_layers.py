"""Several archives that are installed at once."""

import json

import pytest
from overlay import app  # noqa: F401

#: Before each script: both folders are searched. `install` installs the archive of one of them.
TWO = """
import gc, importlib, json, os, sys
import permacode
request = json.loads(sys.argv[1])
sys.path[:0] = [request["first"]["folder"], request["second"]["folder"]]
def install(name, **options):
    return permacode.install(
        request[name]["archive"], strict=True, roots={name: request[name]["folder"]}, **options
    )
def layers():
    names = {request[name]["archive"]: name for name in ("first", "second")}
    return [names[layer["archive"]] for layer in permacode.status()["layers"]]
def counts():
    return {name: count for name, count in permacode.stats().items() if count and type(count) is int}
"""


class Two:
    """Two folders of modules with an archive each."""

    def __init__(self, folder, bundle, child):
        self._bundle, self._child = bundle, child
        self.folders = {name: folder / name for name in ("first", "second")}
        self.archives = {}

    def write(self, path, text):
        """Writes `first/module.py`."""
        name, _, path = path.partition("/")
        file = self.folders[name] / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def bundle(self, name, *options, folder=None):
        self.archives[name] = self._bundle(f"{name}={folder or self.folders[name]}", *options)

    def run(self, script, **request):
        for name, folder in self.folders.items():
            request[name] = {"folder": str(folder), "archive": str(self.archives[name])}
        return self._child(TWO + script, json.dumps(request))


@pytest.fixture
def two(tmp_path, bundle, child):
    made = Two(tmp_path, bundle, child)
    made.write("first/one.py", "VALUE = 'one'\n")
    made.write("first/both.py", "VALUE = 'both of first'\n")
    made.write("second/two.py", "VALUE = 'two'\n")
    made.write("second/both.py", "VALUE = 'both of second'\n")
    for name in made.folders:
        made.bundle(name)
    return made


@pytest.mark.parametrize("order", [["first", "second"], ["second", "first"]], ids=" ".join)
def test_modules_come_from_both(two, order):
    """The path decides which module is imported, whatever the order of the archives."""
    two.run("""
for name in request["order"]:
    assert install(name)
assert layers() == request["order"][::-1]
assert sum(type(finder).__name__ == "PermacodeFinder" for finder in sys.meta_path) == 1
import one, two, both
assert (one.VALUE, two.VALUE, both.VALUE) == ("one", "two", "both of first")
assert {type(module.__loader__).__name__ for module in (one, two, both)} == {"PermacodeLoader"}
assert both.__file__ == os.path.join(request["first"]["folder"], "both.py")
assert counts() == {"hits": 3}, counts()
""", order=order)


def test_each_import_counts_once(two):
    two.write("second/later.py", "")
    stale = two.write("second/edited.py", "VALUE = 1\n")
    two.write("first/gone.py", "")
    two.bundle("second")
    two.bundle("first")
    stale.write_text("VALUE = 22\n")
    two.run("""
install("first"), install("second")
start = counts()
def after(name):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
    changed = {key: count - start.get(key, 0) for key, count in counts().items() if count != start.get(key, 0)}
    start.update(counts())
    return changed
# No archive has it.
assert after("absent") == {"misses": 1}
# The archive that is asked first has another module of this name, whose folder comes later.
assert after("both") == {"hits": 1}
# The file has changed.
assert after("edited") == {"stale": 1}
assert sys.modules["edited"].VALUE == 22
os.remove(os.path.join(request["first"]["folder"], "gone.py"))
assert after("gone") == {"misses": 1}
path_finder = sys.meta_path.pop()
sys.meta_path.append(type("Other", (), {"find_spec": path_finder.find_spec}))
assert after("one") == {"blocked": 1}
""")


def test_the_last_installed_archive_has_a_file_that_both_have(two):
    """Only then does the order matter. An archive that is out of date leaves the file to the other one."""
    file = two.write("second/two.py", "VALUE = 'old'\n")
    two.bundle("first", folder=two.folders["second"])
    file.write_text("VALUE = 'newer'\n")
    two.bundle("second")
    two.run("""
for name in ("second", "first"):
    permacode.install(request[name]["archive"], strict=True, roots={name: request["second"]["folder"]})
assert layers() == ["first", "second"]
import two, both
assert two.VALUE == "newer" and both.VALUE == "both of first"
# The file `both` of the first folder is in neither archive.
assert counts() == {"hits": 1, "shadowed": 1}, counts()
os.remove(both.__file__)
del sys.modules["both"]
importlib.invalidate_caches()
# Both have this file. The archive that was installed last is asked first, so the others need not have it.
import both
assert both.VALUE == "both of second" and counts()["hits"] == 2
permacode.uninstall(request["second"]["archive"])
assert importlib.reload(both).VALUE == "both of second" and counts()["hits"] == 3
assert importlib.reload(two).VALUE == "newer" and counts()["stale"] == 1
""")


def test_damage_of_one_leaves_the_other(two, tmp_path):
    two.write("second/same.py", "VALUE = 1\n")
    two.bundle("first", folder=two.folders["second"])
    two.bundle("second")
    data = bytearray(two.archives["first"].read_bytes())
    import archive_file

    for _, kind, offset, length, _ in archive_file.sections(data):
        if kind == 10:  # the constants (spec.md 5.3)
            data[offset:offset + length] = b"\xff" * length
    two.archives["first"] = tmp_path / "damaged.perma"
    two.archives["first"].write_bytes(data)
    two.run("""
import warnings
install("second")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    permacode.install(request["first"]["archive"], roots={"first": request["second"]["folder"]})
    import same
# Finding the module and loading it meet the damage.
assert same.VALUE == 1 and counts() == {"hits": 1, "fallbacks": 2}, counts()
assert len(caught) == 1 and request["first"]["archive"] in str(caught[0].message)
""")


def test_installing_again_keeps_the_order(two):
    two.run("""
import shutil
install("first"), install("second")
finders = list(sys.meta_path)
assert install("first") and sys.meta_path == finders and layers() == ["second", "first"]
# Another file in its place.
shutil.copy(request["first"]["archive"], request["first"]["archive"] + ".new")
os.replace(request["first"]["archive"] + ".new", request["first"]["archive"])
assert install("first") and sys.meta_path != finders and layers() == ["second", "first"]
import one, two
assert counts() == {"hits": 2}
try:
    permacode.install(request["first"]["archive"], strict=True)
except ImportError as error:
    assert "other roots" in str(error)
else:
    raise AssertionError
assert layers() == ["second", "first"]
""")


def test_uninstalling_one(two):
    two.run("""
install("first"), install("second")
def is_mapped(name):
    with open("/proc/self/maps") as maps:
        return request[name]["archive"] in maps.read()
assert permacode.uninstall("/absent.perma") is False and layers() == ["second", "first"]
import one, two
os.chdir(os.path.dirname(request["second"]["archive"]))
assert permacode.uninstall(os.path.basename(request["second"]["archive"])) is True and layers() == ["first"]
gc.collect()
assert not sys.platform.startswith("linux") or (is_mapped("first") and not is_mapped("second"))
# What was imported stays, and is loaded from its file again.
assert importlib.reload(two).VALUE == "two" and type(two.__loader__).__name__ == "SourceFileLoader"
assert importlib.reload(one).VALUE == "one" and type(one.__loader__).__name__ == "PermacodeLoader"
assert permacode.uninstall(path=os.fsencode(request["second"]["archive"])) is False
assert permacode.uninstall(request["first"]["archive"]) is True
assert permacode.status()["layers"] == [] and permacode.uninstall() is False
install("second"), install("first")
assert counts() == {}
assert permacode.uninstall() is True and permacode.status()["layers"] == []
""")


def test_status_describes_each(two):
    two.bundle("second", "--sealed")
    two.run("""
install("first")
permacode.install(request["second"]["archive"], roots={"second": request["second"]["folder"]})
status = permacode.status()
second, first = status["layers"]
assert set(status) - set(second) == {"blocked", "layers"} and set(first) == set(second)
assert {name: status[name] for name in second} == second
assert (first["archive"], second["archive"]) == (request["first"]["archive"], request["second"]["archive"])
assert (first["sealed"], first["strict"], first["startup"]) == (False, True, False)
assert (second["sealed"], second["strict"], second["startup"]) == (True, False, False)
assert first["roots"]["first"] == request["first"]["folder"] and "first" not in second["roots"]
assert permacode.stats()["sealed"] is True and "note" in permacode.stats()
assert request["first"]["archive"] in repr(sys.meta_path) and request["second"]["archive"] in repr(sys.meta_path)
sys.meta_path.insert(0, sys.meta_path.pop())
assert "PathFinder" in permacode.status()["blocked"]
""")


def test_the_roots_that_are_not_searched(two):
    two.run("""
import warnings
install("first"), install("second")
sys.path.remove(request["first"]["folder"])
assert permacode.stats()["unsearched"] == {"first": request["first"]["folder"]}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    # The second archive has it.
    import both
    assert both.VALUE == "both of second" and not caught
    try:
        import one
    except ImportError:
        pass
assert len(caught) == 1 and request["first"]["archive"] in str(caught[0].message)
""")


def test_threads_import_while_archives_come_and_go(two):
    for number in range(40):
        two.write(f"{'first' if number % 2 else 'second'}/module{number}.py", f"VALUE = {number}\n")
    for name in two.folders:
        two.bundle(name)
    two.run("""
import threading
install("first")
failed = []
def load(start):
    try:
        for number in range(start, start + 40):
            assert importlib.import_module(f"module{number % 40}").VALUE == number % 40
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=load, args=(start,)) for start in range(0, 40, 10)]
for thread in threads: thread.start()
for _ in range(200):
    install("second")
    permacode.uninstall(request["second"]["archive"])
for thread in threads: thread.join()
assert not failed, failed
assert layers() == ["first"]
""")
