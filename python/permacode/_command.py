"""The commands `python -m permacode.image` and `python -m permacode.stamp`."""

import argparse
import json
import os
import sys

_MAX_NAMED = 10


def parser(name, description):
    """A parser with the arguments that the commands have in common."""
    made = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=description,
        epilog="Exit status: 0 done, 1 it cannot be made or differs, 2 wrong usage, or a file cannot be read or "
               "written.",
    )
    made.add_argument("archive", metavar="ARCHIVE")
    made.add_argument("--root", metavar="NAME=FOLDER", action="append", default=[], type=_root,
                      help="the folder that a root of the archive stands for")
    made.add_argument("--quiet", action="store_true", help="print nothing if all goes well")
    made.add_argument("--json", action="store_true", help="print the result as JSON, also if there is an error")
    return made


def _root(text):
    name, separator, folder = text.partition("=")
    if not separator or not name or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=FOLDER")
    return name, os.path.abspath(folder)


def run(parser, options, action):
    """Calls `action` with the roots. It returns an object for JSON and its lines of text. Returns the exit status."""
    try:
        result, lines = action(dict(options.root) or None)
    except (ImportError, OSError) as error:
        if options.json:
            of_system = {"errno": error.errno, "file": error.filename} if isinstance(error, OSError) else {}
            print(json.dumps({"error": str(error), **of_system}))
        else:
            print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, OSError) else 1
    if options.json:
        print(json.dumps(result))
    elif not options.quiet:
        for line in lines:
            print(line)
    return 0


def described(made, what):
    """The lines about a file that was made."""
    yield f"{made['path']}: {made['modules']} modules, {made['bytes']} bytes"
    left_out = made["left_out"]
    for name, reason in left_out[:_MAX_NAMED]:
        yield f"not in the {what}: {name}: {reason}"
    if len(left_out) > _MAX_NAMED:
        yield f"not in the {what}: {len(left_out) - _MAX_NAMED} more; --json lists them"
