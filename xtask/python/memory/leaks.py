#!/usr/bin/env python3
"""Checks that the use of memory does not grow: `leaks.py ARCHIVE`, with the interpreter of ARCHIVE and the package.

Each case runs many times: cheap ones `--rounds` times, the others a tenth of that. Before that, it runs for a tenth of
these rounds to warm up. Afterwards the process must not hold more blocks of Python's allocator (all small objects),
more bytes of malloc (everything else), more mappings, or more open files. The limits are lower than a leak in every
twentieth round. Growth of CPython itself does not count: where the case can run without the archive, the growth without
it is subtracted.

Exit status: 0 no growth, 1 growth, 2 usage error.
"""

import argparse
import ctypes
import gc
import importlib
import mmap
import os
import sys
import tempfile

RELOADED = "json.decoder"
#: A module with many code objects, nested functions and classes.
LOADED = "argparse"
#: The smallest block of malloc has 32 bytes.
ALLOWED_A_ROUND = {"blocks": 0.05, "bytes": 6, "mappings": 0, "files": 0}
#: glibc counts the blocks in the cache of a thread as used, so the cache is turned off.
EXACT = {"PYTHONMALLOC": "pymalloc", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


class Usage(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


class Held:
    """The resources that the process holds."""

    def __init__(self):
        gc.collect()
        usage = MALLINFO()
        self.blocks = sys.getallocatedblocks()
        self.bytes = usage.uordblks + usage.hblkhd
        with open("/proc/self/maps", "rb") as file:
            self.mappings = sum(1 for _ in file)
        self.files = len(os.listdir("/proc/self/fd"))

    def since(self, before):
        return {name: getattr(self, name) - getattr(before, name) for name in ALLOWED_A_ROUND}


def growth(case, rounds):
    """Returns the growth over `rounds` of a case: five times the median growth of a fifth of the rounds.

    A cache or table of CPython grows in one or two fifths. A leak grows in each.
    """
    for _ in range(max(rounds // 10, 10)):
        case()
    fifths = []
    for _ in range(5):
        before = Held()
        for _ in range(rounds // 5):
            case()
        fifths.append(Held().since(before))
    return {name: 5 * sorted(fifth[name] for fifth in fifths)[2] for name in fifths[0]}


class Cases:
    """The cases, with the rounds of each and the growth without the archive."""

    def __init__(self, package, path, folder, rounds):
        self.package, self.path, self.rounds = package, path, rounds
        self.missing = os.path.join(folder, "missing.perma")
        self.damaged = os.path.join(folder, "damaged.perma")
        with open(path, "rb") as file, open(self.damaged, "wb") as copy:
            copy.write(file.read(5000))
        self.archive = package.open(path)
        self.module = importlib.import_module(RELOADED)

    def all(self):
        """Yields (name, rounds, case, growth without the archive or None)."""
        yield "open and close", self.rounds, self.open_and_close, None
        yield "open and forget", self.rounds, self.open_and_forget, None
        yield "open a missing or damaged file", self.rounds, self.open_in_vain, None
        few = max(self.rounds // 10, 1)
        yield "code of one module", few, self.code, None
        yield "code of no module", few, self.no_code, None
        yield "open, code, close", few, self.open_code_close, None
        yield "install, uninstall", few, self.install_uninstall, None
        stock = growth(self.reload, few)
        self.package.install(self.path, strict=True)
        self.reload()  # reload uses the loader that imported the module
        if type(self.module.__spec__.loader).__module__.partition(".")[0] != "permacode":
            raise SystemExit("leaks.py: %s is not reloaded from the archive" % RELOADED)
        yield "reload of one module", few, self.reload, stock
        self.package.uninstall()

    def open_and_close(self):
        with self.package.open(self.path):
            pass

    def open_and_forget(self):
        self.package.open(self.path)

    def open_in_vain(self):
        for path in (self.missing, self.damaged):
            try:
                self.package.open(path)
            except (ImportError, OSError):
                continue
            raise SystemExit("leaks.py: %s can be opened" % path)

    def code(self):
        self.archive.code(LOADED)

    def no_code(self):
        try:
            self.archive.code("no.such.module")
        except ImportError:
            return
        raise SystemExit("leaks.py: no.such.module has code")

    def open_code_close(self):
        with self.package.open(self.path) as archive:
            archive.code(LOADED)

    def install_uninstall(self):
        self.package.install(self.path, strict=True)
        self.package.uninstall()

    def reload(self):
        importlib.reload(self.module)


def judge(name, rounds, found, stock):
    """Prints the growth; returns whether it is within the limits."""
    allowed = {what: each * rounds + max(stock[what] if stock else 0, 0) for what, each in ALLOWED_A_ROUND.items()}
    good = all(found[what] <= allowed[what] for what in allowed)
    print("%-32s %6d rounds: %s%s: %s" % (
        name, rounds, ", ".join("%+d %s" % (count, what) for what, count in found.items()),
        " (without the archive %+d, %+d)" % (stock["blocks"], stock["bytes"]) if stock else "",
        "no growth" if good else "GROWS"), flush=True)
    return good


def check_the_check():
    """Checks that leaks are found."""
    kept = []
    for name, leak in (("an object", lambda: kept.append(object())), ("a file", lambda: kept.append(os.dup(0))),
                       ("a large object", lambda: kept.append(bytes(1000))),
                       ("a mapping", lambda: kept.append(mmap.mmap(-1, 4096)))):
        if judge("(%s each time)" % name, 100, growth(leak, 100), None):
            raise SystemExit("leaks.py: %s each time was not found" % name)


def main():
    parser = argparse.ArgumentParser(prog="leaks.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", metavar="ARCHIVE")
    parser.add_argument("--rounds", type=int, default=10000, metavar="N")
    options = parser.parse_args()
    if not EXACT.items() <= os.environ.items():
        os.environ.update(EXACT)
        os.execv(sys.executable, [sys.executable] + sys.argv)
    import permacode

    check_the_check()
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        cases = Cases(permacode, os.path.abspath(options.archive), folder, options.rounds)
        good = [judge(name, rounds, growth(case, rounds), stock) for name, rounds, case, stock in cases.all()]
    return 0 if all(good) else 1


try:
    MALLINFO = ctypes.CDLL(None).mallinfo2
except AttributeError:
    raise SystemExit("leaks.py: this C library has no mallinfo2: run on glibc 2.33 or later")
MALLINFO.restype = Usage

if __name__ == "__main__":
    sys.exit(main())
