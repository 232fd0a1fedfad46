# Compiles one source after the other, each in a state that no other source has touched.
#
# What compile() returns depends on what the process did before: which strings are interned, which objects exist only
# once, where they lie in memory. So this process never compiles: it forks a child for each source. The child reads the
# request itself, so that not even that leaves a trace in the parent. Without fork, one process serves one request.
#
# Request:  length of the file name (4 bytes, little-endian), length of the source (8 bytes), file name, source.
# Response: 0 or 1 (1 byte), length (8 bytes); then for 0 the code object as marshal writes it, for 1 why it did not
#           compile, as UTF-8.
# Before anything else: b"F" for a server that forks, b"S" for a process that serves once.
import marshal
import os
import sys

FLAGS = ["-s", "-S", "-B", "-X", "utf8", "-W", "ignore"]
ADDR_NO_RANDOMIZE = 0x0040000
END = 3


def restart_at_fixed_addresses():
    """Some hashes are addresses (None before 3.12, Ellipsis): the order of a frozenset may follow from them."""
    try:
        import ctypes

        personality = ctypes.CDLL(None).personality
        if personality(ADDR_NO_RANDOMIZE) != -1:
            os.execv(sys.executable, [sys.executable] + FLAGS + [sys.argv[0], sys.argv[1], "restarted"])
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


def serve():
    name_len = int.from_bytes(read(4), "little")
    source_len = int.from_bytes(read(8), "little")
    name = os.fsdecode(read(name_len))
    source = read(source_len)
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=OPTIMIZE)
        status, data = b"\0", marshal.dumps(code)
    except BaseException as error:
        text = "%s: %s" % (type(error).__name__, error)
        status, data = b"\1", text[:1000].encode("utf-8", "backslashreplace")
    write(status + len(data).to_bytes(8, "little") + data)


if sys.platform.startswith("linux") and sys.argv[2] != "restarted":
    restart_at_fixed_addresses()
OPTIMIZE = int(sys.argv[1])
if not hasattr(os, "fork"):
    import msvcrt

    msvcrt.setmode(0, os.O_BINARY)
    msvcrt.setmode(1, os.O_BINARY)
    write(b"S")
    serve()
    os._exit(0)
write(b"F")
while True:
    child = os.fork()
    if child == 0:
        serve()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == END << 8:
        os._exit(0)
    if status:
        # The child died over a source. Who asked sees that this process ends, and starts another one.
        os._exit(status & 0x7F | 0x80 if status & 0x7F else status >> 8)
