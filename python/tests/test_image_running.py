"""Programs that run code objects of images: several images, flags, forks, threads, tracing and memory."""

import json
import pathlib
import struct

import permacode
import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(permacode, "_build_image"), reason="this build of CPython has no images"
)

TOOLS = pathlib.Path(__file__).parent.parent.parent / "xtask" / "python" / "comparison"

#: The header of an image (image/src/file.rs): offsets of its address and of its huge page, and its length.
BASE, HUGE_PAGE, HEADER_LEN = 24, 124, 128

#: The beginning of scripts: an installed archive that has its code objects from an image.
INSTALL = """
import json, sys
import permacode
request = json.loads(sys.argv[1])
sys.path[:0] = request["path"]
assert permacode.install(request["archive"], strict=True, roots=request["roots"])
assert permacode.status()["method"] == "image", permacode.status()
"""


@pytest.fixture
def run(child, imaged, tree):
    """Runs a script after `INSTALL`, and gives what it printed."""

    def run(script, of=None, flags=(), env=None, **request):
        of = of or imaged
        request = {"archive": str(of.archive), "roots": of.roots, "path": [str(tree.folder)], **request}
        return child(INSTALL + script, json.dumps(request), flags=flags, env=env)

    return run


def test_it_is_used(run):
    printed = run(
        "import package.nested\n"
        "status = permacode.status()['image']\n"
        "print(status['path'], status['reason'], permacode.stats()['hits'])"
    )
    path, reason, hits = printed.split()
    assert ".perma.image-" in path and reason == "None" and int(hits) >= 2


#: The beginning of scripts: two open archives, each with its image, and the code objects of all their modules.
TWO_IMAGES = """
import gc, json, marshal, sys
import permacode
request = json.loads(sys.argv[1])
first, second = map(permacode.open, request["archives"])
assert (first.method, second.method) == ("image", "image")
def codes(archive, base):
    todo = [archive.code(name, base) for name in archive]
    while todo:
        yield todo[-1]
        todo += [constant for constant in todo.pop().co_consts if isinstance(constant, type(codes.__code__))]
"""


@pytest.fixture
def run_two(imaged, library_image, child, tree):
    def run(script, **request):
        archives = [str(library_image.archive), str(imaged.archive)]
        request = {"archives": archives, "folder": str(tree.folder), **request}
        return child(TWO_IMAGES + script, json.dumps(request))

    return run


def test_two_images_in_one_process(run_two):
    run_two("""
library, tree = list(codes(first, None)), list(codes(second, request["folder"]))
assert len(library) > 5000 and len(tree) > 20
# Each archive has one image, however often it is opened.
again = permacode.open(request["archives"][1])
assert again.method == "image" and again.code("lines", request["folder"]) is second.code("lines", request["folder"])
# A name for which the interpreter has a string is that string in both images.
def names(codes):
    return {name: name for code in codes for name in code.co_names + code.co_varnames}
library, tree = names(library), names(tree)
interned = {name for name in library if sys.intern(name.encode().decode()) is library[name]}
shared = interned & tree.keys()
assert len(shared) > 5, shared
assert all(library[name] is tree[name] for name in shared)
""")


def test_images_in_one_process_equal_those_of_others(run_two, tree):
    """The second image has the code objects of the compiler, and closing the first archive changes nothing."""
    files = {name: str(path) for name, path in tree.files.items()}
    printed = run_two("""
sys.path += request["tools"]
import equal
kept = first.code("json.decoder")
first.close()
gc.collect()
found = {}
for name, path in request["files"].items():
    with open(path, "rb") as file:
        data = marshal.dumps(compile(file.read(), path, "exec", dont_inherit=True))
    differences, objects = equal.compare_made(data, lambda: second.code(name, request["folder"]), image=True)
    assert objects > 0, name
    found[name] = [line for line in map(str, differences) if "frozenset" not in line]
assert any(found) and not any(found.values()), found
assert permacode.open(request["archives"][0]).code("json.decoder") is kept
""", files=files, tools=[str(TOOLS)])
    assert printed == ""


def test_layers_have_an_image_each(imaged, library_image, child, tree):
    """Imports, reloads of one while the other lives, random hashes and the end of the interpreter."""
    script = """
import gc, importlib, json, sys
import permacode
request = json.loads(sys.argv[1])
sys.path.insert(0, request["folder"])
permacode.install(request["library"], strict=True)
permacode.install(request["tree"], strict=True, roots={"app": request["folder"]})
assert [layer["method"] for layer in permacode.status()["layers"]] == ["image", "image"]
paths = [layer["image"]["path"] for layer in permacode.status()["layers"]]
assert len(set(paths)) == 2 and all(layer["image"]["reason"] is None for layer in permacode.status()["layers"])
import asyncio, argparse, dataclasses, decimal, email.message, http.client, logging, typing, unittest
import package.nested, lines, constants
hits = permacode.stats()["hits"]
assert hits > 100
code = lines.__loader__.get_code("lines")
for _ in range(20):
    assert importlib.reload(lines).__loader__.get_code("lines") is code
    assert importlib.reload(json.decoder).JSONDecoder().decode("[1]") == [1]
assert permacode.uninstall(request["library"])
gc.collect()
# The code objects of an archive that is gone run on, and those of the other are still there.
async def five():
    await asyncio.sleep(0)
    return 5
assert asyncio.run(five()) == 5 and json.loads('{"a": [1, 2.5]}') == {"a": [1, 2.5]}
assert importlib.reload(lines).__loader__.get_code("lines") is code
assert permacode.status()["image"]["path"] == paths[0]
permacode.install(request["library"], strict=True)
assert permacode.status()["image"]["path"] == paths[1]
import xml.etree.ElementTree
"""
    request = {"library": str(library_image.archive), "tree": str(imaged.archive), "folder": str(tree.folder)}
    for seed in ("0", "1", "random"):
        child(script, json.dumps(request), env={"PYTHONHASHSEED": seed})


def test_an_image_that_is_replaced_while_it_is_in_use(run, imaged, tmp_path):
    archive, image = imaged.copy(tmp_path)
    run(
        """
import os
import lines
os.unlink(request["image"])
with open(request["image"], "wb") as file:
    file.write(b"other")
import package.nested, constants, names
assert package.nested.__loader__.__class__.__name__ == "PermacodeLoader"
""",
        archive=str(archive),
        image=str(image),
    )


def test_code_objects_outlive_the_archive(imaged, child, tree):
    script = """
import gc, permacode, sys
archive = permacode.open(sys.argv[1])
code = archive.code("package.nested", sys.argv[2])
archive.close()
del archive
gc.collect()
exec(code, {"__name__": "package.nested", "__package__": "package"})
assert list(code.co_lines()) and hash(code)
"""
    child(script, imaged.archive, tree.folder, env={"PYTHONPATH": str(tree.folder)})


def test_the_whole_library_runs(run, library_image):
    """Imports, finalisation with all names, and a random seed."""
    script = """
import asyncio, argparse, dataclasses, decimal, email.message, enum, http.client, json, logging, typing, unittest
import inspect, traceback, xml.etree.ElementTree
assert permacode.stats()["hits"] > 100
async def five():
    await asyncio.sleep(0)
    return 5
assert asyncio.run(five()) == 5
assert decimal.Decimal("1.5").quantize(decimal.Decimal(1), decimal.ROUND_HALF_EVEN) == 2
assert "def loads" in inspect.getsource(json.loads)
assert inspect.signature(json.dumps).parameters["indent"].default is None
try:
    json.loads("{")
except ValueError:
    assert "decoder.py" in traceback.format_exc()
"""
    for seed in ("0", "1", "2", "random"):
        run(script, of=library_image, env={"PYTHONHASHSEED": seed})


@pytest.mark.parametrize(
    "flags",
    [["-X", "importtime"], ["-X", "dev"], ["-X", "tracemalloc"], ["-v"], ["-I"], ["-X", "frozen_modules=off"]],
    ids=" ".join,
)
def test_flags(run, library_image, flags):
    run("import asyncio, json\nassert json.loads('[1]') == [1]", of=library_image, flags=flags)


def test_after_a_fork(run, library_image):
    run(
        """
import os, gc
import hashlib
import json
process = os.fork()
if process == 0:
    import asyncio, argparse
    gc.collect()
    os._exit(0 if json.loads("[1]") == [1] and asyncio.run(asyncio.sleep(0, 7)) == 7 else 1)
import email.message
assert os.waitpid(process, 0)[1] == 0
""",
        of=library_image,
    )


def test_threads(run, library_image):
    run(
        """
import importlib, threading
names = ["json", "asyncio", "argparse", "email.message", "http.client", "logging", "unittest", "typing"]
failed = []
def load(order):
    try:
        for name in order:
            importlib.import_module(name)
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=load, args=(names[n:] + names[:n],)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
""",
        of=library_image,
    )


def test_tracing_and_monitoring(run, library_image):
    run(
        """
import json, json.scanner
lines = []
def trace(frame, event, argument):
    if frame.f_code.co_filename.endswith("decoder.py"):
        lines.append((event, frame.f_lineno))
    return trace
sys.settrace(trace)
json.loads("[1, 2]")
sys.settrace(None)
assert {event for event, _ in lines} >= {"call", "line", "return"}, lines
monitoring, events = sys.monitoring, []
monitoring.use_tool_id(3, "test")
monitoring.register_callback(3, monitoring.events.PY_START, lambda code, offset: events.append(code.co_qualname))
monitoring.register_callback(3, monitoring.events.LINE, lambda code, line: events.append(line))
monitoring.set_events(3, monitoring.events.PY_START)
monitoring.set_local_events(3, json.JSONDecoder.raw_decode.__code__, monitoring.events.LINE)
json.loads("[1, 2]")
monitoring.set_events(3, 0)
monitoring.free_tool_id(3)
assert "JSONDecoder.raw_decode" in events and any(isinstance(event, int) for event in events), events
assert json.loads("[1, 2]") == [1, 2]
""",
        of=library_image,
    )


def test_replaced_and_referenced_code(run, library_image):
    run(
        """
import gc, json, marshal, pickle, textwrap, types, weakref
code = textwrap.dedent.__code__
replaced = code.replace(co_name="other", co_firstlineno=7)
assert (replaced.co_name, replaced.co_firstlineno) == ("other", 7) and replaced.co_code == code.co_code
assert types.FunctionType(replaced, textwrap.dedent.__globals__)("  a\\n  b") == "a\\nb"
seen = []
reference = weakref.ref(code, seen.append)
assert reference() is code
weakref.finalize(code, print, "finalised")
assert marshal.loads(marshal.dumps(code)) == code
def other(text):
    return "other " + text
textwrap.dedent.__code__ = other.__code__
assert textwrap.dedent("x") == "other x"
textwrap.dedent.__code__ = code
assert textwrap.dedent("  x") == "x"
gc.collect()
assert reference() is code and not seen
assert {code: 1}[code] == 1
""",
        of=library_image,
    )


def test_a_watcher_of_code_objects(run):
    """A program that watches code objects sees all of them, so they are made one by one."""
    run(
        """
try:
    import _testcapi
    watcher = _testcapi.add_code_watcher(0)
except (ImportError, AttributeError):
    sys.exit()
import package.nested
created = _testcapi.get_code_watcher_num_created_events(watcher)
_testcapi.clear_code_watcher(watcher)
assert created > 5, created
"""
    )


def test_strings_are_truthfully_interned(run, library_image):
    """What sys.intern returns for a name of the image is the one string that is interned with its text."""
    run(
        """
import inspect, asyncio.base_events
def names(code):
    yield from code.co_names
    yield from code.co_varnames
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from names(constant)
for module in (inspect, asyncio.base_events):
    found = set(names(module.__loader__.get_code(module.__name__)))
    assert len(found) > 500
    for name in found:
        assert sys.intern(name) is sys.intern(name.encode().decode()), name
""",
        of=library_image,
    )


def test_many_opens(imaged, child, tree):
    """The image is mapped once, and what `open` makes is freed."""
    child(
        """
import gc, permacode, sys
def private():
    with open("/proc/self/status") as file:
        return int(next(line.split()[1] for line in file if line.startswith("RssAnon")))
def many(count):
    for _ in range(count):
        with permacode.open(sys.argv[1]) as archive:
            assert archive.method == "image" and archive.code("lines", sys.argv[2]).co_name == "<module>"
    gc.collect()
    return private()
before = many(500)
assert many(10_000) - before < 512
""",
        imaged.archive,
        tree.folder,
    )


def test_reloads(run):
    run(
        """
import gc, importlib, lines
def private():
    with open("/proc/self/status") as file:
        return int(next(line.split()[1] for line in file if line.startswith("RssAnon")))
for _ in range(200):
    importlib.reload(lines)
gc.collect()
before = private()
for _ in range(1000):
    importlib.reload(lines)
gc.collect()
assert private() - before < 512, (before, private())
"""
    )


#: The beginning of scripts: whether the system gives huge pages, and whether a part of the image lies in one.
HUGE = '''
import mmap
def huge_pages(start=0, end=1 << 64):
    """How many kB of the memory between two addresses lie in huge pages."""
    found = 0
    with open("/proc/self/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0]:
                is_counted = start <= int(words[0].partition("-")[0], 16) < end
            elif words[0] == "AnonHugePages:" and is_counted:
                found += int(words[1])
    return found
def has_huge_page():
    return huge_pages(*request["image"]) > 0
before = huge_pages()
with mmap.mmap(-1, 4 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
    memory.madvise(mmap.MADV_HUGEPAGE)
    memory[2 << 20] = 1
    expected = request["is_moving"] and huge_pages() > before
'''


def test_a_huge_page(run, library_image):
    """A part of the image moves to a huge page when a program first needs it, and never in a forked process."""
    header = library_image.image.read_bytes()[:HEADER_LEN]
    base, page = struct.unpack_from("=Q", header, BASE)[0], struct.unpack_from("=I", header, HUGE_PAGE)[0]
    assert page == 0 or page >= 384 and (base + page * 4096) % (2 << 20) == 0
    of_library = {"of": library_image, "is_moving": page > 0, "image": [base, base + library_image.built["bytes"]]}
    uses = "import asyncio, email.message, unittest\nassert asyncio.run(asyncio.sleep(0, 7)) == 7\n"
    run(HUGE + "import keyword\nassert not has_huge_page()", **of_library)
    run(HUGE + uses + "assert has_huge_page() == expected", **of_library)
    run(
        HUGE + f"""
import os
process = os.fork()
if process == 0:
    exec({uses!r})
    os._exit(has_huge_page())
assert os.waitpid(process, 0)[1] == 0
exec({uses!r})
assert has_huge_page() == expected
""",
        **of_library,
    )


@pytest.mark.parametrize("left", [3, 5, 7])
def test_few_mappings_are_left(run, library_image, left):
    """If the system refuses to move the part of the image, it stays where it is."""
    limit = int(pathlib.Path("/proc/sys/vm/max_map_count").read_text())
    if limit > 100_000:
        pytest.skip(f"the system allows {limit} mappings")
    script = """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
archive = permacode.open(request["archive"])
names = list(archive)
taken, protection = [], 0
while True:
    # The system joins neighbours with the same protection. MAP_PRIVATE | MAP_ANONYMOUS
    protection ^= 1
    start = libc.mmap(None, 4096, protection, 0x22, -1, 0)
    if start == ctypes.c_void_p(-1).value:
        break
    taken.append(start)
for _ in range(request["left"]):
    # The last ones lie at an end, so that no mapping is split.
    libc.munmap(taken.pop(), 4096)
kept = [archive.code(name) for name in names]
assert len(kept) > 500 and archive.method == "image"
while taken:
    libc.munmap(taken.pop(), 4096)
import asyncio, email.message
assert asyncio.run(asyncio.sleep(0, 7)) == 7
"""
    run(script, of=library_image, left=left)


def test_threads_read_a_part_of_the_image_while_it_moves(run, library_image):
    """Threads that run code of C without the interpreter lock see the memory before or after the move."""
    base = struct.unpack_from("=Q", library_image.image.read_bytes(), BASE)[0]
    script = """
import ctypes, threading
libc = ctypes.CDLL(None)
libc.memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
ended, counts = False, []
def read():
    copy = ctypes.create_string_buffer(4 << 20)
    while not ended:
        libc.memcpy(copy, request["base"], len(copy))
        counts.append(1)
threads = [threading.Thread(target=read) for _ in range(2)]
for thread in threads: thread.start()
with permacode.open(request["archive"]) as archive:
    assert all(archive.code(name) for name in archive)
ended = True
for thread in threads: thread.join()
assert counts
"""
    for _ in range(5):
        run(script, of=library_image, base=base)
