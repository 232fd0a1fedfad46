"""Installing and uninstalling, and what is said when an archive will not do."""

import json
import os
import shutil
import struct
import sys

import archive_file
import permacode
import pytest
from overlay import STOCK, app  # noqa: F401

#: Places in spec.md 5.3 and 5.4.
CONSTANTS, VM_VERSION, MODULE_COUNT = 10, 0x14, 0x28

KINDS = {"sealed": ["--sealed"], "digest": []}

#: Installs what `arguments` say, prints what install() returned, the warnings, and what `tool` says.
TRY = """
import permacode, warnings, json
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    installed = permacode.install(archive, roots={"app": folder})
    import tool, other
print(json.dumps({
    "installed": installed, "what": tool.WHAT, "loader": type(tool.__loader__).__name__,
    "warnings": [[entry.category.__name__, str(entry.message)] for entry in caught],
    "status": {name: value for name, value in permacode.status().items() if name in ("method", "archive", "reason")},
    "stats": permacode.stats(),
}))
"""

STRICT = """
import permacode
try:
    permacode.install(archive, strict=True, roots={"app": folder})
    import tool
    print("no error")
except ImportError as error:
    print(type(error).__name__, error.name, error.path, type(error.__cause__).__name__, error)
print(permacode.status()["method"])
"""


@pytest.fixture
def tool(app):
    app.write("tool.py", "WHAT = 'archived', [1, 2.5, 'three']\n")
    app.write("other.py", "def f(x):\n    return x + 1\n")
    app.bundle()
    return app


def tried(app):
    return json.loads(app.run(TRY, prologue=STOCK))


def test_a_good_archive(tool):
    said = tried(tool)
    assert said["installed"] is True and said["warnings"] == []
    assert said["loader"] == "PermacodeLoader" and said["what"] == ["archived", [1, 2.5, "three"]]
    assert said["status"]["method"] in ("records", "marshal") and said["status"]["archive"] == str(tool.archive)
    assert said["stats"]["hits"] == 2


def changed(app, change):
    data = bytearray(app.archive.read_bytes())
    change(data)
    app.archive = app.archive.with_name("changed.perma")
    app.archive.write_bytes(data)


def set_in_target(data, field, value):
    """Sets a field of the only target, and makes the checksums right."""
    (offset,) = [offset for _, kind, offset, _, _ in archive_file.sections(data) if kind == archive_file.TARGETS]
    struct.pack_into("<I", data, offset + field, value)
    archive_file.repair(data)


def missing(app):
    app.archive = app.archive.with_name("missing.perma")


def empty(app):
    app.archive = app.archive.with_name("empty.perma")
    app.archive.write_bytes(b"")


def text(app):
    app.archive = app.archive.with_name("text.perma")
    app.archive.write_text("no archive\n" * 1000)


def cut_off(app):
    changed(app, lambda data: data.__delitem__(slice(len(data) // 2, None)))


def of_another_format(app):
    changed(app, lambda data: archive_file.set_format_version(data, 77))


def of_another_bytecode(app):
    changed(app, lambda data: archive_file.set_bytecode_magic(data, 0x0A0D0001))


def of_another_patch_release(app):
    changed(app, lambda data: set_in_target(data, VM_VERSION, sys.hexversion ^ 0x0100))


UNFIT = [
    (missing, "No such file or directory"),
    (empty, "H-"),
    (text, "not a Permacode archive"),
    (cut_off, "H-4"),
    (of_another_format, "77"),
    (of_another_bytecode, "the archive is for cpython"),
    (of_another_patch_release, "another patch release"),
]


@pytest.mark.parametrize("spoil, said", UNFIT, ids=[spoil.__name__ for spoil, _ in UNFIT])
def test_an_archive_that_will_not_do_is_one_warning(tool, spoil, said):
    spoil(tool)
    result = tried(tool)
    assert result["installed"] is False
    assert result["loader"] == "SourceFileLoader" and result["what"][0] == "archived"
    [(category, message)] = result["warnings"]
    assert category == "PermacodeWarning" and said in message and str(tool.archive) in message, message
    # Once is enough.
    assert message.count(str(tool.archive)) == 1
    status = result["status"]
    assert status["method"] is None and status["archive"] == str(tool.archive) and said in status["reason"]
    assert result["stats"]["hits"] == 0


@pytest.mark.parametrize("spoil, said", UNFIT, ids=[spoil.__name__ for spoil, _ in UNFIT])
def test_an_archive_that_will_not_do_is_an_error_if_strict(tool, spoil, said):
    spoil(tool)
    error, method = tool.run(STRICT, prologue=STOCK).splitlines()
    assert error.startswith("ImportError None " + str(tool.archive)) and said in error and method == "None", error
    assert ("FileNotFoundError" in error) == (spoil is missing)


def spoil_constants(data):
    """Makes the kinds of all constants unknown."""
    for _, kind, offset, length, _ in archive_file.sections(data):
        if kind == CONSTANTS:
            data[offset : offset + length] = b"\xff" * length


def damage_constants(app):
    changed(app, spoil_constants)


def forge_constants(app):
    """The same, with checksums that are right."""

    def change(data):
        spoil_constants(data)
        archive_file.repair(data)

    changed(app, change)


def damage_index(app):
    """What the index of names leads to is no module of the target."""
    changed(app, lambda data: set_in_target(data, MODULE_COUNT, 0))


@pytest.mark.parametrize("options", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("damage, rule", [(damage_constants, "K-1"), (forge_constants, "O-"), (damage_index, "X-3")])
def test_damage_that_shows_later(tool, damage, rule, options):
    tool.bundle(*options)
    damage(tool)
    result = tried(tool)
    assert result["installed"] is True and result["what"][0] == "archived"
    # Of two modules that could not be made, one is reported.
    [(category, message)] = result["warnings"]
    assert category == "PermacodeWarning" and rule in message and str(tool.archive) in message and "tool" in message
    assert result["stats"]["fallbacks"] == 2 and result["stats"]["hits"] == 0
    error, method = tool.run(STRICT, prologue=STOCK).splitlines()
    assert error.startswith(f"ImportError tool {tool.archive} ") and rule in error and "offset 0x" in error
    assert method != "None"


def test_a_warning_that_is_an_error(tool):
    missing(tool)
    script = """
    import permacode
    try:
        permacode.install(archive)
    except permacode.PermacodeWarning as warning:
        print(warning)
    print(permacode.status()["method"])
    """
    for flag in ["error", "error::RuntimeWarning"]:
        assert "missing.perma" in tool.run(script, prologue=STOCK, flags=["-W", flag])


#: Runs what `arguments` say and prints what was written to standard error meanwhile.
SHOWN = """
import os
kept = os.dup(2)
read, write = os.pipe()
os.dup2(write, 2)
import permacode
is_imported = "warnings" in sys.modules
permacode.install(archive, roots={"app": folder})
import tool, other
sys.stderr.flush()
os.dup2(kept, 2)
os.close(write)
print(is_imported)
with os.fdopen(read) as shown:
    print(shown.read())
"""


@pytest.mark.parametrize("spoil, said", [(lambda app: missing(app), "missing.perma"), (lambda app: damage_constants(app), "K-1")])
@pytest.mark.parametrize("flags", [[], ["-X", "dev"]], ids=["default", "dev"])
def test_the_warning_is_shown_by_default_and_once(tool, spoil, said, flags):
    spoil(tool)
    shown = tool.run(SHOWN, prologue=STOCK, flags=flags)
    assert shown.count("PermacodeWarning: ") == 1 and said in shown, shown


def test_the_warning_is_shown_where_warnings_are_not_imported(tool):
    missing(tool)
    site = os.path.dirname(os.path.dirname(permacode.__file__))
    prologue = STOCK + "sys.path.append(arguments[0])\n"
    shown = tool.run(SHOWN, site, prologue=prologue, flags=["-S", "-I"])
    assert shown.startswith("False\n") and shown.count("PermacodeWarning: ") == 1, shown


@pytest.mark.parametrize("flag", ["ignore", "ignore::RuntimeWarning"])
def test_the_warning_can_be_turned_off(tool, flag):
    missing(tool)
    assert tool.run(SHOWN, prologue=STOCK, flags=["-W", flag]).split()[1:] == []


def test_the_warning_is_a_class_of_the_package():
    assert issubclass(permacode.PermacodeWarning, RuntimeWarning)
    assert permacode.PermacodeWarning.__module__ == "permacode"


def test_why_nothing_is_installed(tool):
    script = """
    import permacode
    def reason():
        return permacode.status()["archive"], permacode.status()["reason"]
    roots = {"app": folder}
    missing = folder + "/missing.perma"
    print(permacode.install(missing), reason()[0] == missing, missing in reason()[1])
    # Whoever uninstalls wants nothing to be installed.
    print(permacode.uninstall(), reason())
    # That another archive was refused does not matter while one is installed, nor afterwards.
    print(permacode.install(missing), permacode.install(archive, roots=roots), permacode.install(missing), reason()[0] == archive)
    print(permacode.uninstall(), reason())
    print(permacode.install(archive, roots=roots), permacode.install(missing))
    sys.meta_path[:] = [finder for finder in sys.meta_path if "Permacode" not in repr(finder)]
    print(reason())
    """
    assert tool.run(script, prologue=STOCK, flags=["-W", "ignore"]).splitlines() == [
        "False True True",
        "False (None, 'nothing is installed')",
        "False True False True",
        "True (None, 'nothing is installed')",
        "True False",
        "(None, 'nothing is installed')",
    ]


def test_installing_again(tool, tmp_path):
    other = str(shutil.copy(tool.archive, tmp_path / "other.perma"))
    script = """
    roots = {"app": folder}
    import tool
    assert permacode.install(archive, strict=True, roots=roots) is True
    print(permacode.stats()["hits"], len([finder for finder in sys.meta_path if "Permacode" in repr(finder)]))
    for roots in [None, {"app": "/elsewhere"}]:
        try:
            permacode.install(archive, strict=True, roots=roots)
        except ImportError as error:
            print(error)
    print(permacode.install(archive), permacode.status()["archive"] == archive)
    assert permacode.uninstall() is True
    assert permacode.install(arguments[0], strict=True, roots={"app": folder}) is True
    print(permacode.status()["archive"] == arguments[0], permacode.stats()["hits"])
    """
    lines = tool.run(script, other, flags=["-W", "ignore"]).splitlines()
    assert lines[0] == "1 1" and lines[3:] == ["False True", "True 0"]
    assert "other roots" in lines[1] and "permacode.uninstall(path)" in lines[1] and "other roots" in lines[2]


@pytest.mark.parametrize("options", KINDS.values(), ids=list(KINDS))
def test_installing_again_after_the_archive_was_replaced(tool, options):
    tool.bundle(*options)
    first = tool.archive
    tool.write("tool.py", "WHAT = 'newer'\n")
    second = tool.bundle(*options)
    tool.archive = first
    script = """
    import os, shutil, warnings
    roots = {"app": folder}
    shutil.copy(arguments[0], archive + ".new")
    os.replace(archive + ".new", archive)
    finders = list(sys.meta_path)
    print(permacode.install(archive, roots=roots), len(sys.meta_path) == len(finders), permacode.stats()["hits"])
    import tool
    print(tool.WHAT, type(tool.__loader__).__name__, permacode.stats()["hits"])
    finders = list(sys.meta_path)
    print(permacode.install(archive, roots=roots), sys.meta_path == finders)
    # One that will not do takes the place of none.
    with open(archive + ".new", "w") as file:
        file.write("no archive\\n" * 1000)
    os.replace(archive + ".new", archive)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(permacode.install(archive, roots=roots), sys.meta_path == finders)
    import other
    print(type(other.__loader__).__name__, "from their files" in str(caught[0].message))
    print(caught[0].message)
    os.remove(archive)
    print(permacode.install(archive, roots=roots), sys.meta_path == finders)
    """
    lines = tool.run(script, second, flags=["-W", "ignore"]).splitlines()
    assert lines[:5] == ["True True 0", "newer PermacodeLoader 1", "True True", "False True", "PermacodeLoader False"]
    assert "stays installed" in lines[5] and lines[6] == "False True"


def test_what_is_said_of_a_second_archive_that_will_not_do(tool, tmp_path):
    other = str(shutil.copy(tool.archive, tmp_path / "other.perma"))
    script = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(permacode.install("/missing.perma"))
        print(permacode.install(arguments[0], roots={"app": folder}), permacode.install("/missing.perma"))
    print(*(entry.message for entry in caught), sep="\\n")
    """
    first, others, message, second = tool.run(script, other).splitlines()
    assert (first, others) == ("False", "True False")
    assert "from their files" not in message and f"{tool.archive} stays installed" in message, message
    assert f"{other} and {tool.archive} stay installed" in second, second


def test_why_the_method_is_what_it_is(tool):
    reason = tool.run("print(permacode.status()['reason'])")
    assert any(words in reason for words in ("copy is equal", "free-threaded", "public constructor")), reason
    assert "_PyCode_New" not in reason


@pytest.mark.parametrize("kind", ["str", "bytes", "path", "fspath of bytes"])
def test_paths_of_each_kind_that_open_takes(tool, kind):
    script = """
    import os, pathlib, permacode
    class Bytes:
        def __init__(self, path): self.path = path
        def __fspath__(self): return os.fsencode(self.path)
    kind = {"str": str, "bytes": os.fsencode, "path": pathlib.Path, "fspath of bytes": Bytes}[arguments[0]]
    print(permacode.install(kind(archive), strict=True, roots={"app": kind(folder)}), permacode.status()["archive"] == archive)
    import tool
    print(permacode.stats()["hits"])
    with permacode.open(kind(archive)) as opened:
        print(opened.path == archive, opened.code("tool", base=kind("/x")).co_filename)
    """
    assert tool.run(script, kind, prologue=STOCK) == "True True\n1\nTrue /x/tool.py\n"


def test_paths_that_are_none(tool):
    script = """
    import permacode
    for call in (
        lambda: permacode.install(3),
        lambda: permacode.open(3),
        lambda: permacode.install(archive, roots={"app": 3}),
        lambda: permacode.open(archive).code("tool", base=3),
    ):
        try:
            call()
        except TypeError as error:
            print(error)
    for call in (permacode.install, permacode.open):
        try:
            call("null" + chr(0))
        except ValueError as error:
            print(error)
    """
    lines = tool.run(script, prologue=STOCK).splitlines()
    assert len(lines) == 6 and all("expected str, bytes or os.PathLike object, not int" in line for line in lines[:4]), lines


def test_installing_again_can_change_strict(tool):
    script = """
    print(permacode.status()["strict"])
    assert permacode.install(archive, roots={"app": folder})
    print(permacode.status()["strict"])
    """
    assert tool.run(script) == "True\nFalse\n"


def test_uninstall(tool):
    script = """
    import gc, os
    def is_mapped():
        with open("/proc/self/maps") as maps:
            return archive in maps.read()
    import tool
    loader = tool.__loader__
    print(is_mapped(), permacode.uninstall(), permacode.uninstall())
    gc.collect()
    print(is_mapped(), permacode.status()["method"], permacode.status()["reason"], permacode.stats()["hits"])
    import other, importlib
    print(type(other.__loader__).__name__, other.f(1), tool.WHAT)
    # What was imported stays valid, and its loader is that of its file.
    print(loader.get_code("tool").co_filename == tool.__file__)
    importlib.reload(tool)
    print(type(tool.__loader__).__name__, tool.WHAT == ("archived", [1, 2.5, "three"]))
    print([finder for finder in sys.meta_path if "Permacode" in repr(finder)])
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux shows what is mapped")
    assert tool.run(script).splitlines() == [
        "True True False",
        "False None nothing is installed 1",
        "SourceFileLoader 2 ('archived', [1, 2.5, 'three'])",
        "True",
        "SourceFileLoader True",
        "[]",
    ]


def test_without_a_path_finder(tool):
    script = """
    import permacode
    path_finder = sys.meta_path.pop()
    try:
        permacode.install(archive, strict=True)
    except ImportError as error:
        print(error)
    sys.meta_path.append(path_finder)
    """
    assert "PathFinder" in tool.run(script, prologue=STOCK)


def test_somebody_else_changes_the_meta_path(tool):
    script = """
    import tool
    kept = sys.meta_path
    sys.meta_path = [finder for finder in kept if "Permacode" not in repr(finder)]
    print(permacode.status()["method"], type(__import__("other").__loader__).__name__)
    sys.meta_path = kept
    del sys.modules["other"]
    print(permacode.status()["method"] is not None, type(__import__("other").__loader__).__name__)
    sys.meta_path.clear()
    print(permacode.status()["method"], permacode.uninstall(), tool.__loader__.get_code("tool") is not None)
    """
    assert tool.run(script).splitlines() == ["None SourceFileLoader", "True PermacodeLoader", "None False True"]


@pytest.mark.parametrize("is_isolated", [False, True])
def test_another_interpreter_of_the_process_is_left_alone(tool, is_isolated):
    script = f"""
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
        other = interpreters.create("isolated" if {is_isolated} else "legacy")
    else:
        import _xxsubinterpreters as interpreters
        other = interpreters.create(isolated={is_isolated})
    # Beside this one, which has installed an archive.
    interpreters.run_string(other, f'''if True:
        import sys
        sys.path[:] = {{sys.path!r}}
        try:
            import permacode
        except ImportError as error:
            print("refused", "interpreter" in str(error))
        import tool
        print(type(tool.__loader__).__name__, flush=True)
    ''')
    import tool
    print(type(tool.__loader__).__name__)
    """
    assert tool.run(script) == "refused True\nSourceFileLoader\nPermacodeLoader\n"


def test_what_status_says(tool):
    script = """
    status = permacode.status()
    print(sorted(status))
    print(status["sealed"], status["strict"], status["archive"], status["roots"]["app"] == folder)
    print(status["target"], bool(status["constructor"]), bool(status["reason"]))
    import os, sysconfig
    print(status["roots"]["stdlib"] == os.path.dirname(os.__file__), status["roots"]["site-packages"] == sysconfig.get_path("purelib"))
    permacode.uninstall()
    print(sorted(permacode.status()))
    """
    keys = str([
        "archive", "blocked", "constructor", "image", "layers", "method", "reason", "roots", "sealed", "stamps", "startup",
        "strict", "target",
    ])
    version = "%d.%d.%d" % sys.version_info[:3]
    first, flags, target, library, last = tool.run(script).splitlines()
    assert first == last == keys and library == "True True"
    assert flags == f"False True {tool.archive} True"
    assert target.startswith(f"cpython {version}") and target.endswith("True True")


def test_arguments(tool):
    script = """
    import pathlib
    for arguments in [(), (1,), (archive, True, {}), (None,)]:
        try:
            permacode.install(*arguments)
        except TypeError as error:
            print("TypeError")
    for roots in [7, {"app": 7}, {7: "app"}]:
        try:
            permacode.install(archive, roots=roots)
        except TypeError as error:
            print("TypeError")
    permacode.uninstall()
    print(permacode.install(pathlib.Path(archive), roots={"app": pathlib.Path(folder)}))
    import tool
    print(permacode.stats()["hits"])
    """
    assert tool.run(script) == "TypeError\n" * 7 + "True\n1\n"


def test_a_relative_path_stays_valid(tool):
    script = """
    import os, permacode
    os.chdir(os.path.dirname(archive))
    permacode.install(os.path.basename(archive), strict=True, roots={"app": folder})
    os.chdir("/")
    import tool
    print(permacode.status()["archive"] == archive, permacode.stats()["hits"])
    """
    assert tool.run(script, prologue=STOCK) == "True 1\n"


def test_nothing_is_imported_to_install(tool):
    script = """
    before = set(sys.modules)
    import permacode
    permacode.install(archive, strict=True)
    permacode.status(), permacode.stats()
    print(sorted(set(sys.modules) - before))
    """
    prologue = STOCK + "sys.path.append(arguments[0])\n"
    site = os.path.dirname(os.path.dirname(permacode.__file__))
    assert tool.run(script, site, prologue=prologue, flags=["-S"]) == "['permacode']\n"
