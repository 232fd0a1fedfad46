#!/usr/bin/env python3
"""Handlers and docstrings of the compiled files of a later version: `later.py FOLDER > introspection.json`.

FOLDER is `testdata/pyc/3.N`. Run this script with an interpreter of that version. For each file it lists the code
objects as in `expected.json`: each before those in it.
"""

import json
import marshal
import pathlib
import sys

import tables


def level(path):
    """The optimisation level that the name of a compiled file states."""
    return int(path.suffixes[0][-1]) if path.suffixes[0].startswith(".opt-") else 0


def describe(path):
    body = marshal.loads(path.read_bytes()[tables.HEADER:])
    name = path.name.split(".")[0]
    source = tables.Source((path.parent.parent / (name + ".py")).read_bytes(), level(path))
    for code in tables.walk(body):
        kind, docstring = source.docstring(code, code is body)
        if kind == tables.SCOPE:
            docstring = None
        yield {"qualname": code.co_qualname, "handlers": tables.handlers(code), "docstring": docstring}


def main(folder):
    files = sorted(pathlib.Path(folder).glob("*.pyc"))
    found = {path.name: list(describe(path)) for path in files}
    json.dump({"version": sys.version, "files": found}, sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
