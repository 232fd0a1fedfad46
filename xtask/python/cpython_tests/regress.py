#!/usr/bin/env python3
"""Runs CPython's own tests on an extracted library and on the interpreter's own, and compares.

`regress.py --python EXE --tree DIR` runs `python -m test NAME` for test_json, test_dataclasses, test_typing,
test_asyncio and test_inspect twice: on DIR, and on the interpreter's own library. PYTHONHOME names DIR and, as the exec
prefix, the interpreter's own lib-dynload, so DIR stays unchanged. The result of each test and the exit status must be
the same.

With `--sourceless`, DIR has .pyc files in place of .py files. Without sources, some tests fail in CPython itself. So
the reference is a copy of the interpreter's library, compiled by `compileall -b`, without the .py files. Test discovery
needs an `__init__.py`, so the modules of a test package are named one by one. `--stock` takes no DIR, but makes a tree
from the interpreter's library. That checks this procedure.

An audit hook (hook/sitecustomize.py) reports every compilation of a file below DIR. The import system must not compile
a module that DIR has as .pyc, because that means that the .pyc was not used. Other compilations are only listed:
test_inspect compiles a source itself, and a script on a command line has no .pyc.

With `--stripped`, DIR comes from an archive without docstrings, lines or signatures. Tests that ask for them have
another result there. `stripped.py` lists these tests; any other difference fails the run.

`--spoil header|code` checks the check. It damages json/decoder in a copy of DIR made of symlinks: either the header, so
that the interpreter compiles the source, or a word inside the code. Exit status 0 then means that the damage was found.

Tests with different results run again, up to three times in all on both sides. A test that fails in all runs of one
side must fail in all runs of the other. Tests that fail sometimes are listed as flaky. A test that does not end on the
reference is left out of the following tries and named. If it does not end on DIR only, that is a difference.

Exit status: 0 same outcome or known differences, 1 different outcome, 2 usage error.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

import explained
from regrtest import Runner, agree, clean_environment, count, ended, judge, say
from stripped import STRIPPED

TESTS = ["test_json", "test_dataclasses", "test_typing", "test_asyncio", "test_inspect"]
# These tests start a script of the library, test_asyncio/echo*.py, and wait for its output. Without the .py file they
# never end, in unchanged CPython too. Both sides leave them out if there are no sources.
WAITING = ["test.test_asyncio.test_events.*.test_subprocess_" + name
           for name in ("close_client_stream", "exec", "interactive")]
HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook")
PRUNED = ("site-packages", "dist-packages", "lib-dynload", "__pycache__")
FACTS = """
import json, os, sys
print(json.dumps({"lib": os.path.dirname(os.__file__), "prefix": sys.prefix, "exec_prefix": sys.exec_prefix,
                  "tag": sys.implementation.cache_tag, "version": "%d.%d.%d" % sys.version_info[:3]}))
"""


class Interpreter:
    def __init__(self, exe):
        self.exe = exe
        done = subprocess.run([exe, "-I", "-c", FACTS], stdout=subprocess.PIPE, check=True)
        facts = json.loads(done.stdout.decode())
        self.lib, self.tag, self.version = facts["lib"], facts["tag"], facts["version"]
        self.exec_prefix = facts["exec_prefix"]
        self.inside = os.path.relpath(self.lib, facts["prefix"])  # lib/python3.13

    def copy_library(self, to, *compile_options):
        """Copies its library and compiles the copy with CPython's compileall."""
        def pruned(folder, names):
            return [n for n in names if n in PRUNED or n.startswith("config-") or n.endswith((".pyc", ".a", ".so"))]
        shutil.copytree(self.lib, to, symlinks=True, ignore=pruned)
        # Its exit status is 1, because some test data does not compile on purpose.
        subprocess.run([self.exe, "-I", "-m", "compileall", "-qq", *compile_options, to],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return to

    def stock(self, to, sourceless, base):
        if not sourceless:
            return self.copy_library(to, "--invalidation-mode", "checked-hash")
        self.copy_library(to, "-b", *(["-d", base] if base else []))
        for where, _, names in os.walk(to):
            for name in names:
                if name.endswith(".py"):
                    os.remove(os.path.join(where, name))
        return to


class Library(Runner):
    """A library to run tests on: that of the interpreter, or a tree."""

    def __init__(self, interpreter, work, name, tree=None):
        environment = clean_environment()
        super().__init__(interpreter.exe, name, work, environment)
        self.interpreter = interpreter
        self.log = os.path.join(work, name + ".log")
        environment.update(PYTHONPATH=HOOK, REGRESS_LOG=self.log)
        if tree is None:
            self.lib = interpreter.lib
        else:
            home = os.path.join(work, name)
            self.lib = os.path.join(home, interpreter.inside)
            os.makedirs(os.path.dirname(self.lib))
            os.symlink(os.path.abspath(tree), self.lib)
            environment.update(PYTHONHOME=home + os.pathsep + interpreter.exec_prefix, REGRESS_OWN=interpreter.lib)
        environment["REGRESS_TREE"] = self.lib

    def units(self, test, sourceless):
        """The arguments of `python -m test` for one test: its name, or the modules of its package."""
        folder = os.path.join(self.lib, "test", test)
        if sourceless and os.path.isdir(folder):
            names = sorted({n.partition(".")[0] for n in os.listdir(folder) if n.startswith("test_")
                            and n.endswith((".py", ".pyc"))})
            if names:
                return ["%s.%s" % (test, n) for n in names]
        return [test]

    def run_units(self, test, sourceless, hung):
        return self.run(test, self.units(test, sourceless), [*left_out(test, sourceless), *sorted(hung)])

    def started(self):
        """Files below the tree that start-up compiles before the hook is installed."""
        _, text = self.call("-v", "-c", "pass", timeout=120)
        # The import system puts quotes around the name of a .pyc, but not around that of a source.
        return re.findall(r"^# code object from (%s[^\r\n]*)" % re.escape(self.lib + os.sep), text, re.M)

    def seen(self):
        """Reads the hook's log: {compiled file: caller}, largest number of modules loaded, modules from elsewhere."""
        compiled, most, strayed = dict.fromkeys(self.started(), "import"), 0, set()
        if os.path.exists(self.log):
            with open(self.log, encoding="utf-8") as file:
                for line in file:
                    words = line.rstrip("\n").split("\t")
                    if words[0] == "compile":
                        if compiled.get(words[1]) != "import":
                            compiled[words[1]] = words[2]
                    elif words[0] == "loaded":
                        most = max(most, int(words[1]))
                        strayed.update(n for n in words[3].split(",") if n)
        return compiled, most, strayed

    def archived(self, path):
        """Does the tree have a .pyc of that source?"""
        folder, name = os.path.split(path)
        stem = os.path.splitext(name)[0]
        cached = os.path.join(folder, "__pycache__", "%s.%s.pyc" % (stem, self.interpreter.tag))
        return os.path.exists(cached) or os.path.exists(os.path.join(folder, stem + ".pyc"))


def overlay(tree, to, spoil, sourceless, tag):
    """Makes a folder like `tree` of symlinks, with a damaged json/decoder."""
    name = "decoder.pyc" if sourceless else os.path.join("__pycache__", "decoder.%s.pyc" % tag)
    inner = os.path.join("json", name)
    with open(os.path.join(tree, inner), "rb") as file:
        data = bytearray(file.read())
    if spoil == "header":
        if sourceless or data[4] == 1:
            data[0] ^= 1  # the magic number: a .pyc that is sourceless or unchecked has no other checked field
        data[12] ^= 1  # the second half of the source's hash, or its size
    else:
        word = b"Expecting value"
        if word not in data:
            raise SystemExit("json/decoder has no %r to damage" % word)
        data = data.replace(word, b"Expecting velue")
    here = ""
    for step in inner.split(os.sep)[:-1] + [""]:
        os.mkdir(os.path.join(to, here))
        for name in os.listdir(os.path.join(tree, here)):
            path = os.path.join(here, name)
            if name != step and path != inner:
                os.symlink(os.path.abspath(os.path.join(tree, path)), os.path.join(to, path))
        here = os.path.join(here, step)
    with open(os.path.join(to, inner), "wb") as file:
        file.write(data)
    return to


def left_out(test, sourceless):
    return WAITING if sourceless and test == "test_asyncio" else []


def arguments():
    parser = argparse.ArgumentParser(prog="regress.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, metavar="EXE", help="the interpreter to run")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tree", metavar="DIR", help="the extracted library")
    what.add_argument("--stock", action="store_true", help="make a tree from the interpreter's own library")
    parser.add_argument("--sourceless", action="store_true", help="the tree has .pyc files in place of .py files")
    parser.add_argument("--stripped", action="store_true",
                        help="the tree has no docstrings, lines or signatures: allow the differences of stripped.py")
    parser.add_argument("--base", metavar="DIR", help="folder that co_filename names in the stock copy"
                        " for --sourceless; give the one the tree was compiled for")
    parser.add_argument("--spoil", choices=("header", "code"),
                        help="damage json/decoder; exit status 0 if the damage is found")
    parser.add_argument("--tests", nargs="+", default=None, metavar="NAME", help="instead of: " + " ".join(TESTS))
    parser.add_argument("--tries", type=int, default=3, metavar="N", help="runs of a test that disagrees (3)")
    parser.add_argument("--baseline", metavar="FILE",
                        help="outcome of the reference: read if the file exists, else written")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout instead of lines")
    options = parser.parse_args()
    if options.tree and not os.path.isdir(os.path.join(options.tree, "json")):
        parser.error("%s is not an extracted library: it has no folder json" % options.tree)
    if options.tests is None:
        options.tests = ["test_json"] if options.spoil else TESTS
    return options


def main():
    options = arguments()
    interpreter = Interpreter(options.python)
    with tempfile.TemporaryDirectory(prefix="regress-") as work:
        tree = options.tree or interpreter.stock(os.path.join(work, "made"), options.sourceless, options.base)
        if options.spoil:
            tree = overlay(tree, os.path.join(work, "spoiled"), options.spoil, options.sourceless, interpreter.tag)
        tested = Library(interpreter, work, "tree", tree)
        own = None
        if options.sourceless:
            own = options.stock and not options.spoil and tree or interpreter.stock(
                os.path.join(work, "stock"), True, options.base)
        return report(options, interpreter, tested, Library(interpreter, work, "own", own))


def reasons(options, interpreter, test, tries):
    """The differences, each with the reason that `stripped.py` gives, or None."""
    entries = STRIPPED if options.stripped else []
    differences, _ = judge(tries["tree"], tries["own"])
    return {line: explained.reason(interpreter.version, test, line, entries) for line in differences}


def report(options, interpreter, tested, own):
    baseline = {}
    if options.baseline and os.path.exists(options.baseline):
        with open(options.baseline) as file:
            baseline = json.load(file)
    results, same = {}, True
    for test in options.tests:
        # A test that does not end on the reference is left out on both sides from then on. One that does not end on the
        # tree only is a difference, so it is never left out.
        tries = {"own": [baseline[test]] if test in baseline else [own.run_units(test, options.sourceless, own.hung)],
                 "tree": [tested.run_units(test, options.sourceless, own.hung)]}
        text = tested.text
        # A damaged tree differs each time, and so does what is listed: another run is of no use.
        while (not options.spoil and not agree(tries["tree"][0], tries["own"][0]) and len(tries["tree"]) < options.tries
               and not all(reasons(options, interpreter, test, tries).values())):
            tries["own"].append(own.run_units(test, options.sourceless, own.hung))
            tries["tree"].append(tested.run_units(test, options.sourceless, own.hung))
        known = reasons(options, interpreter, test, tries)
        flaky = judge(tries["tree"], tries["own"])[1]
        if ended(tries["own"][0]):
            baseline.setdefault(test, tries["own"][0])
        good = all(known.values())
        results[test] = {"good": good, "differences": known, "flaky": flaky,
                         "left_out": left_out(test, options.sourceless), "tree": tries["tree"], "own": tries["own"]}
        same = same and good
        if not good and not options.spoil:
            say("\n".join("    | " + line for line in text.splitlines()[-30:]))
    if options.baseline and not options.spoil:
        with open(options.baseline, "w") as file:
            json.dump(baseline, file, indent=1)
    compiled, most, strayed = tested.seen()
    answer = {"hung": sorted(own.hung), "python": interpreter.version, "sourceless": options.sourceless,
              "tests": results,
              "compiled": sorted(p for p in compiled if compiled[p] == "import" and tested.archived(p)),
              "compiled_unarchived": sorted(p for p in compiled if not tested.archived(p)),
              "compiled_by_tests": {p: by for p, by in sorted(compiled.items()) if by != "import"},
              "modules_from_tree": most, "modules_from_elsewhere": sorted(strayed)}
    good = same and not answer["compiled"] and not strayed and most > 0
    if options.spoil:
        # A test or the hook must find the damage. That the library cannot be used at all does not count.
        good = not same or bool(answer["compiled"])
    answer["good"] = good
    if options.json:
        print(json.dumps(answer, indent=1))
    else:
        lines(options, answer)
    return 0 if good else 1


def lines(options, answer):
    for test, result in answer["tests"].items():
        verdict = "same" if not result["differences"] else "as listed" if result["good"] else "DIFFERS"
        print("%s: %s: %d run, %d skipped, %d failing" % (
            test, verdict, count(result["tree"][-1]),
            count(result["tree"][-1], "skipped"), len(result["tree"][-1]["failing"])))
        for name in result["left_out"]:
            print("  left out on both sides, because it never ends without sources: %s" % name)
        for line, reason in result["differences"].items():
            print("  the tree has %s%s" % (line, "\n    NOT LISTED" if options.stripped and not reason else ""))
        for reason, number in Counter(filter(None, result["differences"].values())).items():
            print("  %d times: %s" % (number, reason))
        for name in result["flaky"]:
            print("  flaky: %s" % name)
    for name in answer["hung"]:
        print("does not end, left out on both sides: %s" % name)
    for path in answer["compiled"]:
        print("compiled although the tree has a .pyc: %s" % path)
    for path, by in answer["compiled_by_tests"].items():
        print("compiled by a test itself, not by an import: %s (%s)" % (path, by))
    print("%d modules from the tree, %d from elsewhere%s, %d modules compiled although the tree has a .pyc" % (
        answer["modules_from_tree"], len(answer["modules_from_elsewhere"]),
        " (%s)" % ", ".join(answer["modules_from_elsewhere"]) if answer["modules_from_elsewhere"] else "",
        len(answer["compiled"])))
    if options.spoil:
        print("damage to json/decoder (%s): %s" % (options.spoil, "found" if answer["good"] else "NOT FOUND"))


if __name__ == "__main__":
    sys.exit(main())
