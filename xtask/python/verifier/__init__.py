"""A second verifier of Permacode archives, written from `spec.md` alone.

It shares no code with the Rust reader, so that the two can be compared. If they disagree about an archive, one of them
has a bug, or `spec.md` leaves a question open. `cargo xtask spec-proof` compares them.

Each module follows a chapter of `spec.md`:

    tables       the tables of numbers and records
    text         3: varints, ranges and text
    header       5.1 to 5.3: header and section table
    checksums    5.14 and 6
    names        5.4 to 5.7: targets, modules, name indexes, resources
    codes        5.8, 5.9 and 5.12: code objects, lists, signatures
    objects      5.10 and 5.11
    depths       8.3: which rule is checked at which depth

It needs CPython 3.9 or later, and `xxhash` from PyPI.
"""

from .depths import DEPTHS, Finding, verify
from .text import Violation

__all__ = ["DEPTHS", "Finding", "Violation", "verify"]
