"""Instructions that CPython would follow out of its memory while it makes or shows a code object.

From 3.11 on, CPython writes to the caches behind an instruction, even if the code ends before. Some opcodes occur only
in code that runs: CPython looks up their meaning in tables that a new code object does not have.
"""

import json
import opcode
import sys

import archive_file
import pytest

#: Replaces the instructions of the one code object of a module, for each attempt. Answers with `refused`,
#: `refused by CPython`, or with the value of `co_code`. With `-X dev`, Python notices writes behind a block of memory.
SCRIPT = """
import json, os, sys
sys.path.insert(0, sys.argv[3])
import archive_file, permacode

with open(sys.argv[1], "rb") as file:
    whole = file.read()
with open(sys.argv[2]) as file:
    attempts = json.load(file)
scratch = sys.argv[4]
answers = []
for instructions in attempts:
    data = bytearray(whole)
    archive_file.set_instructions(data, bytes.fromhex(instructions))
    archive_file.repair(data)
    path = os.path.join(scratch, f"{len(answers)}.perma")
    with open(path, "wb") as file:
        file.write(data)
    with open(os.path.join(scratch, "at"), "w") as file:
        file.write(instructions)
    with permacode.open(path) as archive:
        try:
            code = archive.code("victim")
        except ImportError as error:
            assert "CPython has no instructions" in str(error) or "CPython refuses" in str(error), error
            assert "0x" in str(error), error
            answers.append("refused" if "CPython has no" in str(error) else "refused by CPython")
        else:
            answers.append(code.co_code.hex())
            hash(code), code == archive.code("victim")
            del code
    os.unlink(path)
print(json.dumps(answers))
"""


NOP = [opcode.opmap["NOP"], 0]


@pytest.fixture
def attempts(bundle, child, tmp_path):
    """What comes of a code object with these instructions, for each of them."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "victim.py").write_text("".join(f"a{number} = {number}\n" for number in range(100)))
    whole = bundle(f"app={folder}", "--strip=source")

    def attempt(instructions):
        request = tmp_path / "request.json"
        request.write_text(json.dumps([bytes(one).hex() for one in instructions]))
        flags = ["-X", "dev", "-W", "ignore"]
        try:
            return json.loads(child(SCRIPT, whole, request, archive_file.FOLDER, tmp_path, flags=flags))
        except AssertionError as error:
            pytest.fail(f"instructions {(tmp_path / 'at').read_text()}: {error}")

    return attempt


def internal():
    """Opcodes that are only for a running interpreter."""
    if sys.version_info < (3, 12):
        return set()
    executor = {number for number, name in enumerate(opcode.opname) if name == "ENTER_EXECUTOR"}
    return executor | set(range(opcode.MIN_INSTRUMENTED_OPCODE, 256))


def caches(number):
    """How many units behind this opcode the interpreter takes for its caches: `co_code` shows them as zero."""
    if sys.version_info < (3, 11):
        return 0
    template = (lambda: None).__code__
    shown = template.replace(co_code=bytes([number, 0] + [0, 0xFF] * 20) + template.co_code).co_code
    return next(count for count in range(20) if shown[2 + 2 * count : 4 + 2 * count] != b"\0\0")


def test_the_interpreter_has_caches():
    """Otherwise the tests below would test nothing."""
    counts = {caches(number) for number in range(1, 256) if number not in internal()}
    assert (max(counts) > 8) == (sys.version_info >= (3, 11))
    assert bool(internal()) == (sys.version_info >= (3, 12))


def test_caches_behind_the_end(attempts):
    """Every opcode with every number of units behind it. The units before it move the end within a block of memory."""
    cases = [(number, behind) for number in range(1, 256) for behind in range(12) if number not in internal()]
    answers = attempts([NOP * (number % 4) + [number, 0] + [0, 0] * behind for number, behind in cases])
    assert len(answers) == len(cases)
    for (number, behind), answer in zip(cases, answers):
        assert (answer == "refused") == (caches(number) > behind), (number, behind, answer)


def test_opcodes_of_a_running_interpreter(attempts):
    """Anywhere, also in the middle; their numbers as arguments mean something else."""
    cases = sorted(internal())
    if not cases:
        pytest.skip("this interpreter has none")
    for place in (0, 1, 7, 8, 15, 16, 90):
        assert set(attempts([NOP * place + [number, 0] + NOP * 9 for number in cases])) == {"refused"}, place
    as_arguments = attempts([[NOP[0], number] * 20 for number in cases])
    assert "refused" not in as_arguments


def test_no_instructions(attempts):
    assert attempts([[]]) == [""]


def test_what_was_bundled_is_taken(attempts, tmp_path, child):
    """Each code object of the interpreter's library ends as these rules say."""
    script = "\n".join([
        "import glob, json, os, sys",
        "from types import CodeType",
        "def codes(code):",
        "    yield code",
        "    for constant in code.co_consts:",
        "        if isinstance(constant, CodeType):",
        "            yield from codes(constant)",
        "ends = set()",
        "for path in glob.glob(os.path.join(os.path.dirname(os.__file__), '*.py')):",
        "    with open(path, 'rb') as file:",
        "        for code in codes(compile(file.read(), path, 'exec', dont_inherit=True)):",
        "            ends.add(code.co_code[-40:].hex())",
        "print(json.dumps(sorted(ends)))",
    ])
    ends = json.loads(child(script, flags=["-W", "ignore"]))
    assert len(ends) > 1000
    assert "refused" not in attempts([bytes.fromhex(end) for end in ends])
