#!/usr/bin/env python3
"""Checks that code from an archive behaves like code from the compiler: `behaviour.py LIBRARY`

The command that PERMACODE_COMMAND names bundles the modules of the folder `programs`. The body of each module runs
twice: from the archive, and as compiled by this interpreter. Both runs must leave the same names and the same `RESULT`.

Then a new process installs LIBRARY, an archive of the standard library, and imports modules that many programs use.
Each module that has a source must come from the archive, and its code must be made from the tables.

Exit status: 0 the same, 1 something differs, 2 usage error.
"""

import argparse
import os
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
IMPORTED = "asyncio http.client json logging argparse dataclasses typing unittest"
IMPORTS = """
import sys
before = set(sys.modules)
import permacode
permacode.install(sys.argv[1], strict=True)
for name in sys.argv[2].split():
    __import__(name)
from importlib.machinery import SourceFileLoader
loaders = {name: getattr(getattr(sys.modules[name], "__spec__", None), "loader", None)
           for name in set(sys.modules) - before if not name.startswith("permacode")}
sources = {name: loader for name, loader in loaders.items() if isinstance(loader, SourceFileLoader)}
others = sorted(name for name, loader in sources.items() if type(loader) is SourceFileLoader)
stats, status = permacode.stats(), permacode.status()
print("%d modules imported, %d from the archive, others: %s, made from %s" % (
    len(sources), stats["hits"], ", ".join(others) or "none", status["method"]))
if others or len(sources) < 80 or stats["hits"] < len(sources) or stats["fallbacks"] or status["method"] != "records":
    raise SystemExit("%s %s" % (stats, status))
"""


def ran(code, name):
    """Runs the body of a module; returns its names and its RESULT."""
    namespace = {"__name__": name, "__builtins__": __builtins__}
    exec(code, namespace)
    if not namespace.get("RESULT"):
        raise SystemExit("behaviour.py: %s has no RESULT" % name)
    return sorted(namespace), namespace["RESULT"]


def same_results():
    import permacode

    names = sorted(os.path.splitext(file)[0] for file in os.listdir(FOLDER) if file.endswith(".py"))
    good = bool(names)
    with tempfile.TemporaryDirectory(prefix="behaviour-") as folder:
        path = os.path.join(folder, "behaviour.perma")
        subprocess.run([os.environ["PERMACODE_COMMAND"], "bundle", "--python", sys.executable, "--output", path,
                        "behaviour=" + FOLDER], stdout=subprocess.DEVNULL, check=True)
        with permacode.open(path) as archive:
            if sorted(archive) != names:
                raise SystemExit("behaviour.py: the archive has the modules %s, the folder has %s" % (
                    sorted(archive), names))
            for name in names:
                source = os.path.join(FOLDER, name + ".py")
                with open(source, "rb") as file:
                    expected = ran(compile(file.read(), source, "exec", dont_inherit=True), name)
                found = ran(archive.code(name, FOLDER), name)
                good = good and found == expected
                verdict = "the same" if found == expected else "DIFFERS:\n  %s\n  %s" % (expected, found)
                print("%s: %s" % (name, verdict))
    return good


def main():
    parser = argparse.ArgumentParser(prog="behaviour.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", metavar="LIBRARY")
    library = parser.parse_args().library
    good = same_results()
    status = subprocess.run([sys.executable, "-B", "-s", "-c", IMPORTS, library, IMPORTED]).returncode
    return 0 if good and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
