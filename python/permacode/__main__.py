"""`python -m permacode` is the command `permacode` that the package brings."""

import os
import sys
from importlib.metadata import PackageNotFoundError, files


def _command():
    """The file that the installer wrote. Its folder depends on how the package was installed."""
    try:
        installed = files("permacode") or ()
    except PackageNotFoundError:
        return None
    for file in installed:
        if file.name == "permacode" and file.parent.name == "bin":
            return os.path.realpath(file.locate())
    return None


def main():
    command = _command()
    if command is None or not os.path.exists(command):
        sys.exit("python -m permacode: the command is missing: this package was built without it, or its file was "
                 "removed; install the package again")
    # The commands about an environment mean the one of this interpreter.
    os.environ["PERMACODE_PYTHON"] = sys.executable
    os.execv(command, ["permacode", *sys.argv[1:]])


if __name__ == "__main__":
    main()
