#!/usr/bin/env python3
"""Runs CPython's own tests with the standard library imported from an archive, and without, and compares.

`regress_overlay.py --python EXE --archive FILE`: EXE is the interpreter of a virtual environment in which the package
`permacode` is installed. FILE is an archive of its whole standard library with the tests. Each test file runs in a
process of its own, twice: once with the archive and once without. A .pth file installs the archive, in that process and
in all children that read .pth files (with `-I` and `-E` they do, with `-S` they do not). Each test must have the same
result on both sides, except for differences that `explained.py` explains.

At exit, each process reports (overlay/overlay_hook.py) how many modules came from the archive and which modules CPython
loaded from files. Of the modules of the library that were imported after the archive was installed, 90 % must come from
the archive. All code must be made in the way that `--method` names (from the tables, or taken from an image), without a
fallback.

Tests with different results run again, up to three times in all on both sides. A test with the same result in all runs
of one side must have that result at least once on the other side. Other tests are listed as flaky.

Exit status: 0 same outcome, 1 different outcome, 2 usage error.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import explained
from regrtest import Runner, agree, clean_environment, count, judge, say

TESTS = ["test_import", "test_importlib", "test_inspect", "test_dis", "test_code", "test_traceback",
         "test_linecache", "test_typing", "test_dataclasses", "test_json", "test_asyncio", "test_unittest",
         "test_pickle", "test_email", "test_logging", "test_argparse", "test_threading"]
HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "overlay", "overlay_hook.py")
#: The least share of the library's modules that must come from the archive.
LEAST = 0.9
FACTS = """
import json, sys, sysconfig
print(json.dumps({"version": "%d.%d.%d" % sys.version_info[:3], "site": sysconfig.get_path("purelib")}))
"""


def install_hook(python):
    """Installs the hook in the virtual environment; returns its version."""
    done = subprocess.run([python, "-I", "-c", FACTS], stdout=subprocess.PIPE, check=True)
    facts = json.loads(done.stdout.decode())
    shutil.copy(HOOK, facts["site"])
    with open(os.path.join(facts["site"], "overlay_hook.pth"), "w") as file:
        file.write("import overlay_hook\n")
    return facts["version"]


class Side(Runner):
    """One side: the tests with an archive, or without."""

    def __init__(self, python, name, work, variables, archive=None):
        environment = {**clean_environment(), **variables}
        super().__init__(python, name, work, environment, timeout=1200)
        self.log = os.path.join(work, name + ".log")
        environment.update(OVERLAY_LOG=self.log)
        if archive is not None:
            environment["OVERLAY_ARCHIVE"] = os.path.abspath(archive)

    def run(self, test, ignored=()):
        if os.path.exists(self.log):
            os.remove(self.log)
        outcome = super().run(test, ignored=ignored)
        outcome["processes"] = []
        if os.path.exists(self.log):
            with open(self.log, encoding="utf-8") as file:
                outcome["processes"] = [json.loads(line) for line in file]
        return outcome


def share(processes):
    """Returns (modules from the archive, modules that CPython loaded from files)."""
    installed = [p for p in processes if p["stats"]]
    return sum(p["stats"]["hits"] for p in installed), sum(len(p["by_cpython"]) for p in installed)


def shortcomings(outcome, method="records"):
    """Returns the faults in the loading of modules, independent of the results of tests."""
    wrong = []
    main = [p for p in outcome["processes"] if p["role"] == "main"]
    if len(main) != 1:
        return ["%d processes report that they are the main process" % len(main)]
    if not main[0]["stats"]:
        return ["no archive was installed: %s" % main[0]["refused"]]
    for who, processes in (("the process itself", main), ("all processes", outcome["processes"])):
        hits, others = share(processes)
        if hits < LEAST * (hits + others):
            names = sorted({name for p in processes for name in p["by_cpython"]})
            wrong.append("%s: %d modules from the archive, %d not: %s" % (who, hits, others, ", ".join(names[:20])))
    for process in outcome["processes"]:
        if process["stats"]:
            # Without columns, code objects differ from those in the archive. The package notices that and uses marshal.
            if process["status"]["method"] != method and not process["no_debug_ranges"]:
                wrong.append("code is made by %s: %s" % (process["status"]["method"], process["argv"]))
            if process["stats"]["fallbacks"]:
                wrong.append("%d fallbacks: %s" % (process["stats"]["fallbacks"], process["argv"]))
    return wrong


def variable(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("%r is not NAME=VALUE" % text)
    return name, value


def arguments():
    parser = argparse.ArgumentParser(prog="regress_overlay.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, metavar="EXE",
                        help="the interpreter of a virtual environment with the package")
    parser.add_argument("--archive", required=True, metavar="FILE",
                        help="an archive of its standard library and its tests")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="NAME", help="instead of: " + " ".join(TESTS))
    parser.add_argument("--method", default="records", help="how code objects must be made: records (default), image")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", type=variable,
                        help="set an environment variable on both sides, such as PYTHONHASHSEED=random")
    parser.add_argument("--tries", type=int, default=3, metavar="N", help="runs of a test that disagrees (3)")
    parser.add_argument("--keep", metavar="DIR", help="keep the output and the outcomes in this folder")
    return parser.parse_args()


def main():
    options = arguments()
    version = install_hook(options.python)
    with tempfile.TemporaryDirectory(prefix="overlay-") as work:
        stock = Side(options.python, "stock", work, dict(options.env))
        overlay = Side(options.python, "archive", work, dict(options.env), options.archive)
        results = [check(test, version, overlay, stock, options) for test in options.tests]
    bad = sum(not good for good in results)
    print("CPython %s: %d test files, %d with differences that nothing explains" % (version, len(results), bad))
    return 1 if bad else 0


def check(test, version, overlay, stock, options):
    """Runs one test file on both sides and prints the results. Returns whether every difference is explained."""
    theirs, ours = [stock.run(test)], [overlay.run(test, stock.hung)]
    text = overlay.text
    while not agree(ours[0], theirs[0]) and len(ours) < options.tries:
        theirs.append(stock.run(test, stock.hung))
        ours.append(overlay.run(test, stock.hung))
    if options.keep:
        keep(options.keep, version, test, {"archive": (ours, text), "stock": (theirs, stock.text)})
    differences, flaky = judge(ours, theirs)
    wrong = [line for outcome in ours for line in shortcomings(outcome, options.method)]
    known = [(line, explained.reason(version, test, line)) for line in differences]
    hits, others = share(ours[0]["processes"])
    good = not wrong and all(why for _, why in known)
    print("%s: %s: %d run, %d skipped, %d failing; %d modules from the archive, %d not, %d processes" % (
        test, "DIFFERS" if not good else "as explained" if known else "same", count(ours[0]),
        count(ours[0], "skipped"), len(ours[0]["failing"]), hits, others, len(ours[0]["processes"])))
    for line, why in known:
        print("  with the archive %s\n    %s" % (line, why or "NOT EXPLAINED"))
    for line in wrong:
        print("  WRONG: %s" % line)
    for name in flaky:
        print("  flaky: %s" % name)
    sys.stdout.flush()
    if not good:
        say("\n".join("    | " + line for line in text.splitlines()[-40:]))
    return good


def keep(folder, version, test, sides):
    os.makedirs(folder, exist_ok=True)
    for side, (outcomes, text) in sides.items():
        stem = os.path.join(folder, "%s-%s-%s" % (version, test, side))
        with open(stem + ".txt", "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        with open(stem + ".json", "w") as file:
            json.dump(outcomes, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
