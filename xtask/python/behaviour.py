#!/usr/bin/env python3
"""Does code from an archive do what the compiler's does? For each module of the folder `behaviour`.

Each is bundled by the command that PERMACODE_COMMAND names, and its body runs twice: as made from the
archive, and as compiled by this interpreter.  Both have to leave the same names and the same `RESULT`.

Exit status: 0 the same, 1 not.
"""

import os
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "behaviour")


def ran(code, name):
    """What the body of a module leaves behind."""
    namespace = {"__name__": name, "__builtins__": __builtins__}
    exec(code, namespace)
    if not namespace.get("RESULT"):
        raise SystemExit("behaviour.py: %s has no RESULT" % name)
    return sorted(namespace), namespace["RESULT"]


def main():
    import permacode

    names = sorted(os.path.splitext(file)[0] for file in os.listdir(FOLDER) if file.endswith(".py"))
    good = bool(names)
    with tempfile.TemporaryDirectory(prefix="behaviour-") as folder:
        path = os.path.join(folder, "behaviour.perma")
        subprocess.run([os.environ["PERMACODE_COMMAND"], "bundle", "--python", sys.executable, "--output", path,
                        "behaviour=" + FOLDER], stdout=subprocess.DEVNULL, check=True)
        with permacode.open(path) as archive:
            if sorted(archive) != names:
                raise SystemExit("behaviour.py: the archive has %s, the folder %s" % (sorted(archive), names))
            for name in names:
                source = os.path.join(FOLDER, name + ".py")
                with open(source, "rb") as file:
                    expected = ran(compile(file.read(), source, "exec", dont_inherit=True), name)
                found = ran(archive.code(name, FOLDER), name)
                good = good and found == expected
                print("%s: %s" % (name, "the same" if found == expected else "DIFFERS:\n  %s\n  %s" % (expected, found)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
