"""The package itself: what it brings along, and what importing it costs others."""

import importlib.metadata
import importlib.resources
import json
import pathlib

import permacode
import pytest


def test_importing_it_imports_nothing_else(child):
    script = """
import json.decoder, sys  # what the test needs
before = set(sys.modules)
sys.path.append(sys.argv[1])
import permacode
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    folder = pathlib.Path(permacode.__file__).parent.parent
    imported = json.loads(child(script.replace("json.decoder", "json"), folder, flags=["-I", "-S"]))
    assert imported == ["permacode"]


def test_the_names_are_there():
    assert sorted(permacode.__all__) == dir(permacode)
    for name in permacode.__all__:
        assert getattr(permacode, name).__doc__, name
        assert getattr(permacode, name) is getattr(permacode, name)
    with pytest.raises(AttributeError, match="'no_such_name'"):
        permacode.no_such_name


def test_an_archive_is_a_mapping(child):
    for script in (
        "import permacode, collections.abc; assert issubclass(permacode.Archive, collections.abc.Mapping)",
        "from permacode import *; import collections.abc; assert issubclass(Archive, collections.abc.Mapping)",
    ):
        child(script)


def test_the_version_is_that_of_the_command(command):
    version = importlib.metadata.version("permacode")
    assert command("--version").split() == ["permacode", version]


def test_types_are_announced():
    folder = pathlib.Path(permacode.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "__init__.pyi").is_file()


def test_tests_and_sources_stay_at_home():
    files = {str(file) for file in importlib.metadata.files("permacode")}
    assert not [name for name in files if name.endswith((".rs", "Cargo.toml")) or "test" in name]
