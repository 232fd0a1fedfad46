"""What `Archive.code` gives: the code object that the compiler made, in the folder that was asked for."""

import json
import os
import pathlib
import sys
import sysconfig
from types import CodeType

import permacode
import pytest

#: Without the interpreter's lock, code objects are made by way of marshal.
METHOD = "marshal" if sysconfig.get_config_var("Py_GIL_DISABLED") else "records"

#: The strict comparers of code are there.
TOOLS = pathlib.Path(__file__).parent.parent.parent / "xtask" / "python" / "comparison"

#: Compares modules with what the compiler makes of their files, recursively. It has a process of its own, because the
#: modules that were loaded before decide which strings are interned.
EQUAL = """
import json, marshal, sys
request = json.loads(sys.argv[1])
sys.path += request["tools"]
import equal, permacode
compared = {}
with permacode.open(request["archive"], exact=request["level"] < 0) as archive:
    for name, path in request["files"].items():
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True, optimize=request["level"])
        differences, objects = equal.compare_made(marshal.dumps(code), lambda: archive.code(name, request["base"]))
        assert objects > 0, name
        compared[name] = differences
print(json.dumps(compared))
"""


@pytest.fixture
def differences(child):
    """How modules of an archive and their files differ, by name; only of those that do."""

    def compare(archive, files, base=None, level=-1):
        files = {name: str(path) for name, path in files.items()}
        request = {"archive": str(archive), "files": files, "base": base, "level": level, "tools": [str(TOOLS)]}
        # The seed that archives are made with: it decides in which order the compiler writes the members of a set.
        compared = json.loads(child(EQUAL, json.dumps(request), flags=["-W", "ignore"], env={"PYTHONHASHSEED": "0"}))
        assert compared.keys() == files.keys()
        return {name: lines for name, lines in compared.items() if lines}

    return compare


def nested(code):
    """The code object and all those in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def constants(code):
    for each in nested(code):
        yield from each.co_consts


def test_the_way_that_code_objects_are_made(archive):
    """No build that the tests run on is unknown: a constructor that refuses to work is to be seen here."""
    assert archive.method == METHOD


def test_it_equals_what_the_compiler_made(tree, differences):
    assert differences(tree.archive, tree.files, str(tree.folder)) == {}


def test_a_difference_would_be_seen(tree, differences, tmp_path):
    other = {"lines": tmp_path / "lines.py"}
    other["lines"].write_text(tree.files["lines"].read_text().replace("FIRST = 1\n", "FIRST = 1\n\n"))
    found = differences(tree.archive, other, str(tmp_path))
    assert list(found) == ["lines"]
    # One line lower, and nothing else.
    path, _ = found["lines"][-1]
    assert path.endswith(".co_firstlineno"), found


def test_it_equals_the_library(library, differences):
    """A part of the library that has nearly everything; `cargo xtask` has a check of all of it."""
    folder = pathlib.Path(os.__file__).parent
    names = ["asyncio.base_events", "_pydecimal", "configparser", "mailbox", "optparse", "turtle", "xml.dom.minidom"]
    files = {name: folder.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    assert differences(library, files) == {}


def test_the_folder_of_this_interpreter(library):
    with permacode.open(library) as archive:
        for code in nested(archive["json.decoder"]):
            assert code.co_filename == json.decoder.__file__
        assert archive.code("json.decoder", None).co_filename == json.decoder.__file__
        assert archive.code("json.decoder", base="/elsewhere").co_filename == os.path.join("/elsewhere", "json", "decoder.py")


def test_a_root_that_stands_for_no_folder(tree, archive):
    assert {code.co_filename for code in nested(archive["package.nested"])} == {os.path.join("package", "nested.py")}


@pytest.mark.parametrize(
    "base",
    [
        "/some/folder",
        "/some/folder/",
        pathlib.Path("/some/folder"),
        {"app": "/some/folder"},
        {"app": pathlib.Path("/some/folder")},
        b"/some/folder",
        {"app": b"/some/folder"},
    ],
    ids=repr,
)
def test_the_folder_that_a_root_stands_for(archive, base):
    code = archive.code("package.nested", base=base)
    assert len(list(nested(code))) > 5
    assert {each.co_filename for each in nested(code)} == {"/some/folder/package/nested.py"}
    # One string, not one for each.
    assert len({id(each.co_filename) for each in nested(code)}) == 1


def test_a_mapping_that_does_not_name_the_root(archive):
    assert archive.code("package.nested", {}).co_filename == "package/nested.py"
    for base in [{"other": "/elsewhere"}, {"app": "/some/folder", "other": "/elsewhere"}]:
        with pytest.raises(ValueError, match='"other".*"app"'):
            archive.code("package.nested", base)


@pytest.mark.parametrize("folder", ["/größe/日本", "/a\udcffb", ".", ""], ids=ascii)
def test_folders_of_every_kind(archive, folder):
    assert archive.code("package", folder).co_filename == os.path.join(folder, "package", "__init__.py")


@pytest.mark.parametrize("base", [1, {"app": 1}, {1: "/folder"}, ["/folder"]], ids=repr)
def test_what_is_no_folder(archive, base):
    with pytest.raises(TypeError):
        archive.code("package", base)


def test_folders_do_not_mix(archive):
    first, second = archive.code("package.nested", "/first"), archive.code("package.nested", "/second")
    assert {code.co_filename for code in nested(first)} == {"/first/package/nested.py"}
    assert {code.co_filename for code in nested(second)} == {"/second/package/nested.py"}


def test_it_runs(tree, archive):
    for name in archive:
        if name == "package":
            continue  # needs its package
        expected, actual = {"__name__": name}, {"__name__": name}
        exec(compile(tree.files[name].read_bytes(), name, "exec", dont_inherit=True), expected)
        exec(archive[name], actual)
        assert actual.keys() == expected.keys(), name
        for key, value in expected.items():
            if isinstance(value, (int, str, tuple, list)) and key != "__annotations__":
                assert repr(actual[key]) == repr(value), (name, key)


def test_a_traceback_shows_the_source(tree, archive):
    space = {}
    exec(archive.code("lines", str(tree.folder)), space)
    with pytest.raises(TypeError) as caught:
        space["far"]("no number")
    last = caught.traceback[-1]
    assert str(last.path) == str(tree.files["lines"])
    assert "number" in str(last.statement)


def test_strings_that_are_interned_are_the_interpreters_own(archive):
    for code in nested(archive["package.nested"]):
        for name in (*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars):
            assert name is sys.intern(str(name.encode(), "utf-8")), name


@pytest.mark.skipif(METHOD == "marshal", reason="marshal makes all afresh for each module")
def test_what_is_equal_is_one_object_in_all_modules(archive):
    (one,) = [each for each in constants(archive["package"]) if isinstance(each, tuple) and 2.5 in each]
    (other,) = [each for each in constants(archive["package.nested"]) if isinstance(each, tuple) and 2.5 in each]
    assert one == other == (1, 2.5, b"bytes", "text with spaces")
    assert one is other


def test_each_call_makes_a_code_object_of_its_own(archive):
    one, other = archive["package.nested"], archive["package.nested"]
    assert one == other
    assert one is not other


def test_constants_that_are_equal_and_not_the_same_stay_apart(archive):
    code = archive["constants"]
    found = [each for each in constants(code) if isinstance(each, tuple) and ... in each]
    kinds = {(type(each), repr(each)) for each in constants(code)} | {
        (type(item), repr(item)) for each in constants(code) if isinstance(each, tuple) for item in each
    }
    assert {(int, "1"), (float, "1.0"), (bool, "True"), (float, "0.0"), (float, "-0.0")} <= kinds
    assert found


def test_a_module_whose_name_is_not_ascii(bundle, tmp_path):
    (tmp_path / "größe.py").write_text("def länge(): return __name__\n", encoding="utf-8")
    with permacode.open(bundle(f"app={tmp_path}")) as archive:
        assert list(archive) == ["größe"]
        assert archive.code("größe", str(tmp_path)).co_filename == str(tmp_path / "größe.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork(tree, archive):
    assert archive["package"]
    process = os.fork()
    if process == 0:
        same = archive["package.nested"].co_name == "<module>" and "lines" in archive
        os._exit(0 if same else 1)
    assert os.waitpid(process, 0)[1] == 0


@pytest.mark.parametrize("level", [1, 2])
def test_optimisation_levels(bundle, tree, differences, level):
    """With `exact=False`, `open` gives what the archive has."""
    archive = bundle(f"app={tree.folder}", "--optimize", str(level))
    assert differences(archive, tree.files, str(tree.folder), level) == {}
