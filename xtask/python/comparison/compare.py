#!/usr/bin/env python3
"""Compare compiled Python files strictly: `compare.py A B`, two .pyc files or two folders.

Folders are walked and paired by relative path; a .pyc on one side only is a difference.  Run it
with the interpreter that the files were compiled for.  What follows the 16-byte header is compared
in two ways, because each sees what the other cannot:

* **as a stream** (`marshal_arena`): every value, its exact type and its bits (-0.0, NaN, surrogates),
  the order in which members of a frozenset are written, the locals-plus names and kinds of code,
  whether each string is marked as interned, and which objects are one object;
* **as loaded**: both files by `marshal.loads` in this one process; every `co_*` attribute that code
  has in this interpreter, exact types and bits, iteration order of sets, identity by `id`.

Identity: what is one object in A must be one object in B.  B may unite equal immutable objects that
are two in A; code objects, lists, dicts and sets are never united.

Order of sets: two frozensets loaded in one process iterate alike if their members were written in
the same order; if not, they may iterate alike under one hash seed and not under the next.  So the
written order must be the same, and the loaded order is compared too.  Only where a member contains a
NaN (hashed by address since 3.10) is the loaded order left out, as it differs between two loads of
one and the same file.

Neither way uses Python's call stack for nested objects.  Two identical bodies are loaded and decoded,
but not walked (`--every-byte` walks them too).

Exit status: 0 equal, 1 something differs, 2 usage error (also: not compiled for this interpreter).
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
#: What the loaded walk asks of code, and which of these are objects kept by it (others are made anew
#: at each question, so that their identity means nothing).
KEPT = {"co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable",
        "co_exceptiontable"}
if sys.version_info < (3, 11):
    KEPT |= {"co_code", "co_lnotab", "co_varnames", "co_freevars", "co_cellvars"}
CODE_ATTRIBUTES = [name for name in dir(CodeType) if name.startswith("co_")
                   # Derived from co_linetable, and deprecated, where there is one.
                   and not (name == "co_lnotab" and sys.version_info >= (3, 10))
                   and not callable(getattr(CodeType, name))]


class Enough(Exception):
    """So many differences that the rest of this file does not matter."""


class Report:
    """The differences of one pair of files, at most `limit`, each place once."""

    def __init__(self, limit):
        self.limit, self.lines, self.paths = limit, [], set()

    def add(self, path, message):
        """Note it, unless the same place or one that it lies in was noted before."""
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
    """`(parent, step)` chains, made one tuple a step while walking, as text."""
    steps = []
    while path is not None:
        path, step = path
        steps.append("[%d]" % step if isinstance(step, int) else step)
    return "".join(reversed(steps))


def short(value):
    text = ascii(value)
    return text if len(text) <= 60 else text[:40] + "... (%d characters)" % len(text)


def one_byte(a, b):
    """Where two byte strings part."""
    for k, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return "differs at byte %d: 0x%02x, 0x%02x (%d and %d bytes)" % (k, x, y, len(a), len(b))
    return "differs in length: %d, %d bytes" % (len(a), len(b))


class Identity:
    """Maps every object of A to its object of B, and objects to whether they are to be visited."""

    def __init__(self, report, free=()):
        self.forth, self.back, self.report, self.free = {}, {}, report, free

    def meet(self, a, b, tag, path):
        """True if the pair is new and consistent, so that its inside has yet to be compared."""
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
    """One member of a set, deep enough to tell a changed order from changed members."""
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
    """`look_closer(a, b, path, push, report)` is called for each pair of objects, besides, once.

    Attributes of code that `free` names (".co_names") need not be one object in B where they are one in A.
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
    """The differences of two marshal streams as `[(path, message)]`, at most `limit`."""
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
    """(name, file of A or None, file of B or None) in order of name."""
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
    parser.add_argument("b", metavar="B", help="what has to equal it")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="print N differences at most (20)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--every-byte", action="store_true", help="walk identical files too")
    header = parser.add_mutually_exclusive_group()
    header.add_argument("--headers", action="store_true", help="the 16-byte headers must be equal too")
    header.add_argument("--strip-headers", dest="headers", action="store_false",
                        help="ignore them except for the magic number (the default)")
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
