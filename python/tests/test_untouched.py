"""Importing touches no page of signatures, sources and resources.

The pages are made unreadable, so that a touch ends the process. Line tables, exception tables and docstrings are parts
of the code objects of CPython, so importing reads them. With their pages, the test shows that a touch is noticed.
"""

import json
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc/self/maps")

SCRIPT = """
import ctypes, importlib, json, mmap, os, signal, sys
import permacode

archive, sections, names = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3].split()
permacode.install(archive, strict=True)

with open("/proc/self/maps") as maps:
    (first,) = [line.split() for line in maps if line.rstrip().endswith(archive)]
assert first[2] == "00000000", first
start = int(first[0].partition("-")[0], 16)
mprotect = ctypes.CDLL(None, use_errno=True).mprotect
mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

PROT_NONE = 0

def make_unreadable(offset, length):
    # Only whole pages: the first and the last one may have bytes of other sections.
    begin, end = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE, (offset + length) // mmap.PAGESIZE * mmap.PAGESIZE
    assert end >= begin + 4 * mmap.PAGESIZE, "the section spans too few pages"
    if mprotect(start + begin, end - begin, PROT_NONE):
        raise OSError(ctypes.get_errno(), "mprotect")

def ended(wanted):
    child = os.fork()
    if child == 0:
        for name in wanted:
            make_unreadable(*sections[name])
        for name in names:
            importlib.import_module(name)
        os._exit(0 if permacode.stats()["hits"] >= len(names) else 1)
    _, status = os.waitpid(child, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

print(json.dumps([ended(wanted) for wanted in json.loads(sys.argv[4])]))
"""

#: With the modules that they import: more than a hundred.
NAMES = ["argparse", "asyncio", "dataclasses", "decimal", "email.message", "http.client", "inspect", "json", "logging",
         "pathlib", "pickle", "shelve", "tarfile", "typing", "unittest.mock", "urllib.request",
         "xml.etree.ElementTree"]
UNTOUCHED = ["signatures", "signature-text", "sources", "files"]
READ = ["docstrings", "tables"]


def test_an_import_touches_no_signature_source_or_resource(bundle, child, command):
    archive = bundle("--exclude", "test", "--exclude", "**/tests", "--exclude", "**/test")
    info = json.loads(command("info", "--json", archive))
    sections = {section["name"]: (section["offset"], section["bytes"]) for section in info["sections"]}
    wanted = [[], UNTOUCHED, *([name] for name in READ)]
    out = child(SCRIPT, archive, json.dumps(sections), " ".join(NAMES), json.dumps(wanted))
    assert json.loads(out) == [0, 0] + [-signal.SIGSEGV] * len(READ)
