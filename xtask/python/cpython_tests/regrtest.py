"""CPython's own tests, one file of them in one process: what became of each test, and whether two sides agree.

An *outcome* says how `python -m test NAME` ended: `status` (an int, or "timeout"), `tests` (what became of
each test by its id: ok, skipped, failure, error; several, if it ran more than once) and `failing`, their
names as printed, besides test files that could not be imported, which have no test of their own.
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
    """The environment that tests run in: nothing of the caller's that Python looks at."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    return environment


class Runner:
    """Runs tests with an interpreter in an environment, in a folder of work."""

    def __init__(self, exe, name, work, environment, timeout=600):
        self.exe, self.name, self.work, self.env, self.timeout = exe, name, work, environment, timeout
        self.text = ""
        # Tests that never ended here.
        self.hung = set()

    def call(self, *argv, timeout=None):
        """Exit status, or "timeout", and what was printed."""
        out = os.path.join(self.work, self.name + ".out")
        with open(out, "wb") as file:  # a file, as children that outlive the test would keep a pipe open
            try:
                status = subprocess.run([self.exe, *argv], env=self.env, cwd=self.work, stdin=subprocess.DEVNULL,
                                        stdout=file, stderr=subprocess.STDOUT,
                                        timeout=timeout or self.timeout).returncode
            except subprocess.TimeoutExpired:
                status = "timeout"
        with open(out, "rb") as file:
            return status, file.read().decode("utf-8", "replace")

    def run(self, test, units=None, ignored=()):
        """The outcome of one test file, or of the `units` of it that are named one by one."""
        start, xml = time.monotonic(), os.path.join(self.work, self.name + ".xml")
        if os.path.exists(xml):
            os.remove(xml)
        ignore = [word for name in ignored for word in ("--ignore", name)]
        # Verbose, or it names the first failing test of each file at most.
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
    """{id: outcome} from the file that `--junit-xml` wrote, if it did."""
    tests = {}
    if os.path.exists(path):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            found = sorted(child.tag for child in case if child.tag in ("skipped", "failure", "error"))
            tests.setdefault(case.get("name"), []).extend(found or ["ok"])
    return {name: " ".join(sorted(found)) for name, found in tests.items()}


def count(outcome, word=""):
    """How many tests ran, or had this outcome."""
    return sum(word in found for found in outcome["tests"].values())


def ended(outcome):
    """Two runs that were cut short, or ran nothing, are alike without showing anything."""
    return isinstance(outcome["status"], int) and outcome["status"] >= 0 and bool(outcome["tests"])


def agree(a, b):
    return ended(a) and ended(b) and all(a[key] == b[key] for key in ("status", "failing", "tests"))


def judge(ours, theirs):
    """(differences, flaky names) after several tries on both sides.

    What comes out in one way each time on one side has to come out so at least once on the other; what comes
    out now so and now so, and is the same on both sides at least once, is flaky.
    """
    sides = [[facts(outcome) for outcome in tries if ended(outcome)] for tries in (ours, theirs)]
    if not all(sides):
        return ["the run itself: cut short each time, or without a test"], []
    differences, flaky = [], []
    for name in sorted({name for side in sides for found in side for name in found}):
        a, b = ({found.get(name, "absent") for found in side} for side in sides)
        if not a & b:
            differences.append("%s: %s, but %s on the other side" % (name, "/".join(sorted(a)), "/".join(sorted(b))))
        elif len(a | b) > 1:
            flaky.append(name)
    return differences, flaky


def facts(outcome):
    """All that is compared, by name."""
    found = {"failing: " + name: "yes" for name in outcome["failing"]}
    found.update(outcome["tests"])
    found["exit status"] = str(outcome["status"])
    return found
