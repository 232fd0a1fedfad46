#!/usr/bin/env python3
"""What CPython says about the code objects of compiled files: `tables.py FOLDER LIST > STREAM`.

LIST has the paths of `.pyc` files below FOLDER, each followed by a NUL. Run this script with the interpreter that the
files were compiled for. It writes for each file the number of code objects, and for each code object, in the order
parent, first child with its children, second child, ...:

* its name;
* the number of its units of bytecode;
* the position of each unit (`co_positions`, 3.11 and later): runs of equal ones;
* the line of each unit (`co_lines`, or `dis.findlinestarts` up to 3.9): runs of equal ones;
* its exception handlers, as the parser of `dis` finds them (3.11 and later);
* its docstring, and if there is one, what kind of docstring it is.

The docstring of a function is `__doc__` of a function object. Scopes that are no functions are marked as such. The
docstring of a module or class is that of the source text, as the compiler leaves it. If the source text has none but
assigns a text to `__doc__`, the text is marked as assigned.

Last comes the time to consume all positions, in nanoseconds.

Numbers are signed 32-bit little-endian, apart from the time, which has 64 bits. A text has its length before it, or -1
if there is none. So does a list, or -1 if this version has no such list.
"""

import ast
import dis
import itertools
import marshal
import os
import struct
import sys
import types
import warnings
from array import array
from collections import deque
from inspect import CO_OPTIMIZED
from time import perf_counter_ns

HEADER = 16
#: Stands for a value that is not there.
ABSENT = -2**31
SCOPE, FUNCTION, BODY, ASSIGNED = range(4)


def walk(body):
    """The code object and all code objects in it: each before those in it."""
    stack = [body]
    while stack:
        code = stack.pop()
        yield code
        stack.extend(reversed([constant for constant in code.co_consts if isinstance(constant, types.CodeType)]))


def numbers(values):
    """The bytes of signed 32-bit numbers."""
    found = array("i", values)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def text(value):
    if value is None:
        return numbers([-1])
    data = value.encode("utf-8", "surrogatepass")
    return numbers([len(data)]) + data


def runs(values):
    """A list of equal neighbours: the length of each run, and the numbers of its value."""
    found = [(len(list(group)), *value) for value, group in itertools.groupby(values)]
    flat = (ABSENT if number is None else number for run in found for number in run)
    return numbers([len(found)]) + numbers(flat)


def line_of_each_unit(code, units):
    lines = [None] * units
    if sys.version_info >= (3, 10):
        for start, end, line in code.co_lines():
            for unit in range(start // 2, min(end // 2, units)):
                lines[unit] = line
        return lines
    starts = list(dis.findlinestarts(code))
    for (start, line), (end, _) in zip(starts, starts[1:] + [(len(code.co_code), None)]):
        for unit in range(start // 2, end // 2):
            lines[unit] = line
    return lines


def handlers(code):
    """First unit, unit after the last one, unit of the handler, depth of the stack, whether the offset is pushed."""
    return [(entry.start // 2, entry.end // 2, entry.target // 2, entry.depth, int(entry.lasti))
            for entry in dis._parse_exception_table(code)]


def consume(code):
    """Makes the position of each unit, or the next best that this version has."""
    if sys.version_info >= (3, 11):
        deque(code.co_positions(), maxlen=0)
    elif sys.version_info >= (3, 10):
        deque(code.co_lines(), maxlen=0)
    else:
        deque(dis.findlinestarts(code), maxlen=0)


class Source:
    """The functions and the docstrings of a source text, by name and first line."""

    def __init__(self, data, optimize=0):
        tree = ast.parse(data)
        self.functions, self.docstrings = set(), {"<module>": docstring_of(tree, optimize)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                key = node.name, (node.decorator_list or [node])[0].lineno
                if isinstance(node, ast.ClassDef):
                    self.docstrings[key] = docstring_of(node, optimize)
                else:
                    self.functions.add(key)

    def docstring(self, code, is_module):
        key = code.co_name, code.co_firstlineno
        if not code.co_flags & CO_OPTIMIZED:
            return self.docstrings["<module>" if is_module else key]
        is_function = key in self.functions or code.co_name == "<lambda>"
        closure = tuple(types.CellType() for _ in code.co_freevars)
        return FUNCTION if is_function else SCOPE, types.FunctionType(code, {}, closure=closure).__doc__


def docstring_of(node, optimize):
    """The docstring of a module or class, as the compiler of this version leaves it in a class, and what it is."""
    first = node.body[0] if node.body else None
    value = first.value if isinstance(first, ast.Expr) else None
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        return assigned(node)
    more = {"type_params": []} if sys.version_info >= (3, 12) else {}
    body = [ast.Expr(ast.Constant(value.value, kind=None))]
    alone = ast.ClassDef("C", bases=[], keywords=[], body=body, decorator_list=[], **more)
    space = {}
    tree = ast.fix_missing_locations(ast.Module([alone], type_ignores=[]))
    exec(compile(tree, "<docstring>", "exec", optimize=optimize), space)
    return BODY, space["C"].__doc__


def assigned(node):
    """The text that a module or class without a docstring assigns to `__doc__`."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            if "__doc__" in names and isinstance(statement.value.value, str):
                return ASSIGNED, statement.value.value
    return BODY, None


def describe(code, source, is_module):
    units = len(code.co_code) // 2
    yield text(code.co_name)
    yield numbers([units])
    yield runs(code.co_positions()) if sys.version_info >= (3, 11) else numbers([-1])
    yield runs((line,) for line in line_of_each_unit(code, units))
    if sys.version_info >= (3, 11):
        found = handlers(code)
        yield numbers([len(found)]) + numbers(itertools.chain.from_iterable(found))
    else:
        yield numbers([-1])
    kind, docstring = source.docstring(code, is_module)
    yield text(docstring)
    if docstring is not None:
        yield numbers([kind])


def main(folder, paths):
    warnings.simplefilter("ignore")
    with open(paths, "rb") as file:
        names = file.read().split(b"\0")[:-1]
    output, duration = sys.stdout.buffer, 0
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "rb") as file:
            body = marshal.loads(file.read()[HEADER:])
        with open(body.co_filename, "rb") as file:
            source = Source(file.read())
        codes = list(walk(body))
        start = perf_counter_ns()
        for code in codes:
            consume(code)
        duration += perf_counter_ns() - start
        output.write(numbers([len(codes)]))
        for code in codes:
            output.writelines(describe(code, source, code is body))
    output.write(struct.pack("<q", duration))


if __name__ == "__main__":
    main(*sys.argv[1:])
