#!/usr/bin/env python3
"""Tests of `environment.py`. Each kind of difference is planted once, and the script must find it.

Plain unittest, without the package: a small finder stands in for it.
"""

import argparse
import contextlib
import io
import marshal
import os
import sys
import tempfile
import unittest

import environment
from environment import SEALED, STOCK, UNSEALED

#: The stand-in for the package. An archive is a dict with the names of modules, and faults of some of them.
PACKAGE = """
import marshal, sys
from _frozen_importlib_external import PathFinder, SourceFileLoader

counts = {"hits": 0, "misses": 0, "stale": 0, "sealed": False}
kept_open = open


class Other(SourceFileLoader):
    pass


class PermacodeLoader(SourceFileLoader):
    def exec_module(self, module):
        counts["hits"] += 1
        exec(faults.get(self.name, ""), {"module": module, "sys": sys})
        SourceFileLoader.exec_module(self, module)
        exec(faults_after.get(self.name, ""), {"module": module})

    def __getattribute__(self, name):
        # If the module has no fault, the traceback has no frame of this file.
        found = object.__getattribute__(self, name)
        own = object.__getattribute__(self, "name")
        if name == "exec_module" and own not in frames and own not in faults and own not in faults_after:
            counts["hits"] += 1
            return SourceFileLoader.exec_module.__get__(self)
        return found


class PermacodeFinder:
    def find_spec(self, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target) if name in names else None
        if spec is None or type(spec.loader) is not SourceFileLoader:
            counts["misses"] += 1
            return None
        counts["stale"] += name in stale
        kind = Other if name in other_loaders else PermacodeLoader
        spec.loader = kind(name, spec.loader.path)
        exec(specs.get(name, ""), {"spec": spec})
        return spec


def open(path):
    return read(path)["names"]


def read(path):
    with kept_open(path, "rb") as file:
        return marshal.load(file)


def install(path, strict):
    globals().update(read(path))
    sys.meta_path.insert(-1, PermacodeFinder())


def stats():
    return dict(counts)


def status():
    return {"roots": {"sample": sys.path[0]}}
"""
#: Modules and their text.
MODULES = {"plain": "A = 1", "loader": "", "file": "", "cached": "", "name": "", "kind": "B = 1", "outcome": "",
           "traceback": "raise ValueError('at 0x%x' % id(object()))", "printed": "print('at', object())",
           "along": "", "crash": "", "order": "A = 1\nB = 2", "exits": "raise SystemExit(3)",
           "dies": "import os; os.kill(os.getpid(), 9)",
           "lazy": "def __dir__(): return ['x', 'gone']\ndef __getattr__(name): return {'x': 1}[name]",
           "0001_odd": "", "folder.__init__": "", "folder.below": "", "path.__init__": "", "path.below": "",
           "space.in_it": ""}
ARCHIVE = {"names": [], "other_loaders": [], "frames": [], "stale": [], "specs": {}, "faults": {}, "faults_after": {}}
FAULTS = {
    "other_loaders": ["sample.loader"], "frames": ["sample.traceback"],
    "specs": {"sample.file": "spec.origin += 'x'", "sample.cached": "spec.cached += 'x'",
              "sample.path": "spec.submodule_search_locations.append('elsewhere')"},
    "faults": {"sample.outcome": "raise ImportError('planted')", "sample.printed": "print('planted')",
               "sample.along": "import colorsys", "sample.crash": "import os; os._exit(0)",
               "sample.order": "module.B = 2"},
    "faults_after": {"sample.name": "module.planted = 1", "sample.kind": "module.B = 1.0"}}
#: The part of the record in which each fault appears.
PARTS = {"loader": "fields: + __spec__.loader", "file": "fields: + __file__", "cached": "fields: + __cached__",
         "path": "fields: + __path__", "name": "names: + planted: builtins.int", "kind": "names: + B: builtins.float",
         "outcome": "outcome: + builtins.ImportError: planted", "traceback": "outcome: +   ",
         "printed": "printed: + planted", "along": "came along: + colorsys", "crash": "outcome: + ended with status 0",
         "order": "names: "}


class Runner(environment.Runner):
    """A runner with one more folder on sys.path."""

    def environment(self, home):
        return {**super().environment(home), "PYTHONPATH": os.path.join(self.folder, "library")}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="test-environment-")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        for name, text in [("sample.__init__", ""), *(("sample." + name, text) for name, text in MODULES.items())]:
            self.write(os.path.join("library", *name.split(".")) + ".py", text)
        self.write(os.path.join("library", "endless.py"), "while True: pass")
        self.write(os.path.join("package", "permacode.py"), PACKAGE)
        self.names = ["sample", *("sample." + name.replace(".__init__", "") for name in MODULES)]
        self.addCleanup(setattr, environment, "SECONDS", environment.SECONDS)
        environment.SECONDS = 0.5

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def runner(self, sealed, unsealed):
        paths = []
        for name, archive in (("sealed", sealed), ("unsealed", unsealed)):
            paths.append(os.path.join(self.folder, name))
            with open(paths[-1], "wb") as file:
                marshal.dump({**ARCHIVE, **archive}, file)
        return Runner(argparse.Namespace(python=sys.executable, package=os.path.join(self.folder, "package"),
                                         sealed=paths[0], unsealed=paths[1]), self.folder)

    def outcome(self, runner):
        what = runner.list()
        self.assertIn("sample", what["tops"])
        archives = {way: frozenset(what["archives"][path]) for way, path in runner.archives.items() if path}
        outcome = environment.Outcome(what["path"], archives)
        outcome.add(runner.import_all("sample", self.names))
        return outcome

    def is_good(self, outcome):
        """Returns whether enough modules came from the archive, and the printed text."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            good = outcome.print("settings")
        return good, printed.getvalue()

    def test_what_differs_is_found(self):
        outcome = self.outcome(self.runner(dict(FAULTS, names=self.names), {"names": self.names}))
        found = {name: changes for name, way, changes in outcome.different if way == SEALED}
        for name, part in PARTS.items():
            changes = found.pop("sample." + name, [])
            self.assertTrue(any(change.startswith(part) for change in changes), (name, changes))
        self.assertEqual(found, {})
        self.assertEqual([line for line in outcome.different if line[1] == UNSEALED], [])

    def test_what_is_the_same(self):
        outcome = self.outcome(self.runner({"names": self.names}, {"names": self.names}))
        self.assertEqual(outcome.different, [])
        good, printed = self.is_good(outcome)
        self.assertTrue(good, printed)
        self.assertIn("(root sample): 19 modules from sources, 0 of them", printed)
        self.assertEqual(dict(outcome.outcomes), {"imported": 20, "not imported": 3})

    def test_all_is_imported(self):
        runner = self.runner({"names": self.names}, {"names": []})
        records = runner.import_all("sample", self.names)[STOCK][0]
        self.assertEqual(sorted(records), sorted([*self.names, "sample.space"]))
        self.assertEqual(records["sample.0001_odd"]["outcome"], "imported")
        self.assertEqual(records["sample.exits"]["outcome"].splitlines()[0], "builtins.SystemExit: 3")
        self.assertEqual(records["sample.dies"]["outcome"], "killed by signal 9")
        self.assertIn("x: builtins.int, from getattr", records["sample.lazy"]["names"])
        self.assertIn("gone: getattr raises builtins.KeyError", records["sample.lazy"]["names"])
        self.assertEqual(runner.import_all("endless", [])[STOCK][0]["endless"]["outcome"], "does not end")

    def test_what_is_not_compared(self):
        def printed(text):
            return {"outcome": "imported", "printed": text}

        for one, other in (("at 0x7f0000000001", "at 0x7f0000000002"), ("0.1 CPU seconds", "2.5 CPU seconds"),
                           ("a.py:1: SyntaxWarning: x\n  1 is 1\nb", "b"), ("a.py:1: SyntaxWarning: x\nb", "b")):
            self.assertEqual(environment.differences(printed(one), printed(other)), [], one)
            self.assertTrue(environment.differences(printed(one), printed(other + "!")), one)

    def test_nothing_served(self):
        for sealed, unsealed in (([], self.names), (self.names, []), (self.names, self.names[:10])):
            outcome = self.outcome(self.runner({"names": sealed}, {"names": unsealed}))
            self.assertEqual(outcome.different, [])
            good, printed = self.is_good(outcome)
            self.assertFalse(good, printed)
            self.assertIn("TOO FEW", printed)
            self.assertIn("misses, not in the archive", printed)

    def test_stale(self):
        outcome = self.outcome(self.runner({"names": self.names, "stale": ["sample.file"]}, {"names": self.names}))
        self.assertEqual(outcome.different, [])
        good, printed = self.is_good(outcome)
        self.assertFalse(good, printed)
        self.assertEqual(printed.count("NONE EXPECTED"), 1, printed)


if __name__ == "__main__":
    unittest.main()
