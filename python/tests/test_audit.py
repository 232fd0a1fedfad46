"""Audit events: who asks with `sys.addaudithook` which files are opened learns of archives, too."""

from overlay import STOCK, app  # noqa: F401

HOOK = """
import os, permacode
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".perma"):
        print(arguments[0] == archive, arguments[1], arguments[2] & os.O_ACCMODE == os.O_RDONLY)
        raise_something()
def raise_something():
    pass
sys.addaudithook(hook)
"""


def test_opening_and_installing_are_events(app):
    app.write("tool.py", "")
    app.bundle()
    script = """
    with permacode.open(archive) as opened:
        print(len(opened))
    print(permacode.install(archive, strict=True), permacode.install(archive, strict=True))
    """
    # To install what is installed opens nothing.
    assert app.run(script, prologue=STOCK + HOOK) == "True rb True\n1\nTrue rb True\nTrue True\n"


def test_a_hook_that_raises_stops_the_opening(app):
    app.write("tool.py", "")
    app.bundle()
    script = """
    class Stop(BaseException):
        pass
    for kind in [Stop, RuntimeError, PermissionError]:
        def raise_something():
            raise kind("stopped")
        for use in [permacode.open, lambda path: permacode.install(path, strict=True)]:
            try:
                use(archive)
            except BaseException as error:
                print(type(error).__name__, "stopped" in str(error), permacode.status()["method"])
        with open("/proc/self/maps") as maps:
            assert archive not in maps.read()
    """
    lines = app.run(script, prologue=STOCK + HOOK).splitlines()
    said = [line for line in lines if line != "True rb True"]
    # If the system or an audit hook does not let the process open an archive, a strict `install` is an ImportError.
    names = ["Stop", "Stop", "RuntimeError", "RuntimeError", "PermissionError", "ImportError"]
    assert said == [f"{name} True None" for name in names]
    assert len(lines) == 12


def test_a_missing_archive_is_an_event_too(app):
    script = HOOK + """
try:
    permacode.open(archive)
except FileNotFoundError:
    print("missing")
"""
    app.archive = app.folder / "absent.perma"
    assert app.run(script, prologue=STOCK) == "True rb True\nmissing\n"
