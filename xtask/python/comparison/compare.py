#!/usr/bin/env python3
"""Compares compiled Python files strictly: `compare.py A B`, two .pyc files or two folders.

Files in folders are paired by relative path. A .pyc on one side only is a difference. Run this script with the
interpreter that the files were compiled for. It compares the bytes after the 16-byte header in two ways, because each
way finds differences that the other cannot find:

* **as a stream** (`marshal_arena`): every value, its exact type and its bits (-0.0, NaN, surrogates), the order in
  which the members of a frozenset are written, the locals-plus names and kinds of code, whether each string is marked
  as interned, and which values are the same object;
* **as loaded**: both files loaded by `marshal.loads` in this process; every `co_*` attribute of code in this
  interpreter, exact types and bits, iteration order of sets, identity by `id`.

Identity: one object in A must be one object in B. B may merge equal immutable objects that are two objects in A. It
must not merge code objects, lists, dicts or sets.

Order of sets: two frozensets that are loaded in one process iterate in the same order if their members were written
in the same order. Otherwise the iteration order may be the same under one hash seed and different under another. So
both the written order and the loaded order must be the same. If a member contains a NaN (hashed by address since
3.10), the loaded order differs between two loads of the same file, so it is not compared.

Neither way uses Python's call stack for nested objects. Two identical bodies are loaded and decoded, but their objects
are compared only with `--every-byte`.

Exit status: 0 equal, 1 something differs, 2 usage error, or a file is not for this interpreter.
"""

import argparse
import json
import marshal
import os
import struct
import sys
import time
from importlib.util import MAGIC_NUMBER
from types import CodeType

import marshal_arena

HEADER = 16
ROOT = (None, "<module>")
NEVER_UNITED = {"code", "list", "dict", "set"}
#: Attributes that a code object keeps. CPython makes the others at each access, so their identity means nothing.
KEPT = {"co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable",
        "co_exceptiontable"}
if sys.version_info < (3, 11):
    KEPT |= {"co_code", "co_lnotab", "co_varnames", "co_freevars", "co_cellvars"}
CODE_ATTRIBUTES = [name for name in dir(CodeType) if name.startswith("co_")
                   # Deprecated, and derived from co_linetable, since 3.10.
                   and not (name == "co_lnotab" and sys.version_info >= (3, 10))
                   and not callable(getattr(CodeType, name))]


class Enough(Exception):
    """The limit of differences is reached."""


class Report:
    """The differences of one pair of files: at most `limit`, and one for each path."""

    def __init__(self, limit):
        self.limit, self.lines, self.paths = limit, [], set()

    def add(self, path, message):
        """Adds a difference, unless one was added for the same path or for an enclosing one."""
        text, outer = spell(path), path
        while outer is not None:
            if spell(outer) in self.paths:
                return
            outer = outer[0]
        self.paths.add(text)
        self.lines.append((text, message))
        if len(self.lines) >= self.limit:
            raise Enough


def spell(path):
    """The text of a path, which is a chain of `(parent, step)` tuples."""
    steps = []
    while path is not None:
        path, step = path
        steps.append("[%d]" % step if isinstance(step, int) else step)
    return "".join(reversed(steps))


def short(value):
    text = ascii(value)
    return text if len(text) <= 60 else text[:40] + "... (%d characters)" % len(text)


def one_byte(a, b):
    """Describes the first difference of two byte strings."""
    for k, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return "differs at byte %d: 0x%02x, 0x%02x (%d and %d bytes)" % (k, x, y, len(a), len(b))
    return "differs in length: %d, %d bytes" % (len(a), len(b))


class Identity:
    """Maps each object of A to its object of B."""

    def __init__(self, report, free=()):
        self.forth, self.back, self.report, self.free = {}, {}, report, free

    def meet(self, a, b, tag, path):
        """Returns True if the pair is new and consistent: its contents must still be compared."""
        if path[1] in self.free:
            return True
        seen = self.forth.get(a)
        if seen is not None:
            if seen != b:
                self.report.add(path, "identity lost: one object in A, two in B (%s)" % tag)
            return False
        self.forth[a] = b
        if self.back.setdefault(b, a) != a and tag in NEVER_UNITED:
            self.report.add(path, "identity gained: two objects in A, one in B (%s)" % tag)
        return True


# ---------------------------------------------------------------- as a stream

def describe(arena, number):
    """Describes a member of a set in enough depth to distinguish a changed order from changed members."""
    words, todo = [], [number]
    while todo and len(words) < 200:
        n = todo.pop()
        if n.__class__ is not int:
            words.append(n)
            continue
        tag, value = arena.tags[n], arena.vals[n]
        words.append(tag)
        if tag == "code":
            words.append(str(value[0]))
        elif value.__class__ is list or value.__class__ is tuple:
            todo.append(")")
            todo.extend(reversed(value))
        else:
            words.append(ascii(value))
    return " ".join(words)


def compare_streams(a, b, report):
    identity = Identity(report)
    tags_a, vals_a, interned_a = a.tags, a.vals, a.interned
    tags_b, vals_b, interned_b = b.tags, b.vals, b.interned
    forth = identity.forth
    todo = [(a.root, b.root, ROOT)]
    while todo:
        na, nb, path = todo.pop()
        if forth.get(na) == nb:
            continue
        tag = tags_a[na]
        if tag != tags_b[nb]:
            report.add(path, "type differs: %s, %s" % (tag, tags_b[nb]))
            continue
        va, vb = vals_a[na], vals_b[nb]
        if tag == "str":
            if va != vb:
                report.add(path, "str differs: %s, %s" % (short(va), short(vb)))
                continue
            if (na in interned_a) != (nb in interned_b):
                report.add(path, "interned differs: %s is %s in A, %s in B" % (
                    short(va), "interned" if na in interned_a else "plain",
                    "interned" if nb in interned_b else "plain"))
                continue
            identity.meet(na, nb, tag, path)
        elif tag == "code":
            if not identity.meet(na, nb, tag, path):
                continue
            for name, x, y in zip(marshal_arena.CODE_INTS, va[0], vb[0]):
                if x != y:
                    report.add((path, "." + name), "differs: %d, %d" % (x, y))
            if va[1] != vb[1]:
                report.add((path, ".co_firstlineno"), "differs: %d, %d" % (va[1], vb[1]))
            for name, x, y in zip(marshal_arena.CODE_FIELDS, va[2], vb[2]):
                todo.append((x, y, (path, "." + name)))
        elif va.__class__ is list or va.__class__ is tuple:
            if not identity.meet(na, nb, tag, path):
                continue
            if len(va) != len(vb):
                report.add(path, "length differs: %d, %d (%s)" % (len(va), len(vb), tag))
                continue
            if tag == "set" or tag == "frozenset":
                words_a = [describe(a, n) for n in va]
                words_b = [describe(b, n) for n in vb]
                if words_a != words_b and sorted(words_a) == sorted(words_b):
                    report.add(path, "order of the %s differs: %s, %s" % (
                        tag, short(words_a), short(words_b)))
                    continue
            for k in range(len(va) - 1, -1, -1):
                todo.append((va[k], vb[k], (path, k)))
        elif va != vb:
            if tag == "bytes":
                report.add(path, one_byte(va, vb))
            elif tag == "int":
                report.add(path, "int differs: %s, %s" % (short(va), short(vb)))
            else:
                report.add(path, "bits of the %s differ: %s, %s" % (tag, va.hex(), vb.hex()))
        else:
            identity.meet(na, nb, tag, path)


# ------------------------------------------------------------------ as loaded

def has_nan(value):
    todo = [value]
    while todo:
        v = todo.pop()
        if type(v) in (float, complex):
            if v != v:
                return True
        elif type(v) in (tuple, frozenset):
            todo.extend(v)
    return False


def same_atom(kind, a, b):
    if kind is float:
        return struct.pack("<d", a) == struct.pack("<d", b)
    if kind is complex:
        return struct.pack("<dd", a.real, a.imag) == struct.pack("<dd", b.real, b.imag)
    if kind in (int, str, bytes):
        return a == b
    return a is b  # None, True, False, ..., StopIteration


def compare_loaded(a, b, report, look_closer=None, free=()):
    """Compares two loaded objects, and calls `look_closer(a, b, path, push, report)` once for each pair of objects.

    The identity of the attributes of code that `free` names (".co_names") is not compared.
    """
    identity = Identity(report, free)
    forth = identity.forth
    todo = [(a, b, ROOT)]
    push = todo.append
    while todo:
        x, y, path = todo.pop()
        ix = id(x)
        if forth.get(ix) == id(y):
            continue
        kind = x.__class__
        if look_closer is not None and kind is y.__class__:
            look_closer(x, y, path, push, report)
        if kind is not y.__class__:
            report.add(path, "type differs once loaded: %s, %s" % (kind.__name__, y.__class__.__name__))
        elif kind is tuple or kind is list:
            if len(x) != len(y):
                report.add(path, "length differs once loaded: %d, %d" % (len(x), len(y)))
            elif identity.meet(ix, id(y), kind.__name__, path):
                for k in range(len(x) - 1, -1, -1):
                    push((x[k], y[k], (path, k)))
        elif kind is CodeType:
            if identity.meet(ix, id(y), "code", path):
                compare_code(x, y, path, push, report)
        elif kind is frozenset or kind is set:
            if len(x) != len(y):
                report.add(path, "length differs once loaded: %d, %d" % (len(x), len(y)))
            elif identity.meet(ix, id(y), kind.__name__, path) and not has_nan(x):
                for k, (p, q) in enumerate(zip(x, y)):
                    push((p, q, (path, k)))
        elif kind is dict or kind.__name__ == "frozendict":
            if len(x) != len(y):
                report.add(path, "length differs once loaded: %d, %d" % (len(x), len(y)))
            elif identity.meet(ix, id(y), kind.__name__, path):
                for k, (p, q) in enumerate(zip(x.items(), y.items())):
                    push((p[0], q[0], (path, 2 * k)))
                    push((p[1], q[1], (path, 2 * k + 1)))
        elif kind.__name__ == "slice":
            if identity.meet(ix, id(y), "slice", path):
                for k, name in enumerate(("start", "stop", "step")):
                    push((getattr(x, name), getattr(y, name), (path, k)))
        elif not same_atom(kind, x, y):
            report.add(path, "%s differs once loaded: %s, %s" % (kind.__name__, short(x), short(y)))
        else:
            identity.meet(ix, id(y), kind.__name__, path)


def compare_code(x, y, path, push, report):
    for name in CODE_ATTRIBUTES:
        p, q = getattr(x, name), getattr(y, name)
        if name in KEPT:
            push((p, q, (path, "." + name)))
        elif p.__class__ is not q.__class__ or p != q:  # an int, bytes or a tuple of str
            report.add((path, "." + name), "differs once loaded: %s, %s" % (short(p), short(q)))
    if not hasattr(x, "co_lines") or x.co_linetable == y.co_linetable:
        return  # lines and positions follow from the line table, the code and the first line
    for name in ("co_lines", "co_positions"):
        if hasattr(x, name) and list(getattr(x, name)()) != list(getattr(y, name)()):
            report.add((path, ".%s()" % name), "differs")


# -------------------------------------------------------------- files, folders

class Foreign(Exception):
    """A .pyc of another interpreter."""


def body_of(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != MAGIC_NUMBER:
        raise Foreign("magic number %s, this interpreter's is %s" % (data[:4].hex(), MAGIC_NUMBER.hex()))
    return data[:HEADER], data[HEADER:]


def compare_bodies(a, b, limit=20, every_byte=False):
    """Returns up to `limit` differences of two marshal streams as `[(path, message)]`."""
    report = Report(limit)
    try:
        sides = []
        for side, data in (("A", a), ("B", b)):
            try:
                sides.append((marshal_arena.decode(data), marshal.loads(data)))
            except (ValueError, EOFError, TypeError, RecursionError) as error:
                report.add(ROOT, "%s cannot be loaded: %s: %s" % (side, type(error).__name__, error))
                return report.lines
            if a == b and not every_byte:
                return []
        (arena_a, loaded_a), (arena_b, loaded_b) = sides
        if len(a) - arena_a.used != len(b) - arena_b.used:
            report.add((None, "end"), "bytes after the object: %d, %d"
                       % (len(a) - arena_a.used, len(b) - arena_b.used))
        compare_streams(arena_a, arena_b, report)
        compare_loaded(loaded_a, loaded_b, report)
    except Enough:
        pass
    return report.lines


def compare_files(a, b, options):
    try:
        head_a, body_a = body_of(a)
        head_b, body_b = body_of(b)
    except Foreign as error:
        return [("header", str(error))]
    lines = compare_bodies(body_a, body_b, options.limit, options.every_byte)
    if options.headers and head_a != head_b:
        lines.insert(0, ("header", one_byte(head_a, head_b)))
    return lines


def files_below(folder):
    found = set()
    for where, folders, names in os.walk(folder):
        folders.sort()
        found.update(os.path.relpath(os.path.join(where, name), folder)
                     for name in names if name.endswith(".pyc"))
    return found


def pairs_of(a, b):
    """Yields (name, file of A or None, file of B or None) in the order of names."""
    if os.path.isdir(a):
        names_a, names_b = files_below(a), files_below(b)
        for name in sorted(names_a | names_b):
            yield (name.replace(os.sep, "/"), os.path.join(a, name) if name in names_a else None,
                   os.path.join(b, name) if name in names_b else None)
    else:
        yield os.path.basename(b), a, b


def arguments(argv):
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", help="the compiler's output: a .pyc or a folder")
    parser.add_argument("b", metavar="B", help="the .pyc or folder that must equal A")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="print at most N differences (20)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--every-byte", action="store_true", help="also compare the objects of identical files")
    header = parser.add_mutually_exclusive_group()
    header.add_argument("--headers", action="store_true", help="the 16-byte headers must be equal too")
    header.add_argument("--strip-headers", dest="headers", action="store_false",
                        help="ignore the headers, except for the magic number (the default)")
    options = parser.parse_args(argv)
    for path in (options.a, options.b):
        if not os.path.exists(path):
            parser.error("no such file or folder: %s" % path)
    if os.path.isdir(options.a) != os.path.isdir(options.b):
        parser.error("a file cannot be compared with a folder")
    if options.limit < 1:
        parser.error("--limit must be at least 1")
    if not os.path.isdir(options.a):
        try:
            body_of(options.a)
        except Foreign as error:
            parser.error("%s: %s" % (options.a, error))
    return parser, options


def main(argv=None):
    parser, options = arguments(argv)
    start = time.perf_counter()
    compared, differ, foreign, printed, found = 0, 0, 0, 0, []
    for name, a, b in pairs_of(options.a, options.b):
        compared += 1
        if a is None or b is None:
            lines = [("file", "only in %s" % ("B" if a is None else "A"))]
        else:
            lines = compare_files(a, b, options)
            foreign += lines[:1] and lines[0][1].startswith("magic number") or 0
        differ += bool(lines)
        for path, message in lines:
            if printed < options.limit:
                printed += 1
                found.append({"file": name, "path": path, "message": message})
                if not options.json:
                    print("%s: %s: %s" % (name, path, message))
    if not compared:
        parser.error("no .pyc below %s and %s" % (options.a, options.b))
    if foreign == compared:
        parser.error("no file was compiled for this interpreter")
    if options.json:
        print(json.dumps({"compared": compared, "differ": differ, "differences": found,
                          "seconds": round(time.perf_counter() - start, 3)}, indent=1))
    else:
        print("%d files compared, %d differ" % (compared, differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
