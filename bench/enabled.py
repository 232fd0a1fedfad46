#!/usr/bin/env python3
"""Measures programs of an environment that `permacode enable` switched on.

`enabled.py PYTHON [--rounds N] [--cases] [--program NAME]... [--cold] [--never PYTHON] [--json FILE]`. PYTHON is the
interpreter of the environment. Each program runs as a whole process, in turn with the archive and without it
(`PERMACODE_OFF=1`). Without it, Python still reads the line of the start-up file. `--never` names the interpreter of an
environment with the same packages that was never enabled; it takes part as a third contender.

`--cases` measures programs that gain little or lose instead. `--cold` drops the files of the environment and of the
standard library from the system's cache before each run, except for pages that other processes have mapped.

In the tables, a speed is the time without the archive divided by the time with it: more is better. It is the ratio of
the least times, then the median and the quartiles of the ratios of each round.

A run of each program that is not measured (`witness.py`) proves that the archive was in use, with its image and its
stamps. Another one, without the archive, says how much processor time Python spent on what the archive replaces:
finding modules, and loading their code.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile

from rounds import Failed, interleaved, pin, ratio, spawn, summary, write_report

HERE = os.path.dirname(os.path.abspath(__file__))
OFF = "PERMACODE_OFF"
#: Members of `permacode.stats()`.
COUNTS = ("hits", "misses", "stale", "shadowed", "blocked", "fallbacks")
#: Programs that gain less are explained.
EXPECTED = 1.2
ONE_LINER = "import requests; print(requests.Request('GET', 'https://example.org/a', params={'b': 'c'}).prepare().url)"
#: The arguments of each program. The first is a script in the folder of the interpreter, or an option of Python.
PROGRAMS = {
    "pip --version": ["pip", "--version"],
    "pip list": ["pip", "list"],
    "black --version": ["black", "--version"],
    "mypy --version": ["mypy", "--version"],
    "pytest --version": ["pytest", "--version"],
    "pytest, ten tests": ["pytest", "-q", "ten_tests"],
    "django-admin check": ["django-admin", "check", "--pythonpath", "fresh", "--settings", "fresh.settings"],
    "http.server --help": ["-m", "http.server", "--help"],
    "jupyter --version": ["jupyter", "--version"],
    "aws --version": ["aws", "--version"],
    "ansible --version": ["ansible", "--version"],
    "requests one-liner": ["-c", ONE_LINER],
    "python -c pass": ["-c", "pass"],
}
WORK = """\
import difflib, random
source = random.Random(1)
texts = [["line %d" % source.randrange(300) for _ in range(1200)] for _ in range(2)]
for _ in range(300):
    list(difflib.unified_diff(*texts))
"""
#: Programs that gain little or lose.
CASES = {
    "python -c pass": ["-c", "pass"],
    "import json": ["-c", "import json"],
    "import numpy": ["-c", "import numpy"],
    "compare texts for seconds": ["-c", WORK],
    "python -O -m http.server --help": ["-O", "-m", "http.server", "--help"],
}
TESTS = """\
import pytest


@pytest.fixture
def numbers():
    return list(range(10))


""" + "\n\n".join("""\
def test_{0}(numbers):
    assert numbers[{0}] == {0}
    assert sum(numbers[:{0}]) == {0} * ({0} - 1) // 2
""".format(number) for number in range(10))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--cases", action="store_true")
    parser.add_argument("--program", action="append")
    parser.add_argument("--never", metavar="PYTHON")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    programs = CASES if args.cases else PROGRAMS
    unknown = set(args.program or ()) - set(programs)
    if unknown:
        parser.error("unknown programs: %s; these are known: %s" % (", ".join(unknown), ", ".join(programs)))
    programs = {name: arguments for name, arguments in programs.items() if name in (args.program or programs)}
    processor = pin()
    print("interleaved in fresh processes, %d rounds, %s" % (
        args.rounds, "on any processor" if processor is None else "on processor %d" % processor))
    with tempfile.TemporaryDirectory() as folder:
        for report in Bench(args.python, args.never, args.rounds, args.cold, folder).run(programs):
            if args.json:
                write_report(args.json, report)


class Bench:
    """The measurements of one environment."""

    def __init__(self, python, never, rounds, cold, folder):
        # Not the real path: the program of a virtual environment is a link.
        self.python, self.rounds, self.folder = os.path.abspath(python), rounds, folder
        self.variables = {name: value for name, value in os.environ.items()
                          if not name.startswith(("PYTHON", "PERMACODE", "DJANGO", "ANSIBLE", "VIRTUAL_ENV"))}
        self.variables["HOME"] = folder
        self.sides = {"on": (self.python, {}), "off": (self.python, {OFF: "1"})}
        if never:
            self.sides["never"] = (os.path.abspath(never), {})
        self.make_projects()
        self.files = self.find_files() if cold else []
        # Pages that are not on disk cannot be dropped.
        os.sync()

    def make_projects(self):
        os.mkdir(os.path.join(self.folder, "ten_tests"))
        with open(os.path.join(self.folder, "ten_tests", "test_numbers.py"), "w", encoding="utf-8") as file:
            file.write(TESTS)
        self.run_in("off", ["django-admin", "startproject", "fresh"])

    def find_files(self):
        """The files of the environment and of the standard library."""
        roots = "import json, sys, sysconfig; print(json.dumps([sys.prefix, sysconfig.get_path('stdlib')]))"
        return [os.path.join(folder, name) for root in json.loads(self.run_in("off", ["-c", roots])[0])
                for folder, _, names in os.walk(root) for name in names]

    def run_cold(self, side, arguments):
        for path in self.files:
            try:
                file = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
        return self.run_in(side, arguments)

    def command(self, side, arguments):
        python, _ = self.sides[side]
        first, *others = arguments
        if first.startswith("-"):
            return [python, *arguments]
        return [os.path.join(os.path.dirname(python), first), *others]

    def run_in(self, side, arguments):
        _, variables = self.sides[side]
        return spawn(self.command(side, arguments), cwd=self.folder, env={**self.variables, **variables})

    def run(self, programs):
        """Yields the report after each program: all of them take long."""
        version = self.run_in("on", ["-c", "import platform; print(platform.python_version())"])[0].strip()
        report = {"version": version, "rounds": self.rounds, "cold": bool(self.files), "packages": self.packages(),
                  "programs": {}}
        print("CPython %s on %s" % (version, platform.machine()))
        for clock in ("processor", "wall"):
            print("  %s time: without and with the archive in ms (medians), and the speed" % clock)
        for name, arguments in programs.items():
            report["programs"][name] = of_name = self.measure(arguments)
            print_program(name, of_name)
            if of_name["cpu"]["speed"]["min"] < EXPECTED:
                explain(of_name)
            yield report

    def packages(self):
        listed = self.run_in("off", ["-m", "pip", "list", "--format", "json"])[0]
        return {package["name"]: package["version"] for package in json.loads(listed)}

    def measure(self, arguments):
        report = self.witness(arguments)
        measures = {side: lambda side=side: self.run_cold(side, arguments)[1] for side in self.sides}
        results = interleaved(measures, self.rounds)
        for clock in ("cpu", "wall"):
            times = {side: [result[clock] for result in of_side] for side, of_side in results.items()}
            report[clock] = {side: summary(of_side) for side, of_side in times.items()}
            report[clock]["speed"] = ratio(times["off"], times["on"])
            if "never" in times:
                report[clock]["never_to_off"] = ratio(times["never"], times["off"])
        return report

    def witness(self, arguments):
        """Checks that the archive is in use. Says where the time goes without it."""
        seen = {}
        optimized = arguments[0] == "-O"
        if optimized:
            arguments = arguments[1:]
        for side in ("on", "off"):
            path = os.path.join(self.folder, "witness.json")
            script = os.path.join(HERE, "witness.py")
            command = self.command(side, arguments)
            # `-c` and `-m` are arguments of the witness, too.
            told = command[1:] if command[0] == self.sides[side][0] else command
            self.run_in(side, [*["-O"] * optimized, "-P", script, path, *told])
            with open(path, encoding="utf-8") as file:
                seen[side] = json.load(file)
        status = seen["on"]["status"]
        if optimized:
            # The archive of an environment is for programs without this option.
            if seen["on"]["imports"] and seen["on"]["imports"]["hits"]:
                raise Failed("%s: the archive was in use" % " ".join(arguments))
            return {"imports": None, "modules": seen["on"]["modules"], "times": seen["off"]["times"]}
        # A program that imports nothing from files does not load the archive.
        for part in ("image", "stamps") if seen["off"]["times"]["loading"] else ():
            if not status or status[part] is None or status[part]["reason"] is not None:
                raise Failed("%s: without %s: %s" % (" ".join(arguments), part, status))
        if seen["off"]["status"] is not None:
            raise Failed("%s: the archive was in use although %s was set" % (" ".join(arguments), OFF))
        return {"imports": seen["on"]["imports"], "modules": seen["on"]["modules"], "times": seen["off"]["times"]}


def print_program(name, report):
    for clock in ("cpu", "wall"):
        of_clock = report[clock]
        print("  %-22s%9.1f%9.1f   %.3f  %.3f [%.3f %.3f]%s" % (
            name if clock == "cpu" else "", of_clock["off"]["median"], of_clock["on"]["median"],
            *spread(of_clock["speed"]),
            "   never enabled to off: %.3f  %.3f [%.3f %.3f]" % tuple(spread(of_clock["never_to_off"]))
            if "never_to_off" in of_clock else ""), flush=True)


def spread(of):
    return [of["min"], of["median"], *of["quartiles"]]


def explain(report):
    """Prints where the time of a program goes that gains little."""
    imports, times = report["imports"], report["times"]
    if imports is not None:
        print("    imports: " + ", ".join("%d %s" % (imports[key], key) for key in COUNTS))
    print("    modules: " + ", ".join("%d %s" % (count, loader) for loader, count in report["modules"].items()))
    total = times["total"]
    parts = {part: value for part, value in times.items() if part != "total"}
    print("    without the archive, of %.0f ms of processor time: %s" % (total, ", ".join(
        "%.0f %s" % (value, part) for part, value in parts.items())))
    replaced = times["finding"] + times["loading"]
    print("    if finding and loading took no time, it would be %.2f times as fast" % (total / (total - replaced)))


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError) as error:
        sys.exit("bench: %s" % error)
