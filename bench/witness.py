"""Runs a program in this process and writes what it imported: `witness.py FILE (SCRIPT | -m MODULE | -c CODE) [ARG]..`.

FILE gets a JSON object at exit: `status` and `imports` (what `permacode.status()` and `permacode.stats()` say, or null
if the package was not imported), `modules` (how many modules each loader loaded), and `times`.

`times` is null with an archive. With `PERMACODE_OFF`, it has milliseconds of processor time: for finding modules in folders, for
loading their code from `.pyc` files, for loading extension modules, for running the bodies of modules, and for the
rest. The archive can only change the first two.
"""

import atexit
import os
import sys
import time
from importlib import machinery


class Clock:
    """Gives each moment to the innermost of the timed functions that are running."""

    def __init__(self):
        self.times = {"finding": 0, "loading": 0, "extension modules": 0, "module bodies": 0}
        self.running = []
        self.since = 0

    def turn(self):
        now = time.process_time_ns()
        if self.running:
            self.times[self.running[-1]] += now - self.since
        self.since = now

    def watch(self, owner, name, part):
        original = getattr(owner, name)

        def timed(*args, **kwargs):
            self.turn()
            self.running.append(part)
            try:
                return original(*args, **kwargs)
            finally:
                self.turn()
                self.running.pop()
        setattr(owner, name, Bound(timed) if isinstance(vars(owner).get(name), classmethod) else timed)


class Bound:
    """A callable that, as a bound method, stays what it is as an attribute of another class."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def kind(module):
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return (loader if isinstance(loader, type) else type(loader)).__name__


def report(path, clock, process):
    if os.getpid() != process:
        return
    seen = {"status": None, "imports": None, "modules": {}, "times": None}
    if clock is not None:
        total = time.process_time_ns()
        parts = {**clock.times, "rest": total - sum(clock.times.values()), "total": total}
        seen["times"] = {part: value / 1e6 for part, value in parts.items()}
    for module in list(sys.modules.values()):
        seen["modules"][kind(module)] = seen["modules"].get(kind(module), 0) + 1
    permacode = sys.modules.get("permacode")
    if permacode is not None:
        seen["status"], seen["imports"] = permacode.status(), permacode.stats()
    # Not at the top: what the program imports is counted.
    import json
    with open(path, "w", encoding="utf-8") as file:
        json.dump(seen, file, default=str)


def main():
    path, *arguments = sys.argv[1:]
    clock = None
    if "PERMACODE_OFF" in os.environ:
        clock = Clock()
        clock.watch(machinery.PathFinder, "find_spec", "finding")
        clock.watch(machinery.SourceFileLoader, "get_code", "loading")
        clock.watch(machinery.ExtensionFileLoader, "create_module", "extension modules")
        clock.watch(machinery.ExtensionFileLoader, "exec_module", "extension modules")
        clock.watch(machinery.SourceFileLoader, "exec_module", "module bodies")
    atexit.register(report, path, clock, os.getpid())
    # Python was started with -P. The program finds the entry that it has without this script.
    sys.path.insert(0, {"-c": "", "-m": os.getcwd()}.get(arguments[0], os.path.dirname(arguments[0])))
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
        return
    import runpy
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
