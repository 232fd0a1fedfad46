#!/usr/bin/env python3
"""Compares signatures of an archive with those of CPython: `signatures.py ROOT=FOLDER... < LINES`.

Each line of the input is a JSON object about a module: its `root`, the `path` of its source, and its `codes`: what the
archive says about each code object, in the order parent, first child with its children, second child, .... Run this
script with the interpreter that the archive was made for. It prints a JSON object with counts and differences.

Names and kinds of parameters come from `inspect.signature` of a function object. Defaults and annotations come from the
syntax tree. A code object does not say which node it was made from. So the tree is compiled a second time, after each
function got a line number of its own, and both trees of code objects are walked side by side.
"""

import ast
import collections
import functools
import inspect
import json
import os
import sys
import types
import warnings

MOST_SHOWN = 20

FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda


def compiled(tree):
    return compile(tree, "<signatures>", "exec", dont_inherit=True, optimize=0)


def children(code):
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def number(tree):
    """Gives each function of the tree a line number of its own. Returns the functions by line number and name."""
    found = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    lines = {}
    for line, node in enumerate(found, 1_000_000):
        lines[node] = node.lineno
        mark(node, line)
    nodes = {}
    for line, node in enumerate(found, 2_000_000):
        name = getattr(node, "name", "<lambda>")
        decorators = getattr(node, "decorator_list", [])
        if not decorators:
            nodes[node.lineno, name] = node, lines[node]
        else:
            first = decorators[0]
            original = lines.get(first, first.lineno)
            # The line number of a lambda is its own already.
            if not isinstance(first, ast.Lambda):
                mark(first, line)
            nodes[first.lineno, name] = node, original
    return nodes


def mark(node, line):
    node.lineno = node.end_lineno = line
    node.col_offset = node.end_col_offset = 0


class Sources:
    """The nodes of the code objects of a module. A code object may have several, if the compiler merged equal ones."""

    def __init__(self, tree):
        self.nodes = number(tree)
        self.marked = compiled(tree)

    def walk(self, original):
        """Code objects in the order of the input, each with its possible nodes, or none if it is not a function."""
        stack = [(original, [self.marked])]
        while stack:
            code, marked = stack.pop()
            found = [self.nodes.get((one.co_firstlineno, one.co_name)) for one in marked]
            yield code, [node for node, _ in filter(None, found)]
            stack.extend(reversed(self.pairs(code, marked)))

    def pairs(self, code, marked):
        """The children of a code object, and for each the code objects with line numbers of their own."""
        first, candidates = children(code), [child for one in marked for child in children(one)]
        if len(first) == len(candidates):
            return [(child, [other]) for child, other in zip(first, candidates)]
        return [(child, [other for other in candidates if self.key(child) == self.key(other)]) for child in first]

    def key(self, code):
        _, line = self.nodes.get((code.co_firstlineno, code.co_name), (None, code.co_firstlineno))
        return code.co_name, line, code.co_varnames


@functools.lru_cache(maxsize=4096)
def dump_text(text, may_be_starred):
    if may_be_starred and text.startswith("*"):
        return ast.dump(ast.parse("(" + text + ",)", mode="eval").body.elts[0])
    return ast.dump(ast.parse(text, mode="eval").body)


def dump(node):
    return None if node is None else ast.dump(node)


def expected(node):
    """Default and annotation of each parameter in the order of a signature, and the annotation of the result."""
    args = node.args
    positional = args.posonlyargs + args.args
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    parameters = list(zip(positional, defaults))
    parameters += [(args.vararg, None)] if args.vararg else []
    parameters += zip(args.kwonlyargs, args.kw_defaults)
    parameters += [(args.kwarg, None)] if args.kwarg else []
    texts = [(dump(default), dump(parameter.annotation)) for parameter, default in parameters]
    return texts, dump(getattr(node, "returns", None))


def found(parameters, returns):
    read = lambda text, is_varargs=False: None if text is None else dump_text(text, is_varargs)
    texts = [(read(default), read(annotation, kind == "VAR_POSITIONAL"))
             for _, kind, default, annotation in parameters]
    return texts, read(returns)


def names_and_kinds(code):
    function = types.FunctionType(code, {}, closure=tuple(types.CellType() for _ in code.co_freevars))
    parameters = inspect.signature(function).parameters.values()
    return [[parameter.name, parameter.kind.name] for parameter in parameters]


def has_text(texts):
    parameters, returns = texts
    return returns is not None or any(default or annotation for default, annotation in parameters)


class Report:
    def __init__(self):
        self.counts = collections.Counter()
        self.shown = []

    def difference(self, kind, where, *values):
        self.counts[kind] += 1
        self.counts["differences"] += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append("%s: %s: %s" % (where, kind, "; ".join(str(value)[:300] for value in values)))

    def code(self, where, code, nodes, said):
        self.counts["code objects"] += 1
        name, line, parameters, returns, shown = said
        if (name, line) != (code.co_name, code.co_firstlineno):
            self.difference("another code object", where, (name, line), (code.co_name, code.co_firstlineno))
            return
        is_empty = not any(default or annotation for *_, default, annotation in parameters) and returns is None
        if not nodes:
            self.counts["not a function"] += 1
            if not is_empty:
                self.difference("a signature without a function", where, said)
            return
        self.counts["functions"] += 1
        where = "%s:%d %s" % (where, line, name)
        real = names_and_kinds(code)
        if [parameter[:2] for parameter in parameters] != real:
            self.difference("names and kinds", where, parameters, real)
        try:
            read = found(parameters, returns)
        except SyntaxError as error:
            self.difference("syntax", where, error, parameters, returns)
            return
        possible = [expected(node) for node in nodes]
        self.counts["with text"] += has_text(possible[0])
        if read in possible and all(one == possible[0] for one in possible):
            self.counts["matched"] += 1
            self.show(where, real, parameters, returns, shown)
        elif is_empty and all(one == possible[0] for one in possible):
            self.difference("left out", where, possible[0])
        elif is_empty:
            # The compiler made one code object from functions with different signatures.
            self.counts["merged by the compiler"] += 1
        else:
            self.difference("defaults and annotations", where, read, possible)

    def show(self, where, real, parameters, returns, shown):
        """Compares the printed form: as a function definition, it must have the same parameters."""
        try:
            node = ast.parse("def f%s: pass" % shown).body[0]
        except SyntaxError as error:
            self.difference("printed form", where, shown, error)
            return
        if expected(node) != found(parameters, returns):
            self.difference("printed form", where, shown)


def main(roots):
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10_000)
    folders = dict(root.split("=", 1) for root in roots)
    report = Report()
    for line in sys.stdin:
        module = json.loads(line)
        with open(os.path.join(folders[module["root"]], module["path"]), "rb") as file:
            data = file.read()
        tree = ast.parse(data)
        original = compiled(data)
        pairs = list(Sources(tree).walk(original))
        if len(pairs) != len(module["codes"]):
            report.difference("code objects", module["path"], len(pairs), len(module["codes"]))
            continue
        report.counts["modules"] += 1
        for (code, nodes), said in zip(pairs, module["codes"]):
            report.code(module["path"], code, nodes, said)
    json.dump({"counts": report.counts, "shown": report.shown}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
