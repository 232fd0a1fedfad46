"""Images: finished code objects in a file beside the archive."""

import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

import permacode
import permacode.image
import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(permacode, "_build_image"), reason="this build of CPython has no images"
)

TOOLS = pathlib.Path(__file__).parent.parent.parent / "xtask" / "python" / "comparison"

#: The header of an image (image/src/file.rs): offsets of its CRC, of its address and of the length of the fingerprint,
#: and its length.
CRC, BASE, FINGERPRINT_LEN, HEADER_LEN = 12, 24, 32, 128


class Imaged:
    """An archive with an image beside it."""

    def __init__(self, archive, roots):
        self.archive, self.roots = archive, roots
        self.built = permacode.image.build(archive, roots=roots)
        self.image = pathlib.Path(self.built["path"])

    def copy(self, folder):
        """The two files in another folder."""
        for file in (self.archive, self.image):
            shutil.copy2(file, folder / file.name)
        return folder / self.archive.name, folder / self.image.name


@pytest.fixture(scope="session")
def imaged(bundle, tree):
    return Imaged(bundle(f"app={tree.folder}", "--sealed"), {"app": str(tree.folder)})


@pytest.fixture(scope="session")
def library_image(bundle):
    archive = bundle("--no-resources", "--sealed", "--exclude", "test", "--exclude", "**/tests", "--exclude", "**/test")
    return Imaged(archive, None)


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


def test_every_module_is_in_it(imaged, library_image, archive):
    assert imaged.built["left_out"] == library_image.built["left_out"] == []
    assert imaged.built["modules"] == len(archive)
    assert imaged.built["bytes"] == imaged.image.stat().st_size
    assert imaged.image.stat().st_mode & 0o7777 == 0o444


def test_it_is_not_used_from_elsewhere(imaged, child, tree):
    """A file name is part of a code object, so another folder needs other code objects."""
    script = """
import permacode, sys
with permacode.open(sys.argv[1]) as archive:
    assert archive.method == "image", archive.method
    here, elsewhere = archive.code("package", sys.argv[2]), archive.code("package", "/elsewhere")
    assert here is archive.code("package", sys.argv[2])
    assert elsewhere is not here and elsewhere.co_filename == "/elsewhere/package/__init__.py"
    print(here.co_filename)
"""
    printed = child(script, imaged.archive, tree.folder)
    assert printed.strip() == str(tree.folder / "package" / "__init__.py")


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_code_objects_equal_those_of_the_compiler(imaged, child, tree, seed):
    """Every attribute, all instructions before their first run, every field of the C structure, hashes."""
    script = """
import json, marshal, sys
request = json.loads(sys.argv[1])
sys.path += request["tools"]
import equal, permacode
found = {}
with permacode.open(request["archive"]) as archive:
    assert archive.method == "image"
    for name, path in request["files"].items():
        with open(path, "rb") as file:
            data = marshal.dumps(compile(file.read(), path, "exec", dont_inherit=True))
        code = lambda: archive.code(name, request["roots"])
        differences, objects = equal.compare_made(data, code, image=True)
        assert objects > 0, name
        if differences:
            found[name] = differences
print(json.dumps(found))
"""
    files = {name: str(path) for name, path in tree.files.items()}
    request = {"archive": str(imaged.archive), "files": files, "roots": imaged.roots, "tools": [str(TOOLS)]}
    found = json.loads(child(script, json.dumps(request), flags=["-W", "ignore"], env={"PYTHONHASHSEED": seed}))
    if seed != "0":
        # The compiler wrote the members of sets in the order of another seed.
        found = {name: [line for line in lines if "frozenset" not in str(line)] for name, lines in found.items()}
        found = {name: lines for name, lines in found.items() if lines}
    assert found == {}


def test_a_second_build_gives_the_same_bytes(imaged, library_image, child, tmp_path):
    script = """
import json, sys
archive, output, roots, early = sys.argv[1:]
exec(early)
import permacode.image
permacode.image.build(archive, output, roots=json.loads(roots))
"""
    # The compiler interns static strings of its own, unless strings with the same texts are interned already.
    names = [".defaults", ".kwdefaults", ".type_params", ".generic_base"]
    interned = f"kept = [sys.intern(''.join(name)) for name in {[list(name) for name in names]}]"
    compiled = "class C[T]: pass\ndef f[T](a=1, *, b=1): pass"
    for of in (imaged, library_image):
        for seed, early in enumerate(["", interned, compiled, "import asyncio, http.client"]):
            output = tmp_path / str(seed)
            child(script, of.archive, output, json.dumps(of.roots), early, env={"PYTHONHASHSEED": str(seed)})
            # A comparison of the bytes would print all of them.
            assert hashlib.sha256(output.read_bytes()).digest() == hashlib.sha256(of.image.read_bytes()).digest()


def test_the_command(imaged, library_image, tmp_path):
    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-I", "-m", "permacode.image", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        return done.returncode, done.stdout, done.stderr

    output = tmp_path / "image"
    status, printed, errors = command(library_image.archive, "--output", output)
    assert (status, errors) == (0, "") and str(output) in printed
    assert command(library_image.archive, "--output", output, "--verify") == (0, "", "")
    damaged = bytearray(output.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    output.unlink()
    output.write_bytes(damaged)
    status, _, errors = command(library_image.archive, "--output", output, "--verify")
    assert status == 1 and f"offset {len(damaged) // 2:#x}" in errors
    status, _, errors = command(tmp_path / "absent.perma")
    assert status == 2 and "absent.perma" in errors


#: Prints for each of several images why it is not used.
WHY = """
import json, sys
import permacode
request = json.loads(sys.argv[1])
reasons = []
for archive in request["archives"]:
    permacode.install(archive, strict=True, roots=request["roots"])
    status = permacode.status()
    if (status["method"] == "image") != (status["image"]["reason"] is None):
        sys.exit(str(status))
    reasons.append(status["image"]["reason"])
    permacode.uninstall()
print(json.dumps(reasons))
"""


@pytest.fixture
def reason(child, imaged):
    """Why the image beside an archive is not used."""

    def reason(archive, **keywords):
        request = {"archives": [str(archive)], "roots": imaged.roots}
        return json.loads(child(WHY, json.dumps(request), **keywords))[0]

    return reason


def with_crc(image):
    """Corrects the CRC of the header, so that another check must find the damage."""
    length = struct.unpack_from("=I", image, FINGERPRINT_LEN)[0]
    struct.pack_into("=I", image, CRC, 0)
    struct.pack_into("=I", image, CRC, zlib.crc32(image[:HEADER_LEN + length]))
    return image


def test_each_byte_of_the_fingerprint(imaged, child, tmp_path):
    """An image whose fingerprint differs in one byte is refused, and the reason names the fact."""
    original = imaged.image.read_bytes()
    assert with_crc(bytearray(original)) == original
    length = struct.unpack_from("=I", original, FINGERPRINT_LEN)[0]
    lines = original[HEADER_LEN:HEADER_LEN + length].decode().splitlines(keepends=True)
    facts = [line.partition(":")[0] for line in lines for _ in line]
    archives = []
    for index in range(length):
        folder = tmp_path / str(index)
        folder.mkdir()
        archive, image = folder / imaged.archive.name, folder / imaged.image.name
        os.link(imaged.archive, archive)
        changed = bytearray(original)
        changed[HEADER_LEN + index] ^= 1
        image.write_bytes(with_crc(changed))
        archives.append(str(archive))
    reasons = json.loads(child(WHY, json.dumps({"archives": archives, "roots": imaged.roots})))
    assert len(reasons) == length > 400
    for index, reason in enumerate(reasons):
        is_in_line = facts[index] in reason or "the image was made for" in reason or "lines" in reason
        assert reason is not None and is_in_line, (index, reason)


def test_damage_of_the_header(imaged, child, tmp_path):
    original = imaged.image.read_bytes()
    archives = []
    for index in range(HEADER_LEN):
        folder = tmp_path / str(index)
        folder.mkdir()
        archive, image = folder / imaged.archive.name, folder / imaged.image.name
        os.link(imaged.archive, archive)
        changed = bytearray(original)
        changed[index] ^= 0x80
        image.write_bytes(changed)
        archives.append(str(archive))
    reasons = json.loads(child(WHY, json.dumps({"archives": archives, "roots": imaged.roots})))
    assert None not in reasons
    assert sum("checksum" in reason for reason in reasons) > 80


@pytest.mark.parametrize("length", [0, 50, HEADER_LEN, 200, 4096, 10000, -1])
def test_a_truncated_image(imaged, reason, tmp_path, length):
    archive, image = imaged.copy(tmp_path)
    image.chmod(0o644)
    os.truncate(image, length if length >= 0 else image.stat().st_size - 1)
    assert "too short" in reason(archive) or "bytes" in reason(archive)


def test_an_image_that_is_longer(imaged, reason, tmp_path):
    archive, image = imaged.copy(tmp_path)
    image.chmod(0o644)
    with image.open("ab") as file:
        file.write(b"\0")
    assert "its header states" in reason(archive)


def test_no_image(imaged, reason, tmp_path):
    archive, image = imaged.copy(tmp_path)
    assert reason(archive) is None
    image.unlink()
    assert image.name in reason(archive) and "python -m permacode.image" in reason(archive)


def test_images_of_other_interpreters(imaged, reason, tmp_path):
    """After an update of the interpreter, the old image is still there."""
    archive, image = imaged.copy(tmp_path)
    changed = bytearray(image.read_bytes())
    version = changed.index(b"interpreter: 3.") + len("interpreter: 3.")
    changed[version:version + 2] = b"99"
    image.unlink()
    image.with_name(image.name[:-4] + "beef").write_bytes(changed)
    found = reason(archive)
    assert f"there is no image {image}" in found
    assert 'beef: the image was made for "interpreter: 3.99' in found
    assert f'this process has "interpreter: 3.{sys.version_info.minor}' in found


def test_the_image_of_another_archive(imaged, library_image, reason, tmp_path):
    archive, image = imaged.copy(tmp_path)
    image.unlink()
    shutil.copy2(library_image.image, image)
    assert "archive: " in reason(archive) or "lines" in reason(archive)


@pytest.mark.parametrize("mode", [0o464, 0o446, 0o666])
def test_an_image_that_others_can_write_to(imaged, reason, tmp_path, mode):
    archive, image = imaged.copy(tmp_path)
    image.chmod(mode)
    assert f"its mode is {mode:o}" in reason(archive)


def test_a_folder_that_others_can_write_to(imaged, reason, tmp_path):
    archive, _ = imaged.copy(tmp_path)
    tmp_path.chmod(0o777)
    assert "folder" in reason(archive)
    # Nobody can replace files of others there.
    tmp_path.chmod(0o1777)
    assert reason(archive) is None
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_image_of_another_user(imaged, reason, tmp_path):
    archive, image = imaged.copy(tmp_path)
    os.chown(image, 12345, -1)
    assert "12345" in reason(archive)
    os.chown(image, 0, -1)
    os.chown(tmp_path, 12345, -1)
    assert "12345" in reason(archive)
    os.chown(tmp_path, 0, -1)


def test_a_link_is_not_followed(imaged, reason, tmp_path):
    archive, image = imaged.copy(tmp_path)
    image.rename(tmp_path / "real")
    image.symlink_to(tmp_path / "real")
    assert reason(archive)


def test_an_address_that_is_taken(imaged, child):
    base = struct.unpack_from("=Q", imaged.image.read_bytes(), BASE)[0]
    script = f"base = {base}" + """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
# PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
taken = libc.mmap(base + 4096, 4096, 3, 0x2 | 0x20 | 0x100000, -1, 0)
assert taken == base + 4096, taken
ctypes.memset(taken, 7, 4096)
""" + WHY + """
assert ctypes.string_at(taken, 4096) == b"\\7" * 4096
"""
    reasons = json.loads(child(script, json.dumps({"archives": [str(imaged.archive)], "roots": imaged.roots})))
    assert f"cannot be mapped at {base:#x}" in reasons[0]


@pytest.mark.parametrize("flags, env", [(["-X", "no_debug_ranges"], {}), ([], {"PYTHONNODEBUGRANGES": "1"})])
def test_without_columns(reason, imaged, flags, env):
    assert "no_debug_ranges" in reason(imaged.archive, flags=flags, env=env)


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_another_optimisation_level(bundle, tree, reason, flag):
    """An archive of another level has an image of its own."""
    archive = bundle(f"app={tree.folder}", "--optimize", str(flag.count("O")))
    assert "there is no image" in reason(archive, flags=[flag])


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
