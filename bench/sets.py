#!/usr/bin/env python3
"""The sets of modules that are measured.

`python -I -S -W ignore sets.py json|mid|whole` prints, one a line, the modules of a set in the order in which this interpreter
begins to import them: those of its own standard library, written in Python, that a bare start has not imported yet.

A stock interpreter is asked once, and all contenders get the same list.
"""

import sys


class Recorder:
    """A finder that finds nothing and notes what is asked for: `sys.modules` has the order in which imports end."""

    asked = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.asked.append(name)


sys.meta_path.insert(0, Recorder)

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
    asked = dict.fromkeys(Recorder.asked)
    library = folder()
    for module in asked:
        if is_ours(module, library):
            print(module)


def folder():
    import os  # only now: not every set has it
    return os.path.dirname(os.path.abspath(os.__file__))


def candidates():
    """All modules of the library that may be imported for no other reason than to import them."""
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
    """Whether it was compiled from a file of the library."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None and spec.name != name:
        # `collections.abc` puts another module into its place.
        from importlib.machinery import PathFinder
        parent = sys.modules.get(name.rpartition(".")[0])
        spec = PathFinder.find_spec(name, getattr(parent, "__path__", None))
    origin = getattr(spec, "origin", None) or ""
    return origin.endswith(".py") and origin.startswith(library)


if __name__ == "__main__":
    main()
