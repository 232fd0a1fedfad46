"""Memory that is given back. Longer runs of the same kind are a task of their own (`cargo xtask`)."""

import pytest

#: What is allocated by C and Rust is counted by the C library, to the byte; what by Python by Python, to the block.
#: A leak of one small object each time is more than this lets through.
SCRIPT = """
import ctypes, gc, sys, permacode

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info

def used():
    gc.collect()
    info = mallinfo()
    with open("/proc/self/maps") as maps:
        mapped = sum(1 for line in maps if line.rstrip().endswith(".perma"))
    return {"bytes": info.uordblks + info.hblkhd, "blocks": sys.getallocatedblocks(), "mapped": mapped}

path, times, kept = sys.argv[1], 1000, []

def once():
    STEP

used()  # makes what looking itself needs
for _ in range(times):
    once()
before = used()
for _ in range(times):
    once()
after = used()
growth = {name: after[name] - before[name] for name in after}
# Free lists and the like come and go, whatever the number of times.
assert growth["bytes"] < 8 * times, growth
assert growth["blocks"] < times / 2, growth
assert growth["mapped"] == 0, growth
print("flat")
"""

STEPS = {
    "open and close": "permacode.open(path).close()",
    "open and forget": "permacode.open(path)",
    "open and load": "archive = permacode.open(path); [archive[name] for name in archive]; archive.close()",
    "load and forget": "archive = permacode.open(path); [archive[name] for name in archive]; del archive",
    "load again": "kept or kept.append(permacode.open(path)); [kept[0][name] for name in kept[0]]",
    "absent": "archive = permacode.open(path); archive.__contains__('absent'); archive.close()",
    "not an archive": '''
    try:
        permacode.open(sys.executable)
    except ImportError:
        pass
    else:
        raise AssertionError
''',
}


@pytest.fixture
def flat(child, tree):
    """Whether memory stays what it is while something is done again and again; skips where nobody can tell."""
    supported = "import ctypes, os; print(hasattr(ctypes.CDLL(None), 'mallinfo2') and os.path.exists('/proc/self/maps'))"
    if child(supported).strip() != "True":
        pytest.skip("the C library does not say how much is allocated")

    def measure(step):
        return child(SCRIPT.replace("STEP", step), tree.archive)

    return measure


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_flat(flat, step):
    assert flat(step).strip() == "flat"


@pytest.mark.parametrize(
    "leak", ["kept.append(permacode.open(path))", "kept.append(bytearray(8))", "permacode.open(path); kept.append([])"]
)
def test_a_leak_would_be_seen(flat, leak):
    with pytest.raises(AssertionError, match="'blocks'"):
        flat(leak)
