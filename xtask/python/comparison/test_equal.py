#!/usr/bin/env python3
"""Tests of `equal.py`. Each kind of difference is planted once, and the script must find it.

Plain unittest, without the package: `python test_equal.py`, for each interpreter that archives are
compared with (3.9 and later).  What code is made of is changed by `code.replace`, in the bytes of a
stream, or in memory where nothing else can change it.
"""

import ctypes
import marshal
import math
import os
import struct
import sys
import unittest

import behaviour
import equal
import peek
from test_compare import NEWER, nested, replaced, sample, turned, with_other_kind


def constants(*values):
    """Code with these constants. CPython interns those that look like names."""
    return (lambda: None).__code__.replace(co_consts=values)


def fresh(text):
    """A new string with the same text that is not interned."""
    return "".join([text[:1], text[1:]])


class Case(unittest.TestCase):
    def compare(self, data, make, **options):
        return "\n".join("%s: %s" % line for line in equal.compare_made(data, make, **options)[0])

    def differ(self, data, make, *words):
        for tables_first in (False, True):
            text = self.compare(data, make, tables_first=tables_first)
            for word in words or (":",):
                self.assertIn(word, text, "tables first" if tables_first else "marshal first")

    def equal(self, data, make):
        for tables_first in (False, True):
            self.assertEqual(self.compare(data, make, tables_first=tables_first), "")

    def changed(self, names, *words, **changes):
        data = marshal.dumps(sample())
        self.differ(data, lambda: replaced(marshal.loads(data), names, **changes), *words)


class Code(Case):
    def test_equal(self):
        for source in (sample(), compile("x", "f", "eval"), equal.compare_made.__code__, constants(math.nan)):
            data = marshal.dumps(source)
            self.equal(data, lambda: marshal.loads(data))

    def test_every_attribute(self):
        inner = nested(sample(), "outer", "inner")
        changes = {
            "co_argcount": 2, "co_posonlyargcount": 1, "co_kwonlyargcount": 0, "co_nlocals": inner.co_nlocals + 1,
            "co_stacksize": inner.co_stacksize + 1, "co_flags": inner.co_flags ^ 0x20000,
            "co_firstlineno": inner.co_firstlineno + 1, "co_code": turned(inner.co_code, 1),
            "co_consts": inner.co_consts + (1,), "co_names": tuple(reversed(inner.co_names)),
            "co_varnames": tuple(reversed(inner.co_varnames)), "co_freevars": ("other",), "co_cellvars": ("other",),
            "co_filename": "/other.py", "co_name": "other", "co_qualname": "other",
            "co_linetable": turned(inner.co_linetable, 2) if sys.version_info >= (3, 10) else None,
            "co_lnotab": turned(inner.co_lnotab, 1) if sys.version_info < (3, 10) else None,
            "co_exceptiontable": turned(inner.co_exceptiontable, 2) if NEWER else None,
        }
        attributes = {name for name in dir(type(inner)) if name.startswith("co_")}
        derived = {"co_lnotab" if sys.version_info >= (3, 10) else None} | set(equal.METHODS)
        self.assertEqual(attributes - set(changes) - derived, set(), "an attribute that nobody compares")
        for name in sorted(attributes - derived):
            names, others = ["outer", "inner"], {}
            if name == "co_kwonlyargcount":  # the arguments need room among the locals
                names = ["outer"]
                others = {"co_argcount": 2}
            elif name in ("co_argcount", "co_posonlyargcount"):
                names = ["outer"]
                others = {"co_kwonlyargcount": 0} if name == "co_argcount" else {}
            elif name == "co_nlocals":
                others = {"co_varnames": inner.co_varnames + ("other",)}
            with self.subTest(name):
                self.changed(names, name, **{name: changes[name]}, **others)

    def test_lines_and_positions(self):
        if sys.version_info >= (3, 10):
            self.changed(["outer", "inner"], "co_lines()", co_firstlineno=100)
        if NEWER:
            self.changed(["outer", "inner"], "co_positions()", co_firstlineno=100)

    def test_kinds(self):
        if NEWER:
            data = marshal.dumps(sample())
            self.differ(data, lambda: marshal.loads(with_other_kind(data)), "co_localspluskinds")

    def test_names_of_locals(self):
        data = marshal.dumps(sample())
        self.differ(data, lambda: marshal.loads(data.replace(b"\x04held", b"\x04hold")),
                    "_varname_from_oparg()" if NEWER else "co_freevars")

    def test_code_that_ran(self):
        if not NEWER:
            return
        data = marshal.dumps(compile("def f(n):\n for i in range(n):\n  n = n + i\n return n", "f", "exec"))

        def warm():
            code, names = marshal.loads(data), {}
            exec(code, names)
            for _ in range(100):
                names["f"](10)
            return code

        self.differ(data, warm, "_co_code_adaptive")

    def test_field_that_nothing_shows(self):
        # The word of the last field that is shorter than a word: co_opcache_flag, in later versions _co_firsttraceable.
        number = max(n for n, _ in enumerate(peek.words(sample())) if peek.never_set(n) >> 32)
        data = marshal.dumps(sample())

        def poked():
            code = marshal.loads(data)
            ctypes.c_uint32.from_address(id(code) + peek.WORD * (1 + number)).value ^= 1
            return code

        self.differ(data, poked, ".word %d: of the C structure differs" % number)

    def test_no_code(self):
        self.differ(marshal.dumps(sample()), lambda: None, "a NoneType instead of code")


class Constants(Case):
    def differ(self, right, wrong, *words):
        super().differ(marshal.dumps(constants(right)), lambda: constants(wrong()), *words)

    def test_bits_and_types(self):
        for right, wrong in ((0.0, -0.0), (1, True), (1, 1.0), (1.5j, complex(-0.0, 1.5)), ((0.0,), (-0.0,)),
                             (b"x", "x"),
                             ("text \ud800", "text \ud801"), (10 ** 30, 10 ** 30 + 1), ((1, 2), (1, 3)), (None, ...),
                             (frozenset({1}), (1,))):
            with self.subTest(right):
                self.differ(right, lambda: wrong, ".co_consts[0]")

    def test_bits_of_nan(self):
        nan, other = (struct.unpack("<d", struct.pack("<Q", 0x7FF8 << 48 | n))[0] for n in (0, 1))
        self.differ(nan, lambda: other, "float differs")
        self.differ((nan,), lambda: (other,), "float differs")

    def test_order_of_frozenset(self):
        # 0 and 8 share a slot of a small table, so the order depends on which was added first.
        self.assertNotEqual(list(frozenset([0, 8])), list(frozenset([8, 0])))
        data = marshal.dumps(constants(frozenset([0, 8])))
        right = list(marshal.loads(data).co_consts[0])
        super().differ(data, lambda: constants(frozenset(reversed(right))), ".co_consts[0]")

    def test_room_of_frozenset(self):
        few = frozenset(range(3))
        many = set(range(1000))
        many -= set(range(3, 1000))
        self.assertEqual(list(few), list(many))
        self.assertNotEqual(sys.getsizeof(few), sys.getsizeof(many))
        # A program cannot make a frozenset that kept room for more members, so a set stands in for it.
        closer = equal.Closer({}, False, sample(), sample())
        report = equal.compare.Report(9)
        closer(few, many, (None, "set"), None, report)
        self.assertIn("size in memory", report.lines[0][1])

    def test_sharing(self):
        value = (1.5, 2.5)
        data = marshal.dumps(constants(value, value))
        copies = tuple(map(float, ("1.5", "2.5"))), tuple(map(float, ("1.5", "2.5")))
        self.assertIsNot(copies[0], copies[1])
        for tables_first in (False, True):
            text = self.compare(data, lambda: constants(*copies), tables_first=tables_first)
            self.assertIn("identity lost", text)
        # The opposite is allowed: two equal constants may be one object.
        self.equal(marshal.dumps(constants(*copies)), lambda: marshal.loads(data))

    def test_lives_for_ever(self):
        if sys.version_info < (3, 12):
            return
        value = tuple(map(float, ("1.5", "3.5")))
        ctypes.c_uint32.from_address(id(value)).value = sys.getrefcount(None) & 0xFFFFFFFF
        self.assertTrue(peek.is_immortal(value))
        self.differ((1.5, 3.5), lambda: value, "immortal: False, True")


    def test_parts_need_not_be_shared(self):
        part = ("one", "two")
        one = constants(constants().replace(co_names=part), constants().replace(co_names=part))
        two = constants(*(constants().replace(co_names=tuple(map(fresh, part))) for _ in "12"))
        self.assertIs(one.co_consts[0].co_names, one.co_consts[1].co_names)
        self.assertIsNot(two.co_consts[0].co_names, two.co_consts[1].co_names)
        self.equal(marshal.dumps(one), lambda: marshal.loads(marshal.dumps(two)))
        # Their contents are compared nevertheless.
        other = constants(one.co_consts[0], one.co_consts[1].replace(co_names=("one", "three")))
        super().differ(marshal.dumps(one), lambda: marshal.loads(marshal.dumps(other)), ".co_names[1]")


class Strings(Case):
    def streams(self, text, *types):
        """Streams of code with the constant `text`, one for each of these type bytes."""
        data = marshal.dumps(constants("@" * len(text)))
        at = data.index(b"@")
        old = data[at - 2] & 0x7F
        self.assertEqual(old, ord("z"))
        return [data[:at - 2] + kind + data[at - 1:].replace(b"@" * len(text), text.encode()) for kind in types]

    def test_interned_for_plain(self):
        for text in ("a text of its own", "another, then"):
            plain, interned = self.streams(text, b"z", b"Z")
            self.differ(plain, lambda: marshal.loads(interned), "interned differs: 0, ")
            self.differ(interned, lambda: marshal.loads(plain), "interned differs: ")
            self.equal(plain, lambda: marshal.loads(plain))
            self.equal(interned, lambda: marshal.loads(interned))

    def test_interned_for_ever(self):
        # From 3.13 on, a constant that looks like a name is interned until it is freed.
        if sys.version_info >= (3, 13):
            for_a_while, for_ever = self.streams("a_third_text_x", b"z", b"Z")
            self.assertIn("making the second side changed how it is interned: 1, then 2",
                          self.compare(for_a_while, lambda: marshal.loads(for_ever)))
            for_a_while, for_ever = self.streams("the_fourth_text", b"z", b"Z")
            self.assertEqual(self.compare(for_ever, lambda: marshal.loads(for_a_while), tables_first=True), "")

    def test_names(self):
        name = "some_name_of_its_own"
        data = marshal.dumps(compile(name, "f", "eval"))
        wrong = lambda: marshal.loads(data)  # noqa: E731
        self.equal(data, wrong)
        self.differ(data, lambda: wrong().replace(co_names=(name + "x",)), ".co_names[0]")


class Behaviour(unittest.TestCase):
    def test_hidden_locals(self):
        """Code of a module with a comprehension whose variable is no longer hidden."""
        if (3, 12) <= sys.version_info:
            name = "comprehensions"
            with open(os.path.join(behaviour.FOLDER, name + ".py")) as file:
                code = compile(file.read(), name, "exec")
            data = marshal.dumps(code)
            hidden = [kinds for kinds in map(lambda c: peek.locals_plus(c)[1], equal.codes(code)) if b"0" in kinds]
            self.assertTrue(hidden)
            for kinds in hidden:
                size = struct.pack("<i", len(kinds))
                data = data.replace(size + kinds, size + kinds.replace(b"0", b" "))
            with self.assertRaises((NameError, AssertionError)):
                self.assertEqual(behaviour.ran(marshal.loads(data), name), behaviour.ran(code, name))


class Names(unittest.TestCase):
    def test_of_compiled_files(self):
        tag = sys.implementation.cache_tag
        for name, path in (("json", "json/__pycache__/__init__.%s.pyc"),
                           ("json.decoder", "json/__pycache__/decoder.%s.pyc"),
                           ("__future__", "__pycache__/__future__.%s.pyc")):
            self.assertEqual(equal.module_name(path % tag), name)


class Build(unittest.TestCase):
    def test_what_is_read_from_memory(self):
        peek.check()


if __name__ == "__main__":
    unittest.main(warnings="ignore")
