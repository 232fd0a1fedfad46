"""Opening, closing, and an archive as a mapping."""

import collections.abc
import gc
import os
import pathlib
import struct
import sys
from importlib.util import MAGIC_NUMBER
from types import CodeType

import archive_file
import permacode
import pytest

def changed(archive, folder, change):
    """A copy of an archive that `change` was done to."""
    data = bytearray(archive.read_bytes())
    change(data)
    path = folder / "changed.perma"
    path.write_bytes(data)
    return path


def run(code):
    """What a module has when it ran."""
    space = {"__name__": "ran", "__file__": __file__}
    exec(code, space)
    return space


def refusal(path):
    """What is said of an archive that is refused; whoever catches it learns the path, too."""
    with pytest.raises(ImportError) as caught:
        permacode.open(path)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_mapping_of_names_to_code(tree, archive):
    assert set(archive) == set(archive.keys()) == set(tree.files)
    assert len(archive) == len(tree.files)
    assert all(name in archive for name in tree.files)
    assert {name: type(archive[name]) for name in archive} == dict.fromkeys(tree.files, CodeType)
    assert dict(archive).keys() == tree.files.keys()


def test_it_is_a_mapping(tree, archive, child):
    assert isinstance(archive, collections.abc.Mapping) and issubclass(permacode.Archive, collections.abc.Mapping)
    assert not isinstance(archive, (collections.abc.MutableMapping, collections.abc.Sequence))
    names = sorted(tree.files)
    keys, values, items = archive.keys(), archive.values(), archive.items()
    assert isinstance(keys, collections.abc.KeysView) and list(keys) == names and keys & {"package", "absent"} == {"package"}
    assert isinstance(values, collections.abc.ValuesView) and len(values) == len(names)
    assert [type(code) for code in values] == [CodeType] * len(names)
    assert isinstance(items, collections.abc.ItemsView) and [name for name, _ in items] == names
    assert ("package", archive["package"]) in items and ("package", None) not in items
    assert dict(archive) == dict(items) == {**archive} == dict(zip(names, values))
    with pytest.raises(TypeError):
        reversed(archive)
    # Without `site` nothing has imported that class before an archive is opened.
    script = """
import sys
sys.path.append(sys.argv[2])
import permacode
with permacode.open(sys.argv[1]) as archive:
    from collections.abc import Mapping
    print(isinstance(archive, Mapping))
"""
    folder = pathlib.Path(permacode.__file__).parent.parent
    assert child(script, tree.archive, folder, flags=["-I", "-S"]) == "True\n"


def test_get(archive):
    assert archive.get("package") == archive["package"]
    assert archive.get("package", 7) == archive["package"]
    assert archive.get("absent") is None
    for absent in ["absent", "space", "\ud800", None, [], 1]:
        assert archive.get(absent, 7) == 7


@pytest.mark.skipif(sys.version_info < (3, 10), reason="match is of 3.10")
def test_it_is_matched(archive):
    space = {"archive": archive}
    script = """
match archive:
    case {"absent": _}:
        found = "absent"
    case {"package": code, "package.nested": nested, **others}:
        found = code.co_name, nested.co_name, "package" in others, len(others)
"""
    exec(script, space)
    assert space["found"] == ("<module>", "<module>", False, len(archive) - 2)


def test_it_is_equal_to_itself_alone(tree, archive):
    with permacode.open(tree.archive) as other:
        assert archive == archive and archive != other and archive != dict(archive)
        assert len({archive, other, archive}) == 2


def test_it_is_iterated_in_order_of_names_and_more_than_once(archive):
    assert list(archive) == sorted(archive) == list(archive)


@pytest.mark.parametrize("name", ["absent", "package.absent", "package.", ".package", "", "pack", "package\0", "\ud800", "ä"])
def test_a_name_that_is_absent(archive, name):
    assert name not in archive
    with pytest.raises(KeyError) as caught:
        archive[name]
    assert caught.value.args == (name,)
    with pytest.raises(ImportError) as caught:
        archive.code(name)
    assert isinstance(caught.value, ModuleNotFoundError)
    assert caught.value.name == name


@pytest.mark.parametrize("key", [None, 1, b"package", ("package",), CodeType])
def test_what_is_no_name_is_not_in_it(archive, key):
    assert key not in archive
    with pytest.raises(KeyError):
        archive[key]
    assert archive.get(key) is None
    with pytest.raises(TypeError):
        archive.code(key)


def test_a_namespace_package_has_no_code(archive):
    assert "space" not in archive
    assert "space.inner" in archive
    with pytest.raises(ImportError, match="space"):
        archive.code("space")


def test_it_cannot_be_changed(archive):
    with pytest.raises(TypeError):
        archive["package"] = compile("", "", "exec")
    with pytest.raises(TypeError):
        del archive["package"]
    with pytest.raises(AttributeError):
        archive.path = "elsewhere"
    with pytest.raises(TypeError):
        permacode.Archive()


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_every_kind_of_path(tree, kind):
    with permacode.open(kind(tree.archive)) as archive:
        assert "package" in archive


def test_the_path_is_absolute(tree, monkeypatch):
    monkeypatch.chdir(tree.archive.parent)
    with permacode.open(tree.archive.name) as archive:
        monkeypatch.chdir("/")
        assert archive.path == str(tree.archive)
        assert "package" in archive
        assert str(tree.archive) in repr(archive)


def test_a_path_that_is_no_text(tree, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff.perma")
    try:
        with open(path, "wb") as file:
            file.write(tree.archive.read_bytes())
    except OSError as error:
        pytest.skip(f"the file system has no such names: {error}")
    with permacode.open(os.fsdecode(path)) as archive:
        assert "package" in archive
        assert os.fsencode(archive.path) == path
        repr(archive)


def test_closed(tree):
    archive = permacode.open(tree.archive)
    code = archive["package.nested"]
    assert "closed" not in repr(archive)
    archive.close()
    archive.close()
    assert "closed" in repr(archive)
    uses = [
        lambda: archive["package"],
        lambda: archive.code("package"),
        lambda: "package" in archive,
        lambda: len(archive),
        lambda: iter(archive),
        lambda: archive.keys(),
        lambda: archive.values(),
        lambda: archive.items(),
        lambda: archive.get("package"),
        lambda: archive.get(1),
        lambda: archive.target,
        lambda: archive.__enter__(),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="closed") as caught:
            use()
        assert str(tree.archive) in str(caught.value)
    # What was made stays: nothing of it lies in the file.
    gc.collect()
    assert code.co_consts[0].startswith("Functions in functions")
    assert list(run(code)["generator"](3)) == [0, 1, 2]


def test_a_context_manager(tree):
    with permacode.open(tree.archive) as archive:
        assert isinstance(archive, permacode.Archive)
    with pytest.raises(ValueError, match="closed"):
        archive["package"]
    with pytest.raises(ZeroDivisionError):
        with permacode.open(tree.archive) as archive:
            1 / 0
    with pytest.raises(ValueError, match="closed"):
        archive["package"]


def test_code_outlives_an_archive_that_nobody_closed(tree):
    code = permacode.open(tree.archive).code("package.nested")
    gc.collect()
    assert list(run(code)["generator"](3)) == [0, 1, 2]


def test_two_archives_of_one_file_are_apart(tree):
    with permacode.open(tree.archive) as first, permacode.open(tree.archive) as second:
        first.close()
        assert second["package"].co_name == "<module>"


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        permacode.open(tmp_path / "absent.perma")
    assert caught.value.filename == str(tmp_path / "absent.perma")
    # Python has the number in front: the text has none.
    assert caught.value.strerror == os.strerror(caught.value.errno)


def test_a_folder(tmp_path):
    with pytest.raises(OSError) as caught:
        permacode.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="who may read everything is refused nothing")
def test_not_allowed(tree, tmp_path):
    path = changed(tree.archive, tmp_path, lambda data: None)
    path.chmod(0)
    with pytest.raises(PermissionError):
        permacode.open(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", archive_file.MAGIC, b"PK\x03\x04" + bytes(5000), b"not an archive, but some text " * 400]
)
def test_no_archive(tmp_path, content):
    path = tmp_path / "other.perma"
    path.write_bytes(content)
    refusal(path)


def test_truncated(tree, tmp_path):
    whole = tree.archive.read_bytes()
    path = tmp_path / "truncated.perma"
    for length in [0, 7, 8, 31, 32, 63, 64, *range(65, len(whole), 509), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refusal(path)
    path.write_bytes(whole)
    permacode.open(path).close()


def test_longer_than_it_says(tree, tmp_path):
    refusal(changed(tree.archive, tmp_path, lambda data: data.append(0)))


def test_another_version_of_the_format(tree, tmp_path):
    text = refusal(changed(tree.archive, tmp_path, lambda data: archive_file.set_format_version(data, 9876)))
    assert "9876" in text
    assert "version" in text


def test_another_python(tree, tmp_path):
    text = refusal(changed(tree.archive, tmp_path, lambda data: archive_file.set_bytecode_magic(data, 0x0A0D1234)))
    # What it is for, and what this is.
    assert str(0x1234) in text
    assert str(int.from_bytes(MAGIC_NUMBER[:2], "little")) in text
    assert ".".join(map(str, sys.version_info[:3])) in text


#: Places in spec.md 5.3.
VM_VERSION, OPTIMIZATION = 0x14, 0x18


def set_in_target(field, value):
    def change(data):
        (offset,) = [offset for _, kind, offset, _, _ in archive_file.sections(data) if kind == archive_file.TARGETS]
        data[offset + field : offset + field + len(value)] = value
        archive_file.repair(data)

    return change


OTHERS = {
    "release": set_in_target(VM_VERSION, struct.pack("<I", sys.hexversion ^ 0x0100)),
    "level": set_in_target(OPTIMIZATION, bytes([1 - min(sys.flags.optimize, 1)])),
}


@pytest.mark.parametrize("other", list(OTHERS))
def test_another_release_or_level_only_if_it_is_asked_for(tree, tmp_path, other):
    path = changed(tree.archive, tmp_path, OTHERS[other])
    assert "exact=False" in refusal(path)
    with permacode.open(path, exact=False) as archive:
        assert archive["package"].co_name == "<module>"
        this = "cpython %d.%d.%d (" % sys.version_info[:3]
        assert archive.target.startswith(this) == (other == "level")
        assert f"level {sys.flags.optimize})" in archive.target or other == "level"
    with permacode.open(tree.archive) as archive:
        assert archive.target.startswith(this) and archive.target.endswith(f"level {sys.flags.optimize})")
    with pytest.raises(TypeError):
        permacode.open(path, False)


def test_damaged_where_it_is_opened(tree, tmp_path):
    def spoil(data):
        data[archive_file.HEADER_LEN + archive_file.ENTRY_CRC] ^= 1

    text = refusal(changed(tree.archive, tmp_path, spoil))
    assert "0x" in text, "no offset"


def test_replaced_while_open(tree, tmp_path):
    path = tmp_path / "replaced.perma"
    path.write_bytes(tree.archive.read_bytes())
    with permacode.open(path) as archive:
        other = tmp_path / "new.perma"
        other.write_bytes(b"another file")
        os.replace(other, path)
        assert list(run(archive["package.nested"])["generator"](3)) == [0, 1, 2]
    refusal(path)
