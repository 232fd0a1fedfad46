"""Constants that share their parts: a few bytes of an archive can stand for more values than anybody can walk through.

CPython walks through all constants when it makes a code object, and hashes what is in a set or is a key. It cannot be
interrupted while it does so. So such constants are refused, by the rule [P-6].
"""

import os
import struct
import subprocess

import archive_file
import permacode
import pytest

#: Tuples in tuples.
LEVELS = 60
#: The kinds of objects (spec.md, 5.11).
TUPLE, FROZENSET, DICT = 16, 17, 20
#: Does the work in a process that can be ended.
SCRIPT = """
import sys, permacode
with permacode.open(sys.argv[1]) as archive:
    try:
        code = archive.code("victim")
    except ImportError as error:
        print(f"refused: {error}")
    else:
        print("made")
"""


def nested(levels):
    """`(0, (1, (2, 3)))` for three levels."""
    text = str(levels)
    for number in reversed(range(levels)):
        text = f"({number}, {text})"
    return text


def objects(data):
    """The place of each object that lies in constants."""
    places = {kind: (offset, length) for _, kind, offset, length, _ in archive_file.sections(data)}
    entries, length = places[archive_file.OBJECTS]
    for (entry,) in struct.iter_unpack("<I", data[entries : entries + length]):
        if not entry >> 31:
            yield places[archive_file.CONSTANTS][0] + entry


def share(data, levels):
    """Lets each tuple of two that holds a tuple hold that one twice, the innermost `levels` of them."""
    changed = 0
    for place in objects(data):
        kind, count, depth = data[place : place + 3]
        if (kind, count) == (TUPLE, 2) and 2 <= depth <= levels:
            data[place + 3 : place + 5] = data[place + 5 : place + 7]
            changed += 1
    assert changed == levels - 1


@pytest.fixture
def victim(bundle, tmp_path):
    """An archive of one module of this source, changed by `change`; it follows every rule all the same."""

    def make(source, change):
        folder = tmp_path / "victim"
        folder.mkdir()
        (folder / "victim.py").write_text(source)
        data = bytearray(bundle(f"app={folder}", "--strip=source").read_bytes())
        change(data)
        archive_file.repair(data)
        path = tmp_path / "victim.perma"
        path.write_bytes(data)
        return path

    return make


def in_a_constant(levels):
    return f"chain = {nested(LEVELS)}\n", lambda data: share(data, levels)


def in_a_set(levels):
    return f"def f(x): return x in {{{nested(LEVELS)}, 'other'}}\n", lambda data: share(data, levels)


def in_a_key(levels):
    def change(data):
        share(data, levels)
        (place,) = [place for place in objects(data) if data[place] == FROZENSET]
        data[place] = DICT

    return f"def f(x): return x in {{{nested(LEVELS)}, 'other'}}\n", change


@pytest.mark.parametrize("where", [in_a_constant, in_a_set, in_a_key])
def test_out_of_proportion(child, command, victim, where):
    path = victim(*where(LEVELS))
    command("verify", path)
    answer = child(SCRIPT, path, timeout=60)
    assert answer.startswith(f"refused: {path}: module victim: ") and "[P-6]" in answer and "0x" in answer, answer


def test_many_times_in_one_list(child, victim):
    """Each of the constants is small enough, and all of them are not."""
    source = "".join(f"def f{number}(): return {nested(LEVELS)}\n" for number in range(200))
    path = victim(source, lambda data: share(data, 20))
    answer = child(SCRIPT, path, timeout=60)
    assert "[P-6]" in answer, answer


@pytest.mark.parametrize("where", [in_a_constant, in_a_set, in_a_key])
def test_in_proportion(child, victim, where):
    """A million values are no more than a program can have."""
    assert child(SCRIPT, victim(*where(19)), timeout=60) == "made\n"


def test_what_the_compiler_folds(bundle, tmp_path):
    """A source of 30 bytes makes a constant of 1,300 values; many such are a module."""
    folder = tmp_path / "folded"
    folder.mkdir()
    lines = [f"a{number} = (({number},) * 4,) * 256" for number in range(1000)]
    (folder / "folded.py").write_text("\n".join(lines))
    with permacode.open(bundle(f"app={folder}", "--strip=source")) as archive:
        names = {}
        exec(archive.code("folded"), names)
    assert all(names[f"a{number}"] == ((number,) * 4,) * 256 for number in range(1000))


def test_extraction_ends(victim, tmp_path):
    """What is shared stays shared in a .pyc file."""
    path = victim(*in_a_constant(LEVELS))
    program = os.environ["PERMACODE_COMMAND"]
    for arguments in (["extract", path, "-o", tmp_path / "out"], ["info", path], ["list", path]):
        subprocess.run([program, *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)
    (compiled,) = (tmp_path / "out").rglob("*.pyc")
    assert compiled.stat().st_size < 10_000
