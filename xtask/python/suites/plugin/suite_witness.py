"""A plugin of pytest that says at the end what imports came from."""

import json
import os
import sys

PROCESS = os.getpid()
FILE = os.environ.pop("SUITE_WITNESS", None)


def pytest_unconfigure():
    # Not in a process that a test forked.
    if FILE is None or os.getpid() != PROCESS:
        return
    permacode = sys.modules.get("permacode")
    seen = [None, None] if permacode is None else [permacode.status(), permacode.stats()]
    with open(FILE, "w", encoding="utf-8") as file:
        json.dump(seen, file, default=str)
