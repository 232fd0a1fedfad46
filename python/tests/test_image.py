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
    assert "the image is a link" in reason(archive)


def test_a_pipe_is_not_waited_for(imaged, child, tmp_path):
    """Another user may put one into a folder that all may write to."""
    archive, image = imaged.copy(tmp_path)
    image.unlink()
    os.mkfifo(image)
    os.mkfifo(image.with_name(image.name[:-1] + "g"))
    os.mkfifo(archive.with_name(f"{archive.name}.stamps-{sys.implementation.cache_tag}"))
    reasons = json.loads(child(WHY, json.dumps({"archives": [str(archive)], "roots": imaged.roots}), timeout=60))
    assert "the image is not a regular file" in reasons[0]


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
