#!/usr/bin/env python3
"""Compile a library out of its tree, as a reference: `compile_tree.py SRC OUT`.

Every .py below SRC is compiled by this interpreter into `OUT/.../__pycache__/NAME.TAG.pyc`
(`--legacy`: `OUT/.../NAME.pyc`, which works without sources); SRC is only read.  `compileall` cannot
do that: it writes beside the sources, or with a prefix into absolute paths below it.

Two compiles of one file may differ (other hash seed, other modules loaded before), so this runs with
hash seed 0 unless PYTHONHASHSEED says otherwise, in order of path, and says in `co_filename` what
`--base` wants, so that the place of SRC does not matter either.

Files that do not compile (test data with errors on purpose) are named on stderr and left out.
Exit status: 0 compiled, 1 nothing could be compiled, 2 usage error.
"""

import argparse
import importlib._bootstrap_external as external
import importlib.util
import marshal
import os
import sys
import warnings

PRUNED = ("site-packages", "__pycache__", "lib-dynload")


def sources(top):
    """Relative paths of the sources, in order."""
    found = []
    for where, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if f not in PRUNED and not f.startswith("config-"))
        found.extend(os.path.relpath(os.path.join(where, n), top) for n in names if n.endswith(".py"))
    return sorted(found)


def target(relative, optimize, legacy):
    if legacy:
        return relative + "c"
    return importlib.util.cache_from_source(relative, optimization=optimize or "")


def header(mode, path, source):
    """The 16 bytes before the code, as the import system writes them."""
    if mode == "timestamp":
        flags, stat = 0, os.stat(path)
        rest = external._pack_uint32(int(stat.st_mtime)) + external._pack_uint32(stat.st_size)
    else:
        flags, rest = (3 if mode == "checked-hash" else 1), importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + external._pack_uint32(flags) + rest


def arguments():
    parser = argparse.ArgumentParser(prog="compile_tree.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("src", metavar="SRC", help="the library, only read")
    parser.add_argument("out", metavar="OUT", help="where the compiled files go; made if missing")
    parser.add_argument("--optimize", type=int, choices=(0, 1, 2), default=0, metavar="N")
    parser.add_argument("--legacy", action="store_true", help="NAME.pyc where the source would be")
    parser.add_argument("--base", metavar="DIR", help="folder that co_filename names (default: SRC)")
    parser.add_argument("--mode", choices=("timestamp", "checked-hash", "unchecked-hash"),
                        default="checked-hash", help="what the header holds (default: checked-hash)")
    options = parser.parse_args()
    if not os.path.isdir(options.src):
        parser.error("no such folder: %s" % options.src)
    src, out = os.path.realpath(options.src), os.path.realpath(options.out)
    if (out + os.sep).startswith(src + os.sep):
        parser.error("OUT lies in SRC, which is only read")
    return options


def main():
    options = arguments()
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable] + sys.argv)
    warnings.simplefilter("ignore")
    base = options.base or options.src
    done = failed = 0
    for relative in sources(options.src):
        path = os.path.join(options.src, relative)
        with open(path, "rb") as file:
            source = file.read()
        try:
            code = compile(source, os.path.join(base, relative), "exec", dont_inherit=True,
                           optimize=options.optimize)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            failed += 1
            print("left out: %s: %s: %s" % (relative, type(error).__name__, error), file=sys.stderr)
            continue
        cfile = os.path.join(options.out, target(relative, options.optimize, options.legacy))
        os.makedirs(os.path.dirname(cfile), exist_ok=True)
        with open(cfile, "wb") as file:
            file.write(header(options.mode, path, source) + marshal.dumps(code))
        done += 1
    print("%d files compiled, %d left out" % (done, failed))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
