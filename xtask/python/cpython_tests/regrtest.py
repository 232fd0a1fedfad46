"""Runs CPython's own tests, one test file in one process, and compares the outcomes of two sides.

An *outcome* describes a run of `python -m test NAME`. It has `status` (an int, or "timeout"); `tests`, the result of
each test by its id (ok, skipped, failure, error, or several of them if the test ran more than once); and `failing`, the
printed names of failing tests and of test files that could not be imported.
"""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

__all__ = ["Runner", "agree", "clean_environment", "count", "ended", "judge", "say"]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def clean_environment():
    """The environment variables for tests: those of the caller, without the variables that Python reads."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    return environment


class Runner:
    """Runs tests with an interpreter, environment variables and a working folder."""

    def __init__(self, exe, name, work, environment, timeout=600):
        self.exe, self.name, self.work, self.env, self.timeout = exe, name, work, environment, timeout
        self.text = ""
        # Tests that did not end in time.
        self.hung = set()

    def call(self, *argv, timeout=None):
        """Returns the exit status or "timeout", and the output."""
        out = os.path.join(self.work, self.name + ".out")
        with open(out, "wb") as file:  # a file: children that outlive the test would keep a pipe open
            try:
                status = subprocess.run([self.exe, *argv], env=self.env, cwd=self.work, stdin=subprocess.DEVNULL,
                                        stdout=file, stderr=subprocess.STDOUT,
                                        timeout=timeout or self.timeout).returncode
            except subprocess.TimeoutExpired:
                status = "timeout"
        with open(out, "rb") as file:
            return status, file.read().decode("utf-8", "replace")

    def run(self, test, units=None, ignored=()):
        """Runs one test file, or only those `units` of it; returns the outcome."""
        start, xml = time.monotonic(), os.path.join(self.work, self.name + ".xml")
        if os.path.exists(xml):
            os.remove(xml)
        ignore = [word for name in ignored for word in ("--ignore", name)]
        # Without -v, at most the first failing test of each file is named.
        status, text = self.call("-m", "test", "-v", "--junit-xml", xml, *ignore, *(units or [test]))
        if status == "timeout":
            self.hung.update(re.findall(r"^(test_\w+) \([^)]*\) \.\.\. *\Z", text, re.M))
        failing = set(re.findall(r"^(?:FAIL|ERROR): (.+?)\s*$", text, re.M))
        failing.update("file " + name for name in re.findall(r"^test (\S+) (?:crashed|failed)", text, re.M))
        outcome = {"status": status, "failing": sorted(failing), "tests": read_tests(xml),
                   "seconds": round(time.monotonic() - start, 1)}
        self.text = text
        say("  %-8s %-16s status %s, %d run, %d skipped, %d failing, %.0f s" % (
            self.name, test, status, count(outcome), count(outcome, "skipped"), len(failing), outcome["seconds"]))
        return outcome


def read_tests(path):
    """Returns {id: result} from the file of `--junit-xml`, or {} if there is none."""
    tests = {}
    if os.path.exists(path):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            found = sorted(child.tag for child in case if child.tag in ("skipped", "failure", "error"))
            tests.setdefault(case.get("name"), []).extend(found or ["ok"])
    return {name: " ".join(sorted(found)) for name, found in tests.items()}


def count(outcome, word=""):
    """How many tests ran, or had this result."""
    return sum(word in found for found in outcome["tests"].values())


def ended(outcome):
    """Did the run end by itself, and run at least one test? Other runs cannot be compared."""
    return isinstance(outcome["status"], int) and outcome["status"] >= 0 and bool(outcome["tests"])


def agree(a, b):
    return ended(a) and ended(b) and all(a[key] == b[key] for key in ("status", "failing", "tests"))


def judge(ours, theirs):
    """Returns (differences, flaky names) of several tries on both sides.

    A test with the same result in all tries of one side must have that result at least once on the other side. A test
    with several results is flaky if both sides have one of them in common.
    """
    sides = [[facts(outcome) for outcome in tries if ended(outcome)] for tries in (ours, theirs)]
    if not all(sides):
        return ["no try ran to its end, or no test ran"], []
    differences, flaky = [], []
    for name in sorted({name for side in sides for found in side for name in found}):
        a, b = ({found.get(name, "absent") for found in side} for side in sides)
        if not a & b:
            differences.append("%s: %s, but %s on the other side" % (name, "/".join(sorted(a)), "/".join(sorted(b))))
        elif len(a | b) > 1:
            flaky.append(name)
    return differences, flaky


def facts(outcome):
    """Everything that is compared, by name."""
    found = {"failing: " + name: "yes" for name in outcome["failing"]}
    found.update(outcome["tests"])
    found["exit status"] = str(outcome["status"])
    return found
