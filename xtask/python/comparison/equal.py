#!/usr/bin/env python3
"""Compares code objects from an archive with those that marshal makes: `equal.py ARCHIVE COMPILED`.

COMPILED is the folder of `permacode bundle --keep-compiled` for ARCHIVE. Run this script with the interpreter that both
are for, with the package `permacode` installed. For each module, it compares `permacode.open(ARCHIVE).code(name)` with
`marshal.loads` of the .pyc, both made in this process. It compares everything that `compare.py` compares of loaded code
(every `co_*` attribute, exact types and bits, order of sets, which constants are the same object), and state that
CPython hides:

* of code: names and kinds of locals as CPython stores them, `_varname_from_oparg`, the instructions before the first
  run (`_co_code_adaptive`), every method (`co_lines`, `co_positions`, ...), hash, equality, and each field of the C
  structure that is the same in two loads by marshal;
* of strings: whether they are interned, before and after the other side was made. Where marshal makes an interned
  string immortal, the archive may intern it until it is freed. The opposite is a difference;
* of all objects: size in memory, and whether they are immortal.

Marshal may use one object both for a part of a code object (`co_names`, `co_linetable`, `co_qualname`, ...) and for a
part of another one, or for a constant. The archive need not do so.

Then the script compares all modules again in reverse order: objects that the archive shares between modules must not
have changed. With `--tables-first`, the archive's side is made first, so that marshal finds the strings that the
archive interned.

With `--image`, the archive must have an image beside it. Objects of an image are immortal, and their strings are not
interned, except for names that C code may compare by identity. Code objects of an image may have a string of their own
as their name. These differences are expected.

Exit status: 0 equal, 1 something differs, 2 usage error.
"""

import argparse
import json
import marshal
import os
import sys
import time
import warnings
from importlib.util import source_from_cache
from types import CodeType

import compare
import peek

#: Parts of a code object whose identity is not compared.
PARTS = {".co_qualname", ".co_consts", ".co_names", ".co_varnames", ".co_cellvars", ".co_freevars",
         ".co_localsplusnames", ".co_localspluskinds", ".co_code", ".co_linetable", ".co_lnotab", ".co_exceptiontable"}
METHODS = [name for name in dir(CodeType) if name.startswith("co_") and callable(getattr(CodeType, name))]


def everything(value):
    """Yields all objects that a code object keeps, in a deterministic order."""
    seen, todo = set(), [value]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, CodeType):
            todo.extend((value.co_consts, value.co_names, value.co_filename, value.co_name))
            if sys.version_info >= (3, 11):
                todo.extend((value.co_qualname, peek.locals_plus(value)[0]))
        elif isinstance(value, (tuple, frozenset)):
            todo.extend(value)
        elif isinstance(value, slice):
            todo.extend((value.start, value.stop, value.step))


def is_character(value):
    """Is it one of the interpreter's cached bytes objects of one byte? Marshal makes new ones."""
    return value.__class__ is bytes and len(value) == 1 and value is (value + value)[:1]


class Closer:
    """Compares hidden state of two objects that are otherwise equal."""

    def __init__(self, before, tables_first, a, again, image=False):
        #: How the strings of the first side were interned before the second side was made.
        self.before = before
        #: If set, marshal may make a string immortal that the archive interned until it is freed.
        self.tables_first = tables_first
        #: If set, the second side lies in an image.
        self.image = image
        #: The same code loaded again by marshal. Differences between both loads mean nothing.
        self.again = dict(zip((id(code) for code in codes(a)), codes(again)))
        self.objects = 0

    def __call__(self, x, y, path, push, report):
        self.objects += 1
        if x.__class__ is str:
            self.strings(x, y, path, report)
        elif x.__class__ is CodeType:
            self.code(x, y, path, push, report)
        if peek.is_immortal(x) != peek.is_immortal(y) and not is_character(y) and not self.image:
            report.add(path, "immortal: %s, %s" % (peek.is_immortal(x), peek.is_immortal(y)))
        # An interned string that is not ASCII may have kept its UTF-8, which counts as part of its size.
        may_have_utf8 = self.image and x.__class__ is str and not x.isascii()
        if sys.getsizeof(x) != sys.getsizeof(y) and not may_have_utf8:
            report.add(path, "size in memory differs: %d, %d bytes" % (sys.getsizeof(x), sys.getsizeof(y)))

    def strings(self, x, y, path, report):
        a, b = peek.interned(x), peek.interned(y)
        if self.image and (b == 0 or x is y):
            return
        if a != b:
            report.add(path, "interned differs: %d, %d: %s" % (a, b, compare.short(x)))
        elif a and x is not y:
            report.add(path, "two interned strings of one text: %s" % compare.short(x))
        for side in (x, y):
            before, now = self.before.get(id(side)), peek.interned(side)
            if before not in (None, now) and not (self.tables_first and before == 1):
                report.add(path, "making the second side changed how it is interned: %d, then %d: %s" % (
                    before, now, compare.short(side)))

    def code(self, x, y, path, push, report):
        again = self.again[id(x)]
        # Pointers to interned strings are the same in two loads by marshal. The strings are compared on their own.
        strings = {id(x.co_filename), id(x.co_name), id(x.co_qualname)} if self.image else ()
        for number, (a, b, c) in enumerate(zip(peek.words(x), peek.words(y), peek.words(again))):
            if a == c != b and a not in strings:
                report.add((path, ".word %d" % number), "of the C structure differs: %#x, %#x" % (a, b))
        if sys.version_info >= (3, 11):
            self.locals(x, y, path, push, report)
            if x._co_code_adaptive != y._co_code_adaptive:
                report.add((path, "._co_code_adaptive"), compare.one_byte(x._co_code_adaptive, y._co_code_adaptive))
        for name in METHODS:
            if list(getattr(x, name)()) != list(getattr(y, name)()):
                report.add((path, ".%s()" % name), "differs")
        if hasattr(x, "co_lnotab") and x.co_lnotab != y.co_lnotab:
            report.add((path, ".co_lnotab"), compare.one_byte(x.co_lnotab, y.co_lnotab))
        if hash(x) == hash(again) != hash(y):
            report.add((path, ".__hash__()"), "differs")
        if (x == again) != (x == y) or (again == x) != (y == x):
            report.add((path, ".__eq__()"), "code objects differ, and two loads by marshal do not")

    def locals(self, x, y, path, push, report):
        (names_a, kinds_a), (names_b, kinds_b) = peek.locals_plus(x), peek.locals_plus(y)
        push((names_a, names_b, (path, ".co_localsplusnames")))
        push((kinds_a, kinds_b, (path, ".co_localspluskinds")))
        if len(names_a) == len(names_b):
            a, b = ([code._varname_from_oparg(n) for n in range(len(names_a))] for code in (x, y))
            if a != b or a != list(names_a):
                report.add((path, "._varname_from_oparg()"), "differs: %s, %s" % (compare.short(a), compare.short(b)))


def codes(value):
    return (v for v in everything(value) if isinstance(v, CodeType))


def compare_made(data, make, limit=20, tables_first=False, image=False):
    """Returns the differences between the objects that marshal and `make()` make, and the number of objects."""
    report = compare.Report(limit)
    sides = [lambda: marshal.loads(data), make]
    if tables_first:
        sides.reverse()
    first = sides[0]()
    before = {id(value): peek.interned(value) for value in everything(first) if value.__class__ is str}
    second = sides[1]()
    a, b = (second, first) if tables_first else (first, second)
    if b.__class__ is not CodeType:
        return [("<module>", "a %s instead of code" % b.__class__.__name__)], 0
    closer = Closer(before, tables_first, a, marshal.loads(data), image)
    try:
        compare.compare_loaded(a, b, report, closer, PARTS | {".co_name"} if image else PARTS)
    except compare.Enough:
        pass
    return report.lines, closer.objects


def module_name(relative):
    """The name of a module, from the path of its .pyc below the library."""
    steps = os.path.splitext(os.path.relpath(source_from_cache(relative)))[0].split(os.sep)
    return ".".join(steps[:-1] if steps[-1] == "__init__" else steps)


class Run:
    """Compares the modules of an archive, one after the other."""

    def __init__(self, archive, compiled, options):
        self.archive, self.compiled, self.options = archive, compiled, options
        self.modules = self.objects = self.differ = 0
        self.found = []

    def differences(self, name, lines):
        self.differ += bool(lines)
        for path, message in lines:
            if len(self.found) < self.options.limit:
                self.found.append({"module": name, "path": path, "message": message})
                if not self.options.json:
                    print("%s: %s: %s" % (name, path, message), flush=True)

    def names(self):
        """Returns {name: .pyc} of the modules that both sides have, and adds a difference for each other module."""
        compiled = {module_name(relative): relative for relative in compare.files_below(self.compiled)}
        archived = list(self.archive)
        for name in sorted(set(compiled) ^ set(archived)):
            self.differences(name, [("module", "not in the archive" if name in compiled else "has no .pyc")])
        return {name: compiled[name] for name in archived if name in compiled}

    def compare(self, name, relative, again=""):
        _, data = compare.body_of(os.path.join(self.compiled, relative))
        try:
            lines, objects = compare_made(data, lambda: self.archive.code(name), self.options.limit,
                                          self.options.tables_first, self.options.image)
        except ImportError as error:
            lines, objects = [("<module>", "cannot be made: %s" % error)], 0
        self.modules += 1
        self.objects += objects
        self.differences(name + again, lines)

    def all(self):
        names = self.names()
        for name, relative in names.items():
            self.compare(name, relative)
        if self.options.image:
            return  # An image has one code object for each module, and the comparison has used it.
        for name, relative in reversed(list(names.items())):
            self.compare(name, relative, " (the second time)")


def arguments():
    parser = argparse.ArgumentParser(prog="equal.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", metavar="ARCHIVE", help="made with --keep-compiled by this interpreter")
    parser.add_argument("compiled", metavar="COMPILED", help="the folder of --keep-compiled")
    parser.add_argument("--tables-first", action="store_true", help="make the archive's side first")
    parser.add_argument("--image", action="store_true", help="take the archive's side from the image beside it")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="print at most N differences (20)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args()


def main():
    import permacode  # here, because the tests of the rest run without it

    options = arguments()
    start = time.perf_counter()
    warnings.simplefilter("ignore", DeprecationWarning)  # co_lnotab
    peek.check()
    with permacode.open(options.archive) as archive:
        run = Run(archive, options.compiled, options)
        run.all()
        method = archive.method
    expected = "image" if options.image else "records"
    if method != expected:
        run.differences("all", [("status", "code objects are made by %s, not by %s" % (method, expected))])
    if not run.modules:
        raise SystemExit("equal.py: no module of %s is in %s: was COMPILED kept when ARCHIVE was made?" % (
            options.archive, options.compiled))
    seconds = time.perf_counter() - start
    if options.json:
        print(json.dumps({"modules": run.modules, "objects": run.objects, "differ": run.differ,
                          "differences": run.found, "seconds": round(seconds, 3)}, indent=1))
    else:
        print("%d modules and %d objects compared, %d modules differ" % (run.modules, run.objects, run.differ))
    return 1 if run.differ else 0


if __name__ == "__main__":
    sys.exit(main())
