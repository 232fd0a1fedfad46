#!/usr/bin/env python3
"""Tests of the scripts that run CPython's own tests. They run none of CPython's tests."""

import os
import tempfile
import unittest

import explained
import regress_overlay
import regrtest
from stripped import STRIPPED


def outcome(status=0, failing=(), processes=(), **tests):
    return {"status": status, "failing": list(failing), "tests": tests or {"a": "ok"}, "processes": list(processes)}


def process(role="main", hits=90, by_cpython=10, method="records", fallbacks=0, no_debug_ranges=False):
    return {"role": role, "argv": [], "refused": None, "by_cpython": ["m"] * by_cpython,
            "no_debug_ranges": no_debug_ranges, "status": {"method": method},
            "stats": {"hits": hits, "fallbacks": fallbacks}}


class Judging(unittest.TestCase):
    def test_agreement(self):
        self.assertTrue(regrtest.agree(outcome(), outcome()))
        for other in (outcome(status=2), outcome(failing=["b"]), outcome(a="skipped"), outcome(a="ok", b="ok")):
            self.assertFalse(regrtest.agree(outcome(), other))
        # Runs that were cut short never agree.
        for ended in (outcome(status="timeout"), outcome(status=-11), dict(outcome(), tests={})):
            self.assertFalse(regrtest.agree(ended, ended))

    def test_differences(self):
        same = outcome(a="ok", b="failure")
        self.assertEqual(regrtest.judge([same], [same]), ([], []))
        differences, _ = regrtest.judge([outcome(a="ok", b="ok", status=0)], [outcome(a="ok", b="failure", status=2)])
        self.assertEqual(differences, ["b: ok, but failure on the other side",
                                       "exit status: 0, but 2 on the other side"])
        self.assertEqual(regrtest.judge([outcome(a="ok")], [outcome(a="ok", b="ok")])[0],
                         ["b: absent, but ok on the other side"])

    def test_flaky(self):
        now, then = outcome(a="ok"), outcome(a="failure")
        self.assertEqual(regrtest.judge([now, then], [now, now]), ([], ["a"]))
        self.assertEqual(regrtest.judge([then, then], [now, now])[0], ["a: failure, but ok on the other side"])

    def test_runs_that_never_end(self):
        self.assertTrue(regrtest.judge([outcome(status="timeout")], [outcome()])[0])
        self.assertTrue(regrtest.judge([outcome(status=-11)], [outcome(status=-11)])[0])

    def test_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.xml")
            self.assertEqual(regrtest.read_tests(path), {})
            with open(path, "w") as file:
                file.write('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>'
                           '<testcase name="c"><skipped/></testcase><testcase name="a"><error/></testcase>'
                           "</testsuite></testsuites>")
            tests = regrtest.read_tests(path)
        self.assertEqual(tests, {"a": "error ok", "b": "failure", "c": "skipped"})
        self.assertEqual((regrtest.count(outcome(**tests)), regrtest.count(outcome(**tests), "skipped")), (3, 1))


class Loading(unittest.TestCase):
    def wrong(self, *processes):
        return " ".join(regress_overlay.shortcomings(outcome(processes=processes)))

    def test_nine_of_ten(self):
        self.assertEqual(self.wrong(process(hits=90, by_cpython=10)), "")
        self.assertIn("the process itself: 89 modules from the archive, 11 not: m",
                      self.wrong(process(hits=89, by_cpython=11)))
        self.assertIn("all processes: 100 modules from the archive, 20 not",
                      self.wrong(process(hits=100, by_cpython=0), process("child", hits=0, by_cpython=20)))

    def test_the_way_of_making(self):
        self.assertIn("made by marshal", self.wrong(process(), process("child", method="marshal")))
        self.assertEqual(self.wrong(process(), process("child", method="marshal", no_debug_ranges=True)), "")
        self.assertIn("1 fallbacks", self.wrong(process(fallbacks=1)))

    def test_nothing_installed(self):
        refused = dict(process(), stats=None, status=None, refused="why")
        self.assertIn("no archive was installed: why", self.wrong(refused))
        self.assertIn("0 processes", self.wrong())
        self.assertIn("2 processes", self.wrong(process(), process()))
        # Children may run without the archive, for example with -S.
        self.assertEqual(self.wrong(process(), dict(refused, role="child")), "")


class Explained(unittest.TestCase):
    def test_only_what_is_listed(self):
        _, test, ids, _, why = explained.EXPLAINED[0]
        name, method = ids[0], ids[0].rpartition(".")[2]
        for line in (name + ": error, but ok on the other side", "exit status: 2, but 0 on the other side",
                     "failing: file %s: yes, but absent on the other side" % test,
                     "failing: %s (%s): yes, but absent on the other side" % (method, name)):
            self.assertEqual(explained.reason("3.12.1", test, line), why, line)
            self.assertIsNone(explained.reason("3.9.1", test, line))
            self.assertIsNone(explained.reason("3.12.1", "test_json", line))
        for line in (name + "_other: error, but ok on the other side", "exit status: -11, but 0 on the other side",
                     "failing: other (test.other): yes, but absent on the other side"):
            self.assertIsNone(explained.reason("3.12.1", test, line), line)
        # Another result of the same test is another difference.
        self.assertIsNone(explained.reason("3.12.1", test, name + ": absent, but ok on the other side"))


class Stripped(unittest.TestCase):
    def reason(self, test, name, outcome, version="3.13.0"):
        return explained.reason(version, test, "%s: %s on the other side" % (name, outcome), STRIPPED)

    def test_only_what_is_listed(self):
        asyncio = "test.test_asyncio.test_tasks.CTask_CFuture_Tests."
        inspect = "test.test_inspect.test_inspect.TestRetrievingSourceCode."
        for test, name, outcome in (
            ("test_json", "json", "absent, but ok ok"),
            ("test_typing", "typing.get_args", "absent, but ok"),
            ("test_asyncio", asyncio + "test_get_stack", "error, but ok"),
            ("test_inspect", inspect + "test_getdoc", "failure, but ok"),
            ("test_inspect", inspect.replace("test_inspect.test_inspect", "test_inspect") + "test_getdoc",
             "failure, but ok"),
        ):
            self.assertIsNotNone(self.reason(test, name, outcome), name)
            for other in ("ok, but failure", "error, but ok ok", "timeout, but ok"):
                self.assertIsNone(self.reason(test, name, other), name)
        for test, name, outcome in (
            ("test_json", "test.test_json.test_fail.TestPyFail.test_failures", "absent, but ok"),
            ("test_json", "typing.get_args", "absent, but ok"),
            ("test_typing", "test.test_typing.UnionTests.test_repr", "failure, but ok"),
            ("test_asyncio", asyncio + "test_get_stack_twice", "error, but ok"),
            ("test_asyncio", asyncio + "test_cancel", "failure, but ok"),
            ("test_inspect", inspect + "test_getsource", "failure, but ok"),
        ):
            self.assertIsNone(self.reason(test, name, outcome), name)

    def test_what_follows_from_a_failure(self):
        name = "test.test_asyncio.test_tasks.CTask_CFuture_Tests.test_get_stack"
        scope, method = name.rpartition(".")[0], "test_get_stack"
        def why(line):
            return explained.reason("3.13.0", "test_asyncio", line + " on the other side", STRIPPED)

        for line in ("exit status: 2, but 0", "failing: file test_asyncio: yes, but absent",
                     "failing: file test_asyncio.test_tasks: yes, but absent",
                     "failing: %s (%s): yes, but absent" % (method, name),
                     "failing: %s (%s): yes, but absent" % (method, scope)):
            self.assertIsNotNone(why(line), line)
        for line in ("exit status: -11, but 0", "failing: file test_asyncio.test_sslproto: yes, but absent",
                     "failing: test_cancel (%s): yes, but absent" % scope,
                     "failing: test_cancel (%s.test_cancel): yes, but absent" % scope):
            self.assertIsNone(why(line), line)
        # Tests that are gone fail nothing.
        line = "exit status: 2, but 0 on the other side"
        self.assertIsNone(explained.reason("3.13.0", "test_json", line, STRIPPED))


if __name__ == "__main__":
    unittest.main()
