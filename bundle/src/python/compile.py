# Compiles one source after the other, each in a state that no other source has touched.
#
# What compile() returns depends on what the process did before: which strings are interned, which objects exist only
# once, where they lie in memory. So this process never compiles: it forks a child for each source. The child reads the
# request itself, so that not even that leaves a trace in the parent. Without fork, one process serves one request.
#
# Arguments: this script itself, the optimisation level, and "first" (or "restarted").
# Request:   length of the file name (4 bytes, little-endian), length of the source (8 bytes), file name, source.
# Answer:    status (1 byte), length (8 bytes), data. The data are the code object as marshal writes it for COMPILED,
#            otherwise a text in UTF-8.
# Before anything else: b"F" from a server that forks, b"S" from a process that serves once.
import sys

# "python -c" puts the current folder first: a module that lies there is not the one that is meant below.
sys.path = [entry for entry in sys.path if entry]

import _signal
import marshal
import os

FLAGS = ["-s", "-S", "-B", "-X", "utf8", "-W", "ignore"]
ADDR_NO_RANDOMIZE = 0x0040000
START = "import sys; exec(sys.argv[1])"
END = 3

COMPILED, REFUSED, NOT_ITS_FAULT, CRASHED = (bytes([status]) for status in range(4))
# The signals of a crash. All others come from somebody else: from the system if it is short of memory, or from a user.
CRASHES = {
    getattr(_signal, name)
    for name in ("SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS")
    if hasattr(_signal, name)
}


def restart_at_fixed_addresses():
    """Some hashes are addresses (None before 3.12, Ellipsis): the order of a frozenset may follow from them."""
    try:
        import ctypes

        personality = ctypes.CDLL(None).personality
        if personality(ADDR_NO_RANDOMIZE) != -1:
            os.execv(sys.executable, [sys.executable] + FLAGS + ["-c", START] + sys.argv[1:3] + ["restarted"])
    except Exception:
        # Not there or not allowed: such a set must then be large, or its hashes collide, for it to show.
        pass


def read(count):
    parts = []
    while count:
        part = os.read(0, min(count, 1 << 20))
        if not part:
            os._exit(END)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def answer(status, data):
    write(status + len(data).to_bytes(8, "little") + data)


def describe(error):
    text = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
    return text[:1000].encode("utf-8", "backslashreplace")


def virtual_memory(field):
    """A field of /proc/self/status in bytes; None where there is no such file."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(field + b":"):
                    return int(line.split()[1]) << 10
    except (OSError, MemoryError):
        pass
    return None


def is_short_of_memory(error, before, source):
    """Whether the system refused memory. The parser, too, raises MemoryError: for a source that nests too deeply.

    No single request of the compiler is larger than a few times what it has taken so far and what the source takes.
    Where all of that is to be had at once, nothing was refused.
    """
    peak = virtual_memory(b"VmPeak")
    if error.args:
        # CPython 3.12 and later: "Parser stack overflowed". Nobody gives a text to an error of the system.
        return False
    if before is None or peak is None:
        return True
    try:
        # Pages that nobody touches take no memory, but count against limits.
        bytes(4 * max(peak - before, 0) + 16 * len(source) + (64 << 20))
    except MemoryError:
        return True
    return False


def serve():
    name_len = int.from_bytes(read(4), "little")
    source_len = int.from_bytes(read(8), "little")
    name = os.fsdecode(read(name_len))
    source = read(source_len)
    before = virtual_memory(b"VmSize")
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=OPTIMIZE)
        status, data = COMPILED, marshal.dumps(code)
    except MemoryError as error:
        is_short = is_short_of_memory(error, before, source)
        status, data = NOT_ITS_FAULT if is_short else REFUSED, describe(error)
    except OSError as error:
        # The codec of the source could not be read.
        status, data = NOT_ITS_FAULT, describe(error)
    except Exception as error:
        status, data = REFUSED, describe(error)
    except BaseException as error:
        # KeyboardInterrupt.
        status, data = NOT_ITS_FAULT, describe(error)
    answer(status, data)


if sys.platform.startswith("linux") and sys.argv[3] != "restarted":
    restart_at_fixed_addresses()
OPTIMIZE = int(sys.argv[2])
if not hasattr(os, "fork"):
    import msvcrt

    msvcrt.setmode(0, os.O_BINARY)
    msvcrt.setmode(1, os.O_BINARY)
    write(b"S")
    serve()
    os._exit(0)
is_first = True
while True:
    # If this fails, the process ends with a traceback. Who asked starts another one, or says why that is impossible.
    child = os.fork()
    if child == 0:
        serve()
        os._exit(0)
    if is_first:
        # Not before: now there is a child to answer.
        write(b"F")
        is_first = False
    status = os.waitpid(child, 0)[1]
    if status == END << 8:
        os._exit(0)
    signal = status & 0x7F
    if signal in CRASHES:
        answer(CRASHED, b"signal: %d" % signal)
        os._exit(0)
    if status:
        os._exit(signal | 0x80 if signal else status >> 8)
