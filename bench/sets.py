#!/usr/bin/env python3
"""The sets of modules that are measured.

`python -I -S -W ignore sets.py json|mid|whole` prints, one a line, the modules of a set in the order in which this interpreter
begins to import them: those of its own standard library, written in Python, that a bare start has not imported yet.

A stock interpreter is asked once, and all contenders get the same list.
"""

import sys

BEFORE = set(sys.modules)

import os

#: What is imported for each set; `whole` stands for all that can be.
ROOTS = {
    "json": ["json"],
    "mid": ["asyncio", "http.client", "json", "logging", "argparse", "dataclasses", "typing", "unittest"],
    "whole": None,
}

#: What `whole` leaves out, with all that is below it: tests and programs; graphics, which need a library that may not be
#: there; what does something when it is imported; what only other systems have.
LEFT_OUT = {
    "encodings", "test", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3", "ensurepip", "pip", "site-packages",
    "antigravity", "this", "__hello__", "__phello__", "site", "sitecustomize", "usercustomize", "_pyrepl", "msilib",
}
TEST_FOLDERS = {"test", "tests", "idle_test", "__pycache__", "__main__"}


def main():
    name = sys.argv[1]
    for module in ROOTS[name] or candidates():
        try:
            __import__(module)
        except BaseException as error:
            if ROOTS[name]:
                raise
            print("left out: %s: %r" % (module, error), file=sys.stderr)
    library = folder()
    for module in list(sys.modules):
        if module not in BEFORE and is_ours(module, library):
            print(module)


def folder():
    return os.path.dirname(os.path.abspath(os.__file__))


def candidates():
    """All modules of the library that may be imported for no other reason than to import them."""
    library = folder()
    found = []
    for path, folders, files in os.walk(library):
        package = os.path.relpath(path, library).split(os.sep) if path != library else []
        is_package = not package or "__init__.py" in files
        folders[:] = sorted(name for name in folders if is_package and name.isidentifier()
                            and name not in TEST_FOLDERS and not (not package and name in LEFT_OUT))
        for file in files:
            stem, extension = os.path.splitext(file)
            name = package if stem == "__init__" else package + [stem]
            if (extension == ".py" and stem.isidentifier() and is_package and name
                    and stem not in TEST_FOLDERS and name[0] not in LEFT_OUT):
                found.append(".".join(name))
    return sorted(found)


def is_ours(name, library):
    """Whether it was compiled from a file of the library, and has no other name (as `os.path` has)."""
    spec = getattr(sys.modules[name], "__spec__", None)
    origin = getattr(spec, "origin", None) or ""
    return getattr(spec, "name", None) == name and origin.endswith(".py") and origin.startswith(library + os.sep)


if __name__ == "__main__":
    main()
