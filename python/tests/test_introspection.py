"""Docstrings, signatures and lines that an archive has of modules that nobody imports."""

import dis
import importlib
import inspect
import sys
import types

import permacode
import pytest

SOURCE = '''"""Of the module."""
import functools

class Shape:
    """Of the class."""

    def area(self, /, scale: "float" = 1.5, *args: int, unit="m\\n", **more) -> float:
        """Of the method."""
        return scale

def outer():
    def inner(x=(1,  # a comment
                 2)):
        return x
    return inner

def twice(a=1): ...
def twice(b=2): ...

pick = lambda x, *, y=None: x
gen = (x for x in ())
'''


@pytest.fixture(scope="module")
def shapes(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "shapes.py").write_text(SOURCE)
    (folder / "space").mkdir()
    (folder / "space" / "inner.py").write_text("")
    with permacode.open(bundle(f"app={folder}")) as archive:
        yield archive


def test_docstrings(shapes):
    names = ["shapes", "shapes:Shape", "shapes:Shape.area", "shapes:outer", "shapes:outer.<locals>.inner", "space"]
    assert [shapes.doc(name) for name in names] == ["Of the module.", "Of the class.", "Of the method.", None, None, None]


def test_signatures(shapes):
    area = shapes.signature("shapes:Shape.area")
    assert isinstance(area, inspect.Signature)
    expected = "(self, /, scale: 'float' = 1.5, *args: int, unit='m\\n', **more) -> float"
    assert str(area).replace('"', "'") == expected
    assert area.parameters["scale"].default == "1.5" and repr(area.parameters["scale"].default) == "1.5"
    assert area.parameters["args"].kind is inspect.Parameter.VAR_POSITIONAL
    assert str(shapes.signature("shapes:outer.inner")) == "(x=(1, 2))"
    assert str(shapes.signature("shapes:<lambda>")) == "(x, *, y=None)"
    assert str(shapes.signature("shapes:<genexpr>")) == "(implicit0)"
    for name in ("shapes", "shapes:Shape", "space"):
        with pytest.raises(TypeError, match="is no function"):
            shapes.signature(name)


def test_a_name_of_several_code_objects_needs_a_choice(shapes):
    with pytest.raises(LookupError, match=r"2 code objects of module shapes have the name \"twice\".* in lines 17, 18"):
        shapes.doc("shapes:twice")
    assert [str(shapes.signature(f"shapes:twice{choice}")) for choice in ("#1", "#2", "@18")] == ["(a=1)", "(b=2)", "(b=2)"]


def test_names_that_do_not_exist(shapes):
    for name in ("absent", "absent:f", "\ud800"):
        with pytest.raises(ModuleNotFoundError):
            shapes.doc(name)
    for name in ("shapes:", "shapes:absent", "shapes:twice#3", "space:f"):
        with pytest.raises(LookupError):
            shapes.lines(name)
    with pytest.raises(TypeError):
        shapes.doc(1)
    shapes_again = permacode.open(shapes.path)
    shapes_again.close()
    with pytest.raises(ValueError, match="closed"):
        shapes_again.doc("shapes")


def positions(code):
    """A position for each unit: what this version of CPython says."""
    if sys.version_info >= (3, 11):
        return list(code.co_positions())
    if sys.version_info >= (3, 10):
        lines = [line for start, end, line in code.co_lines() for _ in range(start, end, 2)]
    else:
        starts = [*dis.findlinestarts(code), (len(code.co_code), None)]
        lines = [line for (start, line), (end, _) in zip(starts, starts[1:]) for _ in range(start, end, 2)]
    return [(line, None, None, None) for line in lines]


def nested(code):
    """The code object and all in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


@pytest.mark.parametrize("module", ["json", "json.decoder", "json.encoder", "argparse"])
def test_lines_are_those_of_cpython(library, module):
    with permacode.open(library) as archive:
        body = archive.code(module)
        compared = 0
        for code in nested(body):
            qualname = getattr(code, "co_qualname", "") if code is not body else "<module>"
            try:
                lines = archive.lines(f"{module}:{qualname}@{code.co_firstlineno}")
            except LookupError:
                # Up to 3.10, code objects have no qualified names. Later, several may start in one line.
                continue
            units = [tuple(where) for start, end, *where in lines for _ in range(start, end, 2)]
            assert units == positions(code), qualname
            compared += 1
        assert compared >= (1 if sys.version_info < (3, 11) else len(list(nested(body))) * 0.9)


@pytest.mark.parametrize("module", ["json", "json.decoder", "argparse"])
def test_signatures_and_docstrings_are_those_of_the_imported_module(library, module):
    imported = importlib.import_module(module)
    with permacode.open(library) as archive:
        assert archive.doc(module) == imported.__doc__
        members = [member for member in vars(imported).values() if getattr(member, "__module__", None) == module]
        for member in members:
            name = f"{module}:{member.__qualname__}" if hasattr(member, "__qualname__") else None
            if isinstance(member, types.FunctionType):
                assert archive.doc(name) == member.__doc__
                assert list(archive.signature(name).parameters) == list(inspect.signature(member).parameters)
            elif isinstance(member, type):
                assert archive.doc(name) == member.__dict__.get("__doc__")
