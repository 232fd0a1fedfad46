"""Files that change after the archive was made: a changed file wins, unless the archive is sealed."""

import os

import pytest
from overlay import app  # noqa: F401

KINDS = {"sealed": ["--sealed"], "mtime": ["--mtime"], "digest": []}

SHOW = """
import tool
counts = permacode.stats()
print(tool.WHAT, counts["hits"], counts["stale"])
"""


@pytest.fixture
def edited(app):
    """Bundles `tool.py` and changes it: its text, or its time, in nanoseconds."""

    def edit(kind, text=None, time=None):
        path = app.write("tool.py", "WHAT = 'archived'\n")
        before = 1_700_000_000_500_000_000
        os.utime(path, ns=(before, before))
        app.bundle(*KINDS[kind])
        if text is not None:
            path.write_text(text)
        time = before if time is None else before + time
        os.utime(path, ns=(time, time))
        return app.run(SHOW)

    return edit


SAME_SIZE, LONGER = "WHAT = 'modified'\n", "WHAT = 'longer than it was'\n"
SECOND = 1_000_000_000


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_changed(edited, kind):
    assert edited(kind) == "archived 1 0\n"


def test_the_size_is_compared(edited):
    assert edited("mtime", LONGER) == "longer than it was 0 1\n"
    assert edited("digest", LONGER) == "longer than it was 0 1\n"


def test_the_digest_is_compared_where_there_is_no_time(edited):
    assert edited("digest", SAME_SIZE) == "modified 0 1\n"
    # Time alone does not matter then: a checkout or a copy has another one.
    assert edited("digest", time=3600 * SECOND) == "archived 1 0\n"


def test_the_time_is_compared_where_there_is_one(edited):
    for time in (-3600 * SECOND, -SECOND, SECOND, 3600 * SECOND):
        assert edited("mtime", time=time) == "archived 0 1\n", time
    # In whole seconds, as in .pyc files, and instead of the digest.
    for time in (SECOND // 4, -SECOND // 4):
        assert edited("mtime", time=time) == "archived 1 0\n", time
    assert edited("mtime", SAME_SIZE) == "archived 1 0\n"


def test_times_before_1970(app):
    path = app.write("tool.py", "WHAT = 'archived'\n")
    for time in (-1, -SECOND, -SECOND - 1, 0):
        os.utime(path, ns=(time, time))
        app.bundle("--mtime")
        assert app.run(SHOW) == "archived 1 0\n", time
    os.utime(path, ns=(SECOND, SECOND))
    assert app.run(SHOW) == "archived 0 1\n"


def test_a_sealed_archive_does_not_look(edited, app):
    assert edited("sealed", LONGER, 3600 * SECOND) == "archived 1 0\n"
    script = "print(permacode.stats()['sealed'], permacode.stats()['note'], permacode.status()['sealed'])"
    assert app.run(script) == "True sealed: edits not seen True\n"
    app.bundle()
    script = "print(permacode.stats()['sealed'], permacode.stats().get('note'), permacode.status()['sealed'])"
    assert app.run(script) == "False None False\n"


def test_a_changed_package_and_its_unchanged_modules(app):
    app.write("package/__init__.py", "WHAT = 'archived'\n")
    app.write("package/inner.py", "WHAT = 'archived'\n")
    app.bundle()
    app.write("package/__init__.py", "WHAT = 'modified'\n")
    script = "import package.inner as inner, package; print(package.WHAT, inner.WHAT, permacode.stats()['hits'])"
    assert app.run(script) == "modified archived 1\n"


def test_reload(app):
    app.write("tool.py", "WHAT = 'archived'\ncount = globals().get('count', 0) + 1\n")
    app.bundle("--mtime")
    script = """
    import importlib, os, tool
    again = importlib.reload(tool)
    print(again is tool, tool.count, tool.WHAT, type(tool.__spec__.loader).__name__, permacode.stats()["hits"])
    with open(tool.__file__, "w") as file:
        file.write("WHAT = 'edited'")
    importlib.reload(tool)
    print(tool.count, tool.WHAT, type(tool.__spec__.loader).__name__, permacode.stats()["stale"])
    """
    assert app.run(script) == "True 2 archived PermacodeLoader 2\n2 edited SourceFileLoader 1\n"


#: Finds `tool`, edits it, and uses it only then. The edit is of the same length and has another time.
LAZY = """
import importlib.util, os
spec = importlib.util.find_spec("tool")
{before}
module = importlib.util.module_from_spec(spec)
sys.modules["tool"] = module
spec.loader.exec_module(module)
before = os.stat(spec.origin).st_mtime_ns
with open(spec.origin, "w") as file:
    file.write("WHAT = 'modified'\\n")
os.utime(spec.origin, ns=({time}, {time}))
{after}
print(module.WHAT)
"""


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("time", ["before", "before + 5_000_000_000"])
def test_a_lazy_loader_looks_when_the_module_is_used(app, kind, time):
    app.write("tool.py", "WHAT = 'archived'\n")
    app.bundle(*KINDS[kind])
    script = LAZY.format(before="spec.loader = importlib.util.LazyLoader(spec.loader)", after="", time=time)
    # The time is all that an archive with times looks at, as a .pyc does.
    is_noticed = kind == "digest" or kind == "mtime" and time != "before"
    assert app.run(script) == ("modified\n" if is_noticed else "archived\n")


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_edit_between_finding_and_loading(app, kind):
    app.write("tool.py", "WHAT = 'archived'\n")
    app.bundle(*KINDS[kind])
    script = LAZY.format(before="class Lazy:\n create_module = spec.loader.create_module\n exec_module = lambda self, module: None\n"
                         "loader, spec.loader = spec.loader, Lazy()", after="loader.exec_module(module)",
                         time="before + 5_000_000_000")
    assert app.run(script) == ("archived\n" if kind == "sealed" else "modified\n")


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_loader_that_is_asked_for_code_later_looks_again(app, kind):
    app.write("tool.py", "WHAT = 'archived'\n")
    app.bundle(*KINDS[kind])
    script = """
    import importlib.util
    spec = importlib.util.find_spec("tool")
    def what():
        space = {}
        exec(spec.loader.get_code("tool"), space)
        return space["WHAT"]
    print(what(), what())
    with open(spec.origin, "w") as file:
        file.write("WHAT = 'a later one'")
    print(what(), permacode.stats()["stale"])
    """
    later = "archived 0" if kind == "sealed" else "a later one 1"
    assert app.run(script) == f"archived archived\n{later}\n"
