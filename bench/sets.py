#!/usr/bin/env python3
"""The sets of modules that are measured.

`python -I -S -W ignore sets.py json|mid|whole` prints the modules of a set, one on a line, in the order in which this
interpreter begins to import them. It prints only modules of its own standard library that are written in Python and
that a bare start does not import.

An unchanged interpreter is asked once, and all contenders get the same list.
"""

import sys


class Recorder:
    """A finder that finds nothing, but notes the order in which imports begin. `sys.modules` has that of their ends."""

    asked = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.asked.append(name)


sys.meta_path.insert(0, Recorder)

#: The modules that are imported for each set. `whole` imports all candidates.
ROOTS = {
    "json": ["json"],
    "mid": ["asyncio", "http.client", "json", "logging", "argparse", "dataclasses", "typing", "unittest"],
    "whole": None,
}

#: Modules that `whole` leaves out, with their submodules: tests, programs, graphics (which need a library that may be
#: absent), modules whose import has an effect, and modules for other systems.
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
    asked = dict.fromkeys(Recorder.asked)
    library = folder()
    for module in asked:
        if is_ours(module, library):
            print(module)


def folder():
    import os  # here, because it may belong to a set
    return os.path.dirname(os.path.abspath(os.__file__))


def candidates():
    """All modules of the library that can be imported without effects."""
    library = folder()
    import os
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
    """Was the module compiled from a file of the library?"""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None and spec.name != name:
        # `collections.abc` replaces itself with another module.
        from importlib.machinery import PathFinder
        parent = sys.modules.get(name.rpartition(".")[0])
        spec = PathFinder.find_spec(name, getattr(parent, "__path__", None))
    origin = getattr(spec, "origin", None) or ""
    return origin.endswith(".py") and origin.startswith(library)


if __name__ == "__main__":
    main()
