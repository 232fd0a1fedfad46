"""What happens while modules run: errors, interruptions, threads, circles, and what CPython says of it."""

import re

import pytest
from overlay import STOCK, app, is_archived  # noqa: F401


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
    assert "permacode" not in printed
    counted = app.run(script + "print(permacode.stats()['hits'])").split()[-1]
    assert int(counted) == len(ERRORS) + 2


def test_an_interruption_reaches_the_program(app, kind):
    app.write("interrupted.py", """
        import sys, signal
        if sys.first:
            signal.raise_signal(signal.SIGINT)
            [1 for _ in range(1000)]
        DONE = True
    """)
    app.bundle(*kind)
    script = """
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell may have switched it off for its jobs.
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
    # What is said goes to stderr.
    script = "import os; os.dup2(1, 2)\nimport tool\n"
    said = app.run(script, flags=["-v"]).splitlines()
    assert f"# code object of tool from '{archive}'" in said
    assert (f"# {archive} matches {app.folder / 'tool.py'}" in said) == (not kind)
    assert f"import 'tool' # <PermacodeLoader of 'tool' from '{app.folder / 'tool.py'}'>" in said
    assert app.run(script) == ""


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


TRY = """
import permacode, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(permacode.install(archive, roots={"app": folder}), permacode.status()["method"] is not None)
print([(entry.category.__name__, str(entry.message)) for entry in caught])
import tool
print(tool.WHAT, type(tool.__loader__).__name__)
"""


@pytest.mark.parametrize(
    "level, what",
    [(0, "('Docstring.', True, True)"), (1, "('Docstring.', False, False)"), (2, "(None, False, False)")],
)
def test_optimisation_is_that_of_the_interpreter(app, level, what):
    app.write("tool.py", '''
        """Docstring."""
        is_asserted = False
        def check():
            global is_asserted
            is_asserted = True
            return True
        assert check()
        WHAT = __doc__, __debug__, is_asserted
        '''.replace("\n", "", 1))
    flags = ["-" + level * "O"] if level else []
    for made_for in (0, 1, 2):
        app.bundle("-O", str(made_for))
        installed, warned, found = app.run(TRY, prologue=STOCK, flags=flags).splitlines()
        if made_for == level:
            assert (installed, warned, found) == ("True True", "[]", f"{what} PermacodeLoader")
        else:
            assert (installed, found) == ("False False", f"{what} SourceFileLoader")
            assert "PermacodeWarning" in warned
            assert f"optimisation level {made_for})" in warned and f"optimisation level {level})" in warned, warned


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
