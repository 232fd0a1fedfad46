# Compiles sources, each in a fresh process.
#
# The result of compile() depends on the history of the process: on interned strings, on objects that exist only once,
# and on addresses. So this process never compiles. It forks a child for each source. The child reads the request,
# because reading would change the parent, too. Without fork, one process serves one request.
#
# Arguments: this script itself, the optimisation level, and "first" (or "restarted").
# Request:   length of the file name (4 bytes, little-endian), length of the source (8 bytes), file name, source.
# Answer:    status (1 byte), length (8 bytes), data. The data are the code object as marshal writes it for COMPILED,
#            otherwise a text in UTF-8.
# Before anything else: b"F" from a server that forks, b"S" from a process that serves once.
import sys

# "python -c" puts the current folder first, but modules of that folder must not be imported.
sys.path = [entry for entry in sys.path if entry]

import _signal
import marshal
import os

FLAGS = ["-s", "-S", "-B", "-X", "utf8", "-W", "ignore"]
ADDR_NO_RANDOMIZE = 0x0040000
START = "import sys; exec(sys.argv[1])"
END = 3

COMPILED, REFUSED, NOT_ITS_FAULT, CRASHED = (bytes([status]) for status in range(4))
# The signals of a crash. Other signals come from outside: from the system if memory is short, or from a user.
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
        # Not available or not allowed. The order then matters only in large sets, or if hashes collide.
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
    """A field of /proc/self/status in bytes; None if there is no such file."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(field + b":"):
                    return int(line.split()[1]) << 10
    except (OSError, MemoryError):
        pass
    return None


def is_short_of_memory(error, before, source):
    """Whether the system refused memory. The parser raises MemoryError, too, for a source that nests too deeply.

    No single request of the compiler is larger than a few times the memory so far and the source. If the system grants
    all of that at once, it refused nothing.
    """
    peak = virtual_memory(b"VmPeak")
    if error.args:
        # CPython 3.12 and later: "Parser stack overflowed". An error of the system has no text.
        return False
    if before is None or peak is None:
        return True
    try:
        # Untouched pages need no memory, but count against limits.
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
    # If this fails, the process ends with a traceback. The caller starts another process or reports the traceback.
    child = os.fork()
    if child == 0:
        serve()
        os._exit(0)
    if is_first:
        # Only now is it certain that a child can answer.
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
