"""Damaged archives: an ImportError or a code object that can be looked at, but never a crash.

After a flipped bit, a module gives an ImportError or the code that was bundled, and never other code. A forged archive
with correct checksums may give other code. A program can look at that code as at any other.

A child process changes each byte with a meaning, one at a time. It does so twice: without correcting the checksums, and
with correct ones, so that the damage reaches the records and the code that makes objects of them. No code is run:
CPython trusts the instructions that it runs.
"""

import json
import pathlib
import subprocess
import sys

import archive_file
import pytest

#: Flips bits; `cargo xtask python-proof --damage` does so more often.
FLIPPED_BITS = pathlib.Path(__file__).parent.parent.parent / "xtask" / "python" / "damage" / "flipped_bits.py"

#: Opens each damaged copy and looks at all its objects. Before that, it writes the number of the changed byte, which
#: names the cause of a crash.
SCRIPT = """
import json, marshal, os, random, sys
from types import CodeType
sys.path.insert(0, sys.argv[4])
import archive_file, permacode

source, scratch, is_repaired = sys.argv[1], sys.argv[2], sys.argv[3] == "made right"
with open(source, "rb") as file:
    whole = file.read()
layout = list(archive_file.sections(whole))
placed = random.Random(20261125)
counts = {"refused": 0, "partly": 0, "whole": 0}

def look_at(code):
    repr(code)
    try:
        hash(code)
    except TypeError:
        pass  # a constant that is a list cannot be hashed; it is a code object all the same
    for name in dir(CodeType):
        if name.startswith("co_"):
            value = getattr(code, name)
            repr(list(value()) if name in ("co_lines", "co_positions") else value)
    marshal.dumps(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            look_at(constant)

def attempt(path):
    try:
        archive = permacode.open(path)
        names = list(archive)
    except ImportError:
        return "refused"
    made = 0
    for name in names:
        try:
            code = archive.code(name)
        except ImportError as error:
            # What the index is damaged for is absent; what is wrong with the rest is said by file and place.
            absent = isinstance(error, ModuleNotFoundError)
            assert absent or (error.name == name and error.path == path and "0x" in str(error)), repr(error)
            continue
        assert type(code) is CodeType
        look_at(code)
        made += 1
    archive.close()
    return "whole" if made == len(names) else "partly"

def places():
    yield from range(archive_file.table_end(whole))
    for _, _, offset, length, _ in layout:
        yield from range(offset, offset + length)

for at in places():
    data = bytearray(whole)
    data[at] ^= placed.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])
    if is_repaired:
        archive_file.repair(data, layout)
    # A file of its own: the one before may still be mapped.
    path = os.path.join(scratch, "damaged.perma")
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)
    with open(os.path.join(scratch, "at"), "w") as file:
        file.write(f"{at:#x}")
    counts[attempt(path)] += 1
print(json.dumps(counts))
"""


@pytest.fixture
def small(bundle, tree):
    """Two modules that have everything that making code reads: each byte costs an attempt."""
    return bundle(
        f"app={tree.folder}", "--strip=source,signatures", "--include", "package.nested", "--include", "constants"
    )


@pytest.mark.parametrize("checksums", ["as they were", "made right"])
def test_every_byte(child, small, tmp_path, checksums):
    # With what finds writing out of bounds in Python's own memory.
    flags = ["-X", "dev", "-W", "ignore"]
    try:
        counts = json.loads(child(SCRIPT, small, tmp_path, checksums, archive_file.FOLDER, flags=flags))
    except AssertionError as error:
        pytest.fail(f"byte {(tmp_path / 'at').read_text()}: {error}")
    data = small.read_bytes()
    places = set(range(archive_file.table_end(data)))
    for _, _, offset, length, _ in archive_file.sections(data):
        places.update(range(offset, offset + length))
    assert sum(counts.values()) == len(places)
    # Without correct checksums, all damage is noticed. With correct ones, some is not: this test does not look at the
    # file names of resources, for example. If all damage were noticed then, the checksums would not be correct.
    assert counts["refused"] and counts["partly"] and bool(counts["whole"]) == (checksums == "made right"), counts


@pytest.mark.parametrize("checksums", [[], ["--repair"]], ids=["as they were", "made right"])
def test_flipped_bits(command, checksums):
    program = [sys.executable, "-E", "-s", "-B", "-X", "dev", "-W", "ignore", str(FLIPPED_BITS), "--flips", "300", *checksums]
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, done.stdout
