#!/usr/bin/env python3
"""Runs the package under valgrind: `memcheck.py ARCHIVE`, with the interpreter of ARCHIVE and the package installed.

`exercise` runs under memcheck, with all small objects in blocks of malloc (PYTHONMALLOC). Valgrind must find no use of
memory that is freed, out of bounds or uninitialised. It must find no leak of memory that the package allocated. Errors
that also occur when the same modules are imported without the package are CPython's own. Before that, valgrind must
find errors in programs that make them on purpose.

From 3.12 on, interned strings are never freed, so leaked strings are ignored there.

Exit status: 0 no errors, 1 errors, 2 usage error.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

LEAKS = {"Leak_DefinitelyLost", "Leak_IndirectlyLost"}
EXTENSION = "permacode/__init__."
#: Programs with errors, by the kind that valgrind gives the error.
WRONG = {
    "InvalidRead": "import ctypes; m = ctypes.CDLL(None).malloc; m.restype = ctypes.c_void_p;"
                   "ctypes.string_at(m(10), 99)",
    "UninitCondition": "import ctypes; m = ctypes.CDLL(None).malloc; m.restype = ctypes.c_void_p;"
                       "ctypes.string_at(m(99), 9) == b'something'",
    "Leak_DefinitelyLost": "import ctypes; [ctypes.CDLL(None).malloc(n) for n in range(100, 200)]",
}


def exercise(path):
    """Uses everything that the package offers, once or twice."""
    import permacode

    with permacode.open(path) as archive:
        names = [name for name in archive if not name.startswith(("test.", "idlelib.", "lib2to3."))][::4]
        made = [archive.code(name) for name in names + names[:20]]
        del made[::2]
        archive.code("json.decoder", os.getcwd())
        kept = archive["argparse"]
        for wrong in ("no.such.module", "", "\ud800"):
            try:
                archive.code(wrong)
            except (ImportError, UnicodeError, KeyError):
                continue
            raise SystemExit("memcheck.py: %a has code" % wrong)
    damaged = os.path.join(tempfile.mkdtemp(), "damaged.perma")
    with open(path, "rb") as file, open(damaged, "wb") as copy:
        copy.write(file.read(100000))
    for wrong in (damaged, damaged + ".missing"):
        try:
            permacode.open(wrong)
        except (ImportError, OSError):
            continue
        raise SystemExit("memcheck.py: %s can be opened" % wrong)
    shutil.rmtree(os.path.dirname(damaged))
    permacode.install(path, strict=True)
    import_modules()
    hits = permacode.stats()["hits"]
    if permacode.status()["method"] != "records" or hits < 30 or not kept.co_consts:
        raise SystemExit("memcheck.py: %d modules from the archive, %s" % (hits, permacode.status()))
    permacode.uninstall()


def import_modules():
    import importlib
    import threading

    threads = [threading.Thread(target=importlib.import_module, args=(name,))
               for name in ("asyncio", "json", "logging", "unittest", "dataclasses", "http.client", "json.decoder")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    importlib.reload(sys.modules["json.decoder"])


def errors(*argv):
    """Yields (kind, stack) of each error that memcheck finds in a run of this interpreter."""
    environment = dict(os.environ, PYTHONMALLOC="malloc", PYTHONHASHSEED="1")
    with tempfile.TemporaryDirectory(prefix="memcheck-") as folder:
        report = os.path.join(folder, "report.xml")
        done = subprocess.run(["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite",
                               "--num-callers=40", "--xml=yes", "--xml-file=" + report, sys.executable, *argv],
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise SystemExit("memcheck.py: %s\n%s ended with status %d" % (
                done.stdout.decode(errors="replace")[-3000:], " ".join(argv), done.returncode))
        for error in ElementTree.parse(report).getroot().iter("error"):
            stack = error.find("stack")
            yield error.findtext("kind"), [(frame.findtext("fn") or "?", frame.findtext("obj") or "?")
                                           for frame in stack.iter("frame")]


def is_ours(stack):
    """Did the package allocate this memory?"""
    is_string = any(name == "PyUnicode_New" for name, _ in stack[:3])
    if is_string and sys.version_info >= (3, 12):
        return False
    return any(EXTENSION in os.path.basename(obj) for _, obj in stack)


def place(kind, stack):
    return kind, tuple(name for name, _ in stack[:4])


def check_the_check():
    for kind, program in WRONG.items():
        found = {kind for kind, _ in errors("-c", program)}
        if kind not in found:
            raise SystemExit("memcheck.py: valgrind finds %s in a program with %s" % (sorted(found), kind))
    print("memcheck: valgrind finds %s" % ", ".join(WRONG))


def main():
    parser = argparse.ArgumentParser(prog="memcheck.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", metavar="ARCHIVE")
    parser.add_argument("--exercise", action="store_true", help="use the package, without valgrind")
    parser.add_argument("--stock", action="store_true", help="import the same modules without the package")
    options = parser.parse_args()
    if options.exercise or options.stock:
        exercise(os.path.abspath(options.archive)) if options.exercise else import_modules()
        return 0
    if shutil.which("valgrind") is None:
        raise SystemExit("memcheck.py: valgrind is not installed")
    check_the_check()
    script, good = os.path.abspath(__file__), True
    known = {place(kind, stack) for kind, stack in errors(script, "--stock", options.archive)}
    for kind, stack in errors(script, "--exercise", options.archive):
        if place(kind, stack) in known and not is_ours(stack):
            continue
        if kind not in LEAKS or is_ours(stack):
            good = False
            print("%s:\n%s" % (kind, "\n".join("  %s (%s)" % frame for frame in stack)))
    print("memcheck: %s" % ("no errors" if good else "ERRORS"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
