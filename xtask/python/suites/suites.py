#!/usr/bin/env python3
"""Runs the test suites of packages in an enabled environment, with the archive and without it, and compares.

`suites.py --python EXE [--suite NAME]... [--keep DIR]`. EXE is the interpreter of an environment that has the packages
of `requirements.txt` and that `permacode enable` switched on. The tests come from the source distributions of these
versions, from PyPI. The packages themselves are those of the environment: sources that Python would find in the folder
of a distribution are removed.

Each suite runs twice, with the same hash seed, and on the second side with `PERMACODE_OFF=1`. Each test must have the
same outcome on both sides. If some differ, the suite runs again, up to three times in all. A test that then has the
same set of outcomes on both sides is listed as flaky.

A plugin (`plugin/suite_witness.py`) proves that the archive was in use on the first side only.

Exit status: 0 same outcomes, 1 different outcomes, 2 usage error.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
SIDES = {"archive": {}, "files": {"PERMACODE_OFF": "1"}}
TRIES = 3
#: The seconds that a suite may take.
PATIENCE = 1800
#: This plugin warns if it is not configured, and some suites make warnings errors.
NO_ASYNCIO = ["-p", "no:asyncio"]
#: A suite has the sources that are removed, and its arguments for pytest.
Suite = collections.namedtuple("Suite", "sources arguments")

SUITES = {
    # Its conftest.py uses a part of pytest that pytest 9 calls deprecated, and it makes warnings errors. Its tests read
    # its sources, which are not in a folder that Python searches.
    "black": Suite([], [*NO_ASYNCIO, "-W", "ignore::pytest.PytestRemovedIn10Warning", "tests"]),
    "click": Suite(["src"], [*NO_ASYNCIO, "tests"]),
    "gunicorn": Suite(["gunicorn"], ["tests"]),
    "jupyter-core": Suite(["jupyter_core", "jupyter.py"], [*NO_ASYNCIO, "tests"]),
    "requests": Suite(["src"], [*NO_ASYNCIO, "tests"]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--keep", metavar="DIR", help="keep the outcomes and what pytest printed in this folder")
    args = parser.parse_args()
    different = []
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(os.path.abspath(args.python), folder, args.keep)
        for name in args.suite or SUITES:
            if not runner.compare(name, SUITES[name]):
                different.append(name)
    if different:
        sys.exit("suites: different outcomes: %s" % ", ".join(different))


class Runner:
    """Runs suites in one environment."""

    def __init__(self, python, folder, keep):
        self.python, self.folder, self.keep = python, folder, keep
        if keep:
            os.makedirs(keep, exist_ok=True)
        self.variables = {name: value for name, value in os.environ.items()
                          if not name.startswith(("PYTHON", "PYTEST", "PERMACODE", "VIRTUAL_ENV"))}
        self.variables.update(
            HOME=folder, PYTHONHASHSEED="1", PYTHONPATH=os.path.join(HERE, "plugin"),
            PATH=os.path.dirname(self.python) + os.pathsep + os.environ.get("PATH", ""))
        listed = self.pip("list", "--format", "json", stdout=subprocess.PIPE).stdout
        self.versions = {package["name"].lower().replace("_", "-"): package["version"]
                         for package in json.loads(listed)}

    def pip(self, *arguments, **options):
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, check=True, **options)

    def fetch(self, name, suite):
        """The folder of a source distribution, without the sources."""
        downloads = os.path.join(self.folder, "downloads", name)
        self.pip("download", "--quiet", "--no-deps", "--no-binary", name, "--dest", downloads,
                 "%s==%s" % (name, self.versions[name]))
        [file] = os.listdir(downloads)
        unpacked = os.path.join(self.folder, "unpacked", name)
        with tarfile.open(os.path.join(downloads, file)) as archive:
            archive.extractall(unpacked, filter="data")
        [tree] = os.listdir(unpacked)
        tree = os.path.join(unpacked, tree)
        for source in suite.sources:
            path = os.path.join(tree, source)
            os.remove(path) if os.path.isfile(path) else shutil.rmtree(path)
        return tree

    def compare(self, name, suite):
        tree = self.fetch(name, suite)
        outcomes = {side: collections.defaultdict(set) for side in SIDES}
        arguments, different = suite.arguments, {}
        for attempt in range(TRIES):
            for side in SIDES:
                for test, outcome in self.run(name, tree, side, arguments, attempt).items():
                    outcomes[side][test].add(outcome)
            tests = sorted(set().union(*outcomes.values()))
            different = {test: [outcomes[side].get(test, {"absent"}) for side in SIDES] for test in tests}
            different = {test: found for test, found in different.items() if found[0] != found[1]}
            if attempt == 0:
                counts = collections.Counter(outcome for of_test in outcomes["archive"].values() for outcome in of_test)
            if not different:
                break
        flaky = [test for test in tests if any(len(outcomes[side].get(test, ())) > 1 for side in SIDES)]
        print("%s %s: %d tests: %s" % (name, self.versions[name], len(tests), ", ".join(
            "%d %s" % (count, outcome) for outcome, count in counts.most_common())))
        for test in flaky:
            print("  flaky: %s" % test)
        for test, found in different.items():
            print("  DIFFERENT: %s: %s with the archive, %s without" % (
                test, *(" or ".join(sorted(of_side)) for of_side in found)))
        sys.stdout.flush()
        return not different

    def run(self, name, tree, side, arguments, attempt):
        """Runs a suite; returns the outcome of each test."""
        # Both sides have the same path, because tests may print it.
        work = os.path.join(self.folder, "work")
        shutil.copytree(tree, work, symlinks=True)
        results, witness = (os.path.join(self.folder, of) for of in ("results.xml", "witness.json"))
        # pytest makes the .pyc files of the tests; those of the environment are there.
        command = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "suite_witness",
                   "--junitxml", results, *arguments]
        variables = {**self.variables, **SIDES[side], "SUITE_WITNESS": witness}
        try:
            done = subprocess.run(command, cwd=work, env=variables, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            printed = done.stdout.decode(errors="replace")
            if self.keep:
                path = os.path.join(self.keep, "%s-%s-%d.txt" % (name, side, attempt))
                with open(path, "w", encoding="utf-8") as file:
                    file.write(printed)
            # 1: tests failed. Another status means that pytest did not run them.
            if done.returncode not in (0, 1):
                sys.exit("suites: %s: pytest ended with status %d:\n%s" % (name, done.returncode, printed[-4000:]))
            check_witness(name, side, witness)
            return outcomes_in(results)
        finally:
            shutil.rmtree(work)


def check_witness(name, side, path):
    with open(path, encoding="utf-8") as file:
        status, imports = json.load(file)
    if side == "files":
        if status is not None:
            sys.exit("suites: %s: the archive was in use although it must not be: %s" % (name, status))
    elif status is None or status["archive"] is None or imports["hits"] == 0:
        sys.exit("suites: %s: the archive was not in use: %s" % (name, status))


def outcomes_in(path):
    """The outcome of each test in a JUnit report."""
    outcomes = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        test = "%s::%s" % (case.get("classname"), case.get("name"))
        kinds = sorted({child.tag for child in case} & {"failure", "error", "skipped"})
        while test in outcomes:
            test += " (again)"
        outcomes[test] = " and ".join(kinds) or "passed"
    return outcomes


if __name__ == "__main__":
    main()
