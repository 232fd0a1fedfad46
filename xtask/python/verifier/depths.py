"""Chapter 8.3: which rule is checked at which depth."""

from typing import NamedTuple

from . import tables as t
from .checksums import Checksums, check_padding
from .codes import Codes
from .header import open_archive
from .names import Sources, check_names
from .objects import Objects
from .text import Violation

# Each depth includes the one before. `module` is [V-2] for every module of the archive.
DEPTHS = ("open", "structure", "module", "everything")


class Finding(NamedTuple):
    """The first rule that is broken, and the first depth that notices it."""

    rule: str
    depth: str
    text: str


def verify(data, depth=DEPTHS[-1]):
    """Checks an archive. None, or what is wrong with it."""
    wanted = DEPTHS.index(depth)
    steps = check_by_depth(data)
    for step in DEPTHS[: wanted + 1]:
        try:
            next(steps)
        except Violation as violation:
            return Finding(violation.rule, step, str(violation))
    return None


def check_by_depth(data):
    """Yields whenever all rules of a depth have been checked."""
    archive = open_archive(data)
    yield

    # Structure [V-1].
    check_padding(archive)
    checksums = Checksums(archive)
    for section in archive.sections:
        known = t.KINDS.get(section.kind)
        if known is None or known.group == "lookup":
            checksums.check_section(section)
    objects = Objects(archive, checksums)
    codes = Codes(archive, checksums, objects)
    modules = check_names(archive, objects)
    codes.check_count()
    yield

    # One module [V-2], for each module.
    if modules:
        codes.check_signature_order()
    codes.check_list_budget(modules)
    sources = Sources(archive, checksums)
    for index, module in enumerate(modules):
        checksums.touch_record(t.MODULES, index)
        sources.check_digest(module)
        paths = (module.filename, module.filename_root, module.source_path, module.source_root)
        objects.reach([id for id in paths if id != t.NONE])
        codes.check_module(module)
    yield

    # Everything [V-3].
    checksums.check_all()
    sources.ranges.check()
    codes.check_signature_order()
    codes.check_signatures()
    objects.check_all()
    yield
