"""Runs a module of the package `permacode` as a command: the arguments are its name and its arguments."""

import importlib
import sys

# `-c` puts the current folder first. A program that uses the archive need not search it.
sys.path[:] = [folder for folder in sys.path if folder]
name = sys.argv.pop(1)
try:
    import permacode  # noqa: F401
except ImportError as error:
    if error.name != "permacode":
        raise
    sys.exit(3)
sys.exit(importlib.import_module(name).main())
