#!/usr/bin/env python3
"""Tests of `compare.py`. Each kind of difference is planted once, and the script must find it.

Plain unittest, for each interpreter that files are compared with (3.8 and later):
`python test_compare.py`.  Bad inputs are made three ways: streams written by hand (identity and
interned flags, which no program can ask `marshal.dumps` for), bytes changed inside a compiled
stream, and code objects changed by `code.replace`.  Equal inputs, among them streams with other
references than the original, have to be found equal, or strictness would be worth nothing.
"""

import contextlib
import importlib.util
import io
import json
import marshal
import os
import struct
import sys
import tempfile
import types
import unittest

import compare
import marshal_arena

NEWER = sys.version_info >= (3, 11)
SOURCE = '''"""A module with something of everything."""
import os
CONSTANTS = (1.0, -2.5, 3j, b"bytes", "text", None, True, ..., 10 ** 30, (1, (2, (3, "deep"))))
def outer(argument, *rest, key=("default", 1.5)):
    """Outer."""
    held = argument
    def inner(x):
        try:
            return held + x in {"alpha", "beta", "gamma"}
        except (ValueError, TypeError) as error:
            with open(x) as file:
                return error, file.read(), [held for _ in rest]
        finally:
            held.close()
    return inner
class Class:
    attribute: int = 5
    def method(self):
        return lambda: (self, 0.0, 1, "a text with blanks")
'''


def sample():
    return compile(SOURCE, "/base/sample.py", "exec")


def nested(code, *names):
    """The code object with this path of names below `code`."""
    for name in names:
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)
    return code


def replaced(code, names, **changes):
    """A copy of `code` in which the code object with this path of names is changed."""
    if not names:
        return code.replace(**changes)
    inner = nested(code, names[0])
    return code.replace(co_consts=tuple(replaced(c, names[1:], **changes) if c is inner else c
                                        for c in code.co_consts))


def turned(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def with_other_kind(data):
    """A stream of code in which a local is also a cell. Names and counts stay the same."""
    arena = marshal_arena.decode(data)
    at = marshal_arena.CODE_FIELDS.index("co_localspluskinds")
    codes = [arena.vals[n] for n, tag in enumerate(arena.tags) if tag == "code"]
    kinds = next(k for k in (arena.vals[c[2][at]] for c in codes) if len(k) > 3)
    spot = data.index(struct.pack("<i", len(kinds)) + kinds) + 4 + kinds.rindex(b"\x20")
    return data[:spot] + b"\x60" + data[spot + 1:]


# Handwritten streams: a type byte with this flag takes a place in the table that `ref` points into.
FLAG = 0x80


def ref(number):
    return b"r" + struct.pack("<i", number)


def mark(stream):
    return bytes([stream[0] | FLAG]) + stream[1:]


def pair(*members):
    return b")" + bytes([len(members)]) + b"".join(members)


def plain(text):
    return b"z" + bytes([len(text)]) + text.encode()


def interned(text):
    return b"Z" + bytes([len(text)]) + text.encode()


def blob(data):
    return b"s" + struct.pack("<i", len(data)) + data


def frozen(*members):
    return b">" + struct.pack("<i", len(members)) + b"".join(members)


def listed(*members):
    return b"[" + struct.pack("<i", len(members)) + b"".join(members)


def number(value):
    return b"g" + struct.pack("<d", value)


class Case(unittest.TestCase):
    def differ(self, a, b, *words):
        lines = compare.compare_bodies(a, b)
        self.assertTrue(lines, "a difference was missed")
        text = "\n".join("%s: %s" % line for line in lines)
        for word in words:
            self.assertIn(word, text)
        return lines

    def equal(self, a, b):
        self.assertEqual(compare.compare_bodies(a, b, every_byte=True), [])


class Values(Case):
    def test_negative_zero(self):
        self.differ(marshal.dumps((0.0,)), marshal.dumps((-0.0,)), "[0]", "bits of the float")
        self.differ(marshal.dumps(complex(0.0, 0.0)), marshal.dumps(complex(0.0, -0.0)), "complex")
        changed = replaced(sample(), ["Class", "method", "<lambda>"], co_consts=(None, -0.0, 1, "x"))
        right = replaced(sample(), ["Class", "method", "<lambda>"], co_consts=(None, 0.0, 1, "x"))
        self.differ(marshal.dumps(right), marshal.dumps(changed), "co_consts[1]")

    def test_bits_of_nan(self):
        quiet, payload = b"\0\0\0\0\0\0\xf8\x7f", b"\1\0\0\0\0\0\xf8\x7f"
        self.equal(b"g" + quiet, b"g" + quiet)
        self.differ(b"g" + quiet, b"g" + payload, "bits of the float")
        self.differ(b"g" + quiet, b"g" + quiet[:7] + b"\xff", "bits of the float")
        self.differ(b"y" + quiet * 2, b"y" + quiet + payload, "bits of the complex")

    def test_true_for_one(self):
        self.differ(marshal.dumps((1,)), marshal.dumps((True,)), "type differs")
        self.differ(marshal.dumps((0,)), marshal.dumps((False,)), "type differs")

    def test_float_for_int(self):
        self.differ(marshal.dumps((1,)), marshal.dumps((1.0,)), "type differs")

    def test_int(self):
        self.differ(marshal.dumps(10 ** 40), marshal.dumps(10 ** 40 + 1), "int differs")
        self.differ(marshal.dumps(10 ** 40), marshal.dumps(-10 ** 40), "int differs")

    def test_singletons(self):
        for a in (None, ..., StopIteration, True):
            for b in (None, ..., StopIteration, True):
                (self.equal if a is b else self.differ)(marshal.dumps(a), marshal.dumps(b))

    def test_surrogate(self):
        self.differ(marshal.dumps("\ud800"), marshal.dumps("\ud801"), "str differs")
        self.differ(marshal.dumps("\ud83d\ude00"), marshal.dumps("\U0001f600"), "str differs")
        self.equal(marshal.dumps("\ud800\u20ac"), marshal.dumps("\ud800\u20ac"))

    def test_str_for_bytes(self):
        self.differ(marshal.dumps(("ab",)), marshal.dumps((b"ab",)), "type differs: str, bytes")

    def test_tuple_for_list(self):
        self.differ(marshal.dumps((1, 2)), marshal.dumps([1, 2]), "type differs")
        self.differ(marshal.dumps((1, 2)), marshal.dumps((1, 2, 3)), "length differs")
        self.differ(marshal.dumps({1}), marshal.dumps(frozenset({1})), "type differs")

    def test_dict_order(self):
        self.differ(marshal.dumps({1: 2, 3: 4}), marshal.dumps({3: 4, 1: 2}))
        self.equal(marshal.dumps({1: 2, 3: 4}), marshal.dumps({1: 2, 3: 4}))

    def test_frozendict(self):
        if sys.version_info >= (3, 15):
            a, b = (marshal.dumps(frozendict({1: 2.5, 3: n})) for n in (4, 5))  # noqa: F821
            self.equal(a, a)
            self.differ(a, b, "[3]: int differs: 4, 5")
            self.differ(a, marshal.dumps({1: 2.5, 3: 4}), "type differs: frozendict, dict")
            # It takes its place in the table before its members do.  (A reference to the frozendict
            # itself, which `marshal.dumps` does write, 3.15.0 refuses to load.)
            data = pair(mark(b"}" + mark(number(2.5)) + mark(plain("two words")) + b"0"), ref(2))
            self.assertEqual(marshal.loads(data)[1], "two words")
            arena = marshal_arena.decode(data)
            members = arena.vals[arena.root]
            self.assertEqual(members[1], arena.vals[members[0]][1])
            self.equal(data, bytes(data))

    def test_slice(self):
        if sys.version_info >= (3, 14):
            a, b = marshal.dumps(slice(1, 2, None)), marshal.dumps(slice(1, 3, None))
            self.equal(a, a)
            self.differ(a, b, "[1]")

    def test_nested_constant(self):
        a = marshal.dumps(sample())
        b = a.replace(b"deep", b"deeq")
        self.assertNotEqual(a, b)
        lines = self.differ(a, b, "str differs: 'deep', 'deeq'")
        self.assertRegex(lines[0][0], r"^<module>\.co_consts\[\d+\](\[\d\])*$")

    def test_order_of_frozenset(self):
        one, two, three = (b"i" + struct.pack("<i", n) for n in (1, 2, 3))
        # When loaded, these iterate in the same order, because small ints do not collide. Only the streams differ.
        self.assertEqual(list(marshal.loads(frozen(one, two))), list(marshal.loads(frozen(two, one))))
        self.differ(frozen(one, two, three), frozen(one, three, two), "order of the frozenset")
        self.differ(frozen(plain("a1"), plain("a2")), frozen(plain("a2"), plain("a1")), "order")
        # 0 and 8 share a slot: the loaded order differs as well.
        zero, eight = (b"i" + struct.pack("<i", n) for n in (0, 8))
        self.differ(frozen(zero, eight), frozen(eight, zero), "order of the frozenset")
        self.differ(frozen(one, two), frozen(one, three), "int differs: 2, 3")

    def test_frozenset_with_nan(self):
        data = frozen(*[b"g" + struct.pack("<Q", 0x7FF8000000000000 + n) for n in range(40)])
        self.equal(data, bytes(data))

    def test_end_of_stream(self):
        self.differ(b"N", b"NN", "bytes after the object")
        for bad in (b"", b"(", b"[\xff\xff\xff\x7f", b"r\0\0\0\0", b"z\5ab", b"Q", b"(\1\0\0\0", b"0"):
            self.differ(b"N", bad, "cannot be loaded")


class Strings(Case):
    def test_interned_for_plain(self):
        for wide in (lambda c, t: c[:1] + bytes([len(t)]) + t, lambda c, t: c[1:2] + struct.pack("<i", len(t)) + t,
                     lambda c, t: c[2:] + struct.pack("<i", len(t)) + t):
            a, b = wide(b"zau", b"some text"), wide(b"ZAt", b"some text")
            self.differ(a, b, "interned differs", "plain in A, interned in B")
            self.differ(b, a, "interned in A, plain in B")

    def test_interned_in_code(self):
        a = marshal.dumps(sample())
        at = max(a.find(code + b"\x09attribute") for code in (b"Z", b"\xda"))
        b = a[:at] + bytes([a[at] ^ ord("Z") ^ ord("z")]) + a[at + 1:]
        self.differ(a, b, "interned differs: 'attribute' is interned in A, plain in B", ".co_names[")

    def test_forms_of_one_string(self):
        self.equal(plain("abc"), b"a\3\0\0\0abc")
        self.equal(plain("abc"), b"u\3\0\0\0abc")
        self.equal(interned("abc"), b"t\3\0\0\0abc")


class IdentityOf(Case):
    def lost(self, stream):
        one, two = pair(mark(stream), ref(0)), pair(stream, stream)
        self.equal(one, one)
        self.equal(two, two)
        self.equal(two, one)  # B may unite equal immutable objects
        self.differ(one, two, "[1]", "identity lost")

    def test_lost(self):
        for stream in (plain("two words"), pair(number(1.5)), blob(b"some bytes"), number(0.5),
                       b"i" + struct.pack("<i", 123456), frozen(number(2.5))):
            with self.subTest(stream):
                self.lost(stream)

    def test_shared_by_the_interpreter(self):
        for stream in (b"i\5\0\0\0", b")\0", interned("abc"), plain("a"), blob(b"")):
            with self.subTest(stream):
                self.equal(pair(mark(stream), ref(0)), pair(stream, stream))

    def test_singletons_take_no_place(self):
        for stream in (b"N", b"T", b"F", b".", b"S"):
            a = pair(mark(stream), mark(number(0.5)), ref(0))
            self.equal(a, pair(stream, mark(number(0.5)), ref(0)))

    def test_united_lists(self):
        two, one = pair(listed(b"N"), listed(b"N")), pair(mark(listed(b"N")), ref(0))
        self.differ(two, one, "identity gained")
        self.differ(one, two, "identity lost")

    def test_united_inside_tuples(self):
        # The tuples are equal, but each holds a list of its own.
        two = pair(pair(listed(b"N")), pair(listed(b"N")))
        self.differ(two, pair(mark(pair(listed(b"N"))), ref(0)), "identity gained")

    def test_united_code(self):
        code = marshal.dumps(compile("x", "f", "eval"), 2)  # version 2 writes no references
        two, one = pair(code, code), pair(mark(code), ref(0))
        self.equal(two, two)
        self.equal(one, one)
        self.differ(two, one, "identity gained")
        self.differ(one, two, "identity lost")

    def test_swapped(self):
        a, b = plain("two words"), number(1.5)
        self.differ(pair(pair(mark(a), mark(a)), ref(0), ref(1)), pair(pair(mark(a), mark(a)), ref(1), ref(0)),
                    "identity lost")
        self.differ(pair(pair(mark(a), mark(b)), ref(0)), pair(pair(mark(a), mark(b)), ref(1)), "type differs")

    def test_cycle(self):
        cycle = mark(listed(ref(0)))
        self.equal(cycle, cycle)
        self.differ(cycle, listed(listed(b"N")))

    def test_deep(self):
        deep = b")\1" * 1500 + b"N"
        self.equal(deep, deep)
        self.differ(deep, b")\1" * 1500 + b"T", "type differs")


class Code(Case):
    def changed(self, names, *words, **changes):
        self.differ(marshal.dumps(sample()), marshal.dumps(replaced(sample(), names, **changes)), *words)

    def test_file_name(self):
        self.changed([], "<module>.co_filename: str differs", co_filename="/other/sample.py")
        self.changed(["outer", "inner"], ".co_consts[", "co_filename", co_filename="/other/sample.py")

    def test_names(self):
        self.changed(["outer"], "co_name", co_name="Outer")
        if NEWER:
            self.changed(["outer", "inner"], "co_qualname", co_qualname="outer.inner")

    def test_numbers(self):
        inner = nested(sample(), "outer", "inner")
        self.changed(["outer", "inner"], "co_firstlineno: differs", co_firstlineno=inner.co_firstlineno + 1)
        self.changed(["outer", "inner"], "co_stacksize: differs", co_stacksize=inner.co_stacksize + 1)
        self.changed(["outer", "inner"], "co_flags: differs", co_flags=inner.co_flags ^ 0x20000)
        outer = nested(sample(), "outer")
        self.assertEqual((outer.co_argcount, outer.co_kwonlyargcount), (1, 1))
        self.changed(["outer"], "co_argcount: differs", "co_kwonlyargcount", co_argcount=2, co_kwonlyargcount=0)
        self.changed(["outer"], "co_posonlyargcount: differs", co_posonlyargcount=1)

    def test_bytecode(self):
        inner = nested(sample(), "outer", "inner")
        # The argument of the first instruction, which is RESUME or a load.
        self.changed(["outer", "inner"], "co_code: differs at byte 1", co_code=turned(inner.co_code, 1))

    def test_line_table(self):
        name = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"
        inner = nested(sample(), "outer", "inner")
        table = getattr(inner, name)
        self.changed(["outer", "inner"], name + ": differs at byte %d" % (len(table) - 1),
                     **{name: turned(table, len(table) - 1)})

    def test_exception_table(self):
        if NEWER:
            table = nested(sample(), "outer", "inner").co_exceptiontable
            self.changed(["outer", "inner"], "co_exceptiontable: differs at byte 2",
                         co_exceptiontable=turned(table, 2))

    def test_constants_and_names(self):
        inner = nested(sample(), "outer", "inner")
        self.changed(["outer", "inner"], "co_names", co_names=tuple(reversed(inner.co_names)))
        self.changed(["outer", "inner"], "co_consts: length", co_consts=inner.co_consts + (1,))

    def test_local_kinds(self):
        if not NEWER:
            self.changed(["outer"], "co_cellvars", co_cellvars=("held", "other"))
            return
        a = marshal.dumps(sample())
        b = with_other_kind(a)
        self.differ(a, b, "co_localspluskinds: differs at byte")

    def test_same_number_of_every_field(self):
        # At least one of the two ways must compare each field.
        looked = set(compare.CODE_ATTRIBUTES) | set(marshal_arena.CODE_INTS) | set(marshal_arena.CODE_FIELDS)
        fields = {name for name in dir(types.CodeType) if name.startswith("co_")}
        self.assertEqual(fields - looked - {"co_lines", "co_positions", "co_lnotab", "co_branches"}, set())


class Equal(Case):
    def test_other_references(self):
        # Without the set: before 3.11 `marshal.dumps` writes sets as they iterate, which the second
        # time may be in another order if two hashes collide.  That difference is a real one.
        source = SOURCE.replace('in {"alpha", "beta", "gamma"}', "in None")
        self.assertNotEqual(source, SOURCE)
        first = marshal.dumps(compile(source, "/base/sample.py", "exec"))
        again = marshal.dumps(marshal.loads(first))
        kept = marshal.loads(first)
        held = [list(kept.co_consts), list(kept.co_names)]  # more owners, so more references
        self.equal(first, again)
        self.equal(first, marshal.dumps(kept))
        self.assertTrue(held)
        # Every object of the stream is marked as a target of references, even if there are none.
        a = pair(plain("two words"), pair(number(1.5), plain("more words")))
        b = mark(pair(mark(plain("two words")), mark(pair(mark(number(1.5)), plain("more words")))))
        self.equal(a, b)

    def test_library(self):
        for name in ("json.decoder", "typing", "dataclasses", "argparse", "enum", "json.encoder"):
            spec = importlib.util.find_spec(name)
            with open(spec.origin, "rb") as file:
                data = marshal.dumps(compile(file.read(), spec.origin, "exec", dont_inherit=True))
            self.equal(data, bytes(data))
            if NEWER or "frozenset" not in marshal_arena.decode(data).tags:
                self.equal(data, marshal.dumps(marshal.loads(data)))
            self.same_as_loaded(data)

    def same_as_loaded(self, data):
        """The decoder gives the same values as `marshal.loads`."""
        arena = marshal_arena.decode(data)
        self.assertEqual(arena.used, len(data))
        seen, todo = {}, [(arena.root, marshal.loads(data))]
        while todo:
            n, value = todo.pop()
            tag, held = arena.tags[n], arena.vals[n]
            if tag == "str" and n not in arena.interned:
                # The code constructor may replace a constant with an interned string.
                self.assertEqual(held, value)
                continue
            self.assertIs(seen.setdefault(n, value), value)
            if tag in ("True", "False"):
                self.assertEqual(str(value), tag)
                continue
            self.assertEqual(tag, type(value).__name__)
            if tag == "code":
                self.assertEqual(held[0], tuple(getattr(value, k) for k in marshal_arena.CODE_INTS))
                self.assertEqual(held[1], value.co_firstlineno)
                for name, m in zip(marshal_arena.CODE_FIELDS, held[2]):
                    if name in compare.KEPT:
                        todo.append((m, getattr(value, name)))
            elif tag == "tuple":
                self.assertEqual(len(held), len(value))
                todo.extend(zip(held, value))
            elif tag == "frozenset":
                self.assertEqual(len(held), len(value))
            elif tag == "str":
                self.assertIs(sys.intern(value), value)
                self.assertEqual(held, value)
            elif tag == "float":
                self.assertEqual(held, struct.pack("<d", value))
            elif tag == "complex":
                self.assertEqual(held, struct.pack("<dd", value.real, value.imag))
            elif tag in ("int", "bytes"):
                self.assertEqual(held, value)


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.a, self.b = os.path.join(folder.name, "a"), os.path.join(folder.name, "b")
        for side in (self.a, self.b):
            for name in ("one.pyc", os.path.join("pkg", "__pycache__", "two.pyc"), "three.pyc"):
                self.write(os.path.join(side, name), marshal.dumps(sample()))

    def write(self, path, body, magic=importlib.util.MAGIC_NUMBER, rest=bytes(12)):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(magic + rest + body)

    def run_it(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = compare.main(list(argv))
            except SystemExit as end:
                status = end.code
        return status, out.getvalue().splitlines(), err.getvalue()

    def test_equal(self):
        self.assertEqual(self.run_it(self.a, self.b), (0, ["3 files compared, 0 differ"], ""))
        one = os.path.join(self.a, "one.pyc")
        self.assertEqual(self.run_it(one, one)[0:2], (0, ["1 files compared, 0 differ"]))

    def test_one_side_only(self):
        os.remove(os.path.join(self.b, "pkg", "__pycache__", "two.pyc"))
        self.write(os.path.join(self.b, "four.pyc"), marshal.dumps(sample()))
        self.assertEqual(self.run_it(self.a, self.b)[:2], (1, [
            "four.pyc: file: only in B", "pkg/__pycache__/two.pyc: file: only in A",
            "4 files compared, 2 differ"]))

    def test_header(self):
        self.write(os.path.join(self.b, "one.pyc"), marshal.dumps(sample()), rest=bytes(11) + b"\1")
        self.assertEqual(self.run_it(self.a, self.b)[0], 0)
        self.assertEqual(self.run_it("--strip-headers", self.a, self.b)[0], 0)
        self.assertEqual(self.run_it("--headers", self.a, self.b)[:2], (1, [
            "one.pyc: header: differs at byte 15: 0x00, 0x01 (16 and 16 bytes)", "3 files compared, 1 differ"]))

    def test_other_interpreter(self):
        one = os.path.join(self.b, "one.pyc")
        self.write(one, marshal.dumps(sample()), magic=b"\0\0\r\n")
        status, lines, _ = self.run_it(self.a, self.b)
        self.assertEqual((status, len(lines)), (1, 2))
        self.assertIn("magic number", lines[0])
        self.assertEqual(self.run_it(one, os.path.join(self.a, "one.pyc"))[0], 2)

    def test_limit_and_json(self):
        for name in ("one.pyc", "three.pyc"):
            self.write(os.path.join(self.b, name), marshal.dumps((1, 2, 3)))
        self.write(os.path.join(self.a, "one.pyc"), marshal.dumps((4, 5, 6)))
        status, lines, _ = self.run_it(self.a, self.b, "--limit", "2")
        self.assertEqual((status, len(lines), lines[-1]), (1, 3, "3 files compared, 2 differ"))
        status, lines, _ = self.run_it(self.a, self.b, "--json")
        answer = json.loads("\n".join(lines))
        self.assertEqual((status, answer["compared"], answer["differ"]), (1, 3, 2))
        self.assertEqual(answer["differences"][0], {
            "file": "one.pyc", "path": "<module>[0]", "message": "int differs: 4, 1"})

    def test_usage(self):
        for argv in ([], [self.a], [self.a, self.b + "/none"], [self.a, os.path.join(self.b, "one.pyc")],
                     [self.a, self.b, "--limit", "0"], [self.a, self.b, "--unknown"]):
            self.assertEqual(self.run_it(*argv)[0], 2, argv)


if __name__ == "__main__":
    unittest.main()
