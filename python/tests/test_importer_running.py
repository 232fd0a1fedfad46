"""What happens while modules run: errors, interruptions, threads, circles, and what CPython says of it."""

import re
import signal
import sys

import pytest
from overlay import INSTALL, STOCK, app, is_archived  # noqa: F401


@pytest.fixture(params=["sealed", "digest"])
def kind(request):
    return ["--sealed"] * (request.param == "sealed")


ERRORS = {
    "value": "def fail():\n    raise ValueError('in a function')\n\nfail()\n",
    "import": "import no_such_module\n",
    "attribute": "import sys\n\n\nsys.no_such_attribute\n",
    "raised_import": "raise ImportError('raised', name='x', path='y')\n",
    "exit": "raise SystemExit('leave')\n",
    "deep": "import tool_value\n",
    "chained": "try:\n    import tool_value\nexcept ValueError as error:\n    raise RuntimeError('chained') from error\n",
}


def test_an_exception_in_a_module_is_as_it_would_be(app, kind):
    """The traceback has the lines of the source and no frames of ours or of importlib, and no module is left behind."""
    for name, text in ERRORS.items():
        app.write(f"tool_{name}.py", text)
    app.bundle(*kind)
    script = f"""
    import importlib, traceback
    for name in {list(ERRORS)!r}:
        try:
            importlib.import_module("tool_" + name) if name == "exit" else exec("import tool_" + name)
        except BaseException as error:
            traceback.print_exc(file=sys.stdout)
            print(name, [module for module in sys.modules if module.startswith("tool_")], vars(error))
        else:
            print("no error", name)
    """
    printed = app.same(script)
    assert "no error" not in printed
    assert printed.count("raise ValueError('in a function')") == 3
    assert "_permacode" not in printed
    counted = app.run(script + "print(permacode.stats()['hits'])").split()[-1]
    assert int(counted) == len(ERRORS) + 2


def test_an_interruption_reaches_the_program(app, kind):
    app.write("interrupted.py", "import sys, signal\nif sys.first:\n    signal.raise_signal(signal.SIGINT)\n    [1 for _ in range(1000)]\nDONE = True\n")
    app.bundle(*kind)
    script = """
    sys.first = True
    try:
        import interrupted
    except KeyboardInterrupt:
        print("interrupted", "interrupted" in sys.modules)
    sys.first = False
    import interrupted
    print(interrupted.DONE)
    """
    assert app.same(script) == "interrupted False\nTrue\n"


def test_circular_imports(app, kind):
    app.write("one.py", "import two\nNAME = two.NAME + 1\n")
    app.write("two.py", "import one\nNAME = 1\nHAD = hasattr(one, 'NAME')\n")
    app.write("three.py", "from four import there\nhere = 1\n")
    app.write("four.py", "from three import here\nthere = 1\n")
    app.bundle(*kind)
    script = """
    import one, two
    print(one.NAME, two.HAD, one.__spec__._initializing)
    try:
        import three
    except ImportError as error:
        print(error, error.name, error.path)
    """
    assert "circular" in app.same(script)


@pytest.mark.parametrize("rounds", [5])
def test_threads_that_import_at_once(app, kind, rounds):
    names = [f"part{number}" for number in range(20)]
    for number, name in enumerate(names):
        text = f"import time\nRUNS = globals().get('RUNS', 0) + 1\ntime.sleep(0.001)\nimport {names[number - 1]}\nDONE = True\n"
        app.write(f"{name}.py", text)
    app.write("many/__init__.py", "")
    for name in names:
        app.write(f"many/{name}.py", f"from {name} import DONE\nVALUES = {{'a': (1, 'b', 2.5)}}\n")
    app.bundle(*kind)
    script = f"""
    import threading, importlib, random
    names = {names!r}
    errors = []
    def load(seed, gate):
        order = random.Random(seed).sample(names, len(names))
        gate.wait()
        try:
            for name in order:
                module = importlib.import_module("many." + name)
                assert module.VALUES == {{"a": (1, "b", 2.5)}}
                assert sys.modules[name].RUNS == 1
        except BaseException as error:
            errors.append(error)
    sys.setswitchinterval(1e-5)
    for again in range({rounds}):
        for name in [name for name in sys.modules if name in names or name.startswith("many")]:
            del sys.modules[name]
        gate = threading.Barrier(8)
        threads = [threading.Thread(target=load, args=(seed, gate)) for seed in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    print(errors, permacode.stats()["hits"], permacode.stats()["stale"])
    """
    assert app.run(script) == f"[] {rounds * (2 * len(names) + 1)} 0\n"


def test_verbose_names_the_archive(app, kind):
    app.write("tool.py", "WHAT = 1\n")
    archive = app.bundle(*kind)
    script = "import contextlib, io, tool\n"
    err = messages(app, script)
    assert f"# code object of tool from '{archive}'" in err
    assert (f"# {archive} matches {app.folder / 'tool.py'}" in err) == (not kind)
    assert re.search(r"^import 'tool' # <PermacodeLoader of 'tool' from '.*/tool\.py'>$", err, re.MULTILINE)
    # Without -v nothing is said.
    assert app.run(script) == ""


def messages(app, script, *flags):
    """What a script says on stderr with -v."""
    redirect = "import os; os.dup2(1, 2)\n"
    return app.run(redirect + script, flags=["-v", *flags], prologue=INSTALL)


def test_import_times(app, kind):
    app.write("package/__init__.py", "from . import inner\n")
    app.write("package/inner.py", "import time; time.sleep(0.02)\n")
    app.bundle(*kind)
    out = app.run("import os; os.dup2(1, 2)\nimport package\n", flags=["-X", "importtime"])
    times = {}
    for line in out.splitlines():
        found = re.match(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)$", line)
        if found:
            times[found[4]] = int(found[1]), int(found[2]), len(found[3])
    (inner, inner_sum, inner_depth), (outer, outer_sum, outer_depth) = times["package.inner"], times["package"]
    # In whole microseconds, each rounded down.
    assert inner >= 20_000 and outer_sum >= inner_sum + outer - 2 and inner_depth > outer_depth


def test_optimisation_is_that_of_the_interpreter(app):
    app.write("tool.py", '"""Docstring."""\nassert False, "it was not left out"\nWHAT = __doc__, __debug__\n')
    app.bundle()
    for level in (1, 2):
        flag = "-" + level * "O"
        script = """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            print(permacode.install(archive), permacode.status()["method"])
        print([(entry.category.__name__, str(entry.message)) for entry in caught])
        import tool
        print(tool.WHAT, type(tool.__loader__).__name__)
        """
        prologue = STOCK + "import permacode\n"
        installed, warned, what = app.run(script, prologue=prologue, flags=[flag]).splitlines()
        assert installed == "False None"
        assert "ImportWarning" in warned
        assert "optimisation level 0)" in warned and f"optimisation level {level})" in warned, warned
        assert what == ("('Docstring.', False) SourceFileLoader" if level == 1 else "(None, False) SourceFileLoader")
        app.bundle("-O", str(level))
        assert app.run("import tool; print(tool.WHAT, type(tool.__loader__).__name__)", flags=[flag]) == what.replace(
            "SourceFileLoader", "PermacodeLoader"
        ) + "\n"
        # And the other way round.
        assert "False None" in app.run(script.replace("import tool", "").replace("print(tool", "0 and print(tool"),
                                       prologue=prologue)
        app.bundle()


def test_audit_events_but_for_opening_files(app, kind):
    app.write("tool.py", "WHAT = 1\n")
    app.bundle(*kind)
    script = """
    events = []
    def hook(event, args):
        if event in ("import", "exec"):
            events.append((event, args[0] if event == "import" else args[0].co_filename))
    sys.addaudithook(hook)
    import tool
    print(events)
    """
    assert app.same(script) == f"[('import', 'tool'), ('exec', '{app.folder / 'tool.py'}')]\n"


def test_a_library_imported_from_an_archive(library, child):
    """Real modules, from the archive all of them, in a program of its own."""
    script = f"""
import sys, permacode
assert permacode.install(sys.argv[1], strict=True)
import asyncio, http.client, json, logging, argparse, dataclasses, typing, unittest, email.message, decimal, pathlib, enum, re
async def add(x, y):
    await asyncio.sleep(0)
    return x + y
@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
print(asyncio.run(add(1, 2)), json.loads(json.dumps([Point(1).y])), re.sub("a+", "b", "caat"), typing.List[int])
before = [name for name, module in sys.modules.items() if type(getattr(module, "__loader__", None)).__name__ == "SourceFileLoader"]
print(permacode.stats()["fallbacks"], permacode.stats()["stale"], permacode.stats()["hits"] > 80, {is_archived('json.decoder')})
class Test(unittest.TestCase):
    def test(self):
        self.assertEqual(1, 1)
print(unittest.main(exit=False, argv=["x"], verbosity=0).result.wasSuccessful())
"""
    assert child(script, library, flags=["-I"]).splitlines() == [
        "3 [2] cbt typing.List[int]",
        "0 0 True True",
        "True",
    ]
