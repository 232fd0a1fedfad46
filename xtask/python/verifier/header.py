"""Chapters 5.1 to 5.3: the header and the section table, which are all that opening an archive reads."""

from typing import NamedTuple
from zlib import crc32

from . import tables as t
from .text import Violation


class Section(NamedTuple):
    """An entry of the section table."""

    kind: int
    flags: int
    offset: int
    len: int
    crc: int
    first_chunk: int

    @property
    def name(self):
        known = t.KINDS.get(self.kind)
        return known.name if known else f"of kind {self.kind:#x}"


class Archive:
    """An archive whose header and section table follow the rules."""

    def __init__(self, data, code_align, chunk_log2, sections):
        self.data = data
        self.code_align = code_align
        self.chunk_log2 = chunk_log2
        self.sections = sections
        self.by_kind = {section.kind: section for section in sections if section.kind in t.KINDS}
        self._contents = {}

    def section(self, kind):
        """The bytes of a section of a known kind; none if the archive lacks it."""
        contents = self._contents.get(kind)
        if contents is None:
            entry = self.by_kind.get(kind)
            contents = self.data[entry.offset : entry.offset + entry.len] if entry else b""
            self._contents[kind] = contents
        return contents

    def len(self, kind):
        entry = self.by_kind.get(kind)
        return entry.len if entry else 0

    def count(self, kind):
        """How many records a section has."""
        return self.len(kind) // t.KINDS[kind].record


def open_archive(data):
    """Checks what [P-2] asks for."""
    if data[:8] != t.MAGIC:
        raise Violation("H-1", "the magic bytes are missing")
    if len(data) < t.GENERIC_HEADER_LEN:
        raise Violation("H-3", f"{len(data)} bytes are too few for the generic header")
    version = int.from_bytes(data[8:12], "little")
    if version != t.FORMAT_VERSION:
        raise Violation("H-2", f"the format version is {version}, not {t.FORMAT_VERSION}")
    header_len = int.from_bytes(data[12:16], "little")
    if header_len != t.HEADER_LEN:
        raise Violation("H-3", f"header_len is {header_len}, not {t.HEADER_LEN}")
    file_len = int.from_bytes(data[16:24], "little")
    if file_len != len(data):
        raise Violation("H-4", f"file_len is {file_len}, the archive has {len(data)} bytes")
    if file_len < header_len:
        raise Violation("H-3", f"the archive has {file_len} bytes, too few for its header")
    (_, _, _, _, header_crc, reserved, incompat, _compat, section_count, table_crc, code_align_log2, page_log2,
     chunk_log2, reserved2) = t.HEADER.unpack_from(data)
    found = crc32(data[:24] + bytes(4) + data[28 : t.HEADER_LEN])
    if found != header_crc:
        raise Violation("H-5", f"header_crc is {header_crc:#x}, the header has {found:#x}")
    if incompat:
        raise Violation("H-6", f"incompat is {incompat:#x}")
    if reserved or any(reserved2):
        raise Violation("H-7", "a reserved byte of the header is not zero")
    if code_align_log2 > t.MAX_CODE_ALIGN_LOG2 or page_log2 != t.PAGE_LOG2 or chunk_log2 != t.CHUNK_LOG2:
        raise Violation("H-8", f"the powers of two are {code_align_log2}, {page_log2} and {chunk_log2}")
    code_align = 1 << code_align_log2
    sections = read_section_table(data, section_count, table_crc, code_align)
    return Archive(data, code_align, chunk_log2, sections)


def read_section_table(data, count, table_crc, code_align):
    end = t.HEADER_LEN + count * t.SECTION.size
    if count > t.MAX_SECTIONS or end > len(data):
        raise Violation("S-1", f"{count} sections are too many")
    table = data[t.HEADER_LEN : end]
    found = crc32(table)
    if found != table_crc:
        raise Violation("S-2", f"table_crc is {table_crc:#x}, the section table has {found:#x}")
    sections = [Section(*fields) for fields in t.SECTION.iter_unpack(table)]
    group = None
    seen = set()
    for section in sections:
        if section.offset < end or section.offset + section.len > len(data):
            text = f"section {section.name} lies at {section.offset:#x}, before {end:#x} or after the end"
            raise Violation("S-3", text)
        end = section.offset + section.len
        if section.flags & ~t.REQUIRED:
            raise Violation("S-10", f"section {section.name} has the flags {section.flags:#x}")
        align = 8
        known = t.KINDS.get(section.kind)
        if known:
            if section.kind in seen:
                raise Violation("S-7", f"there are two sections {known.name}")
            seen.add(section.kind)
            if known.group != group:
                group = known.group
                align = t.PAGE_LEN
            if section.kind == t.BYTECODE:
                align = max(align, code_align)
            check_len(section, known)
        elif section.flags & t.REQUIRED:
            raise Violation("S-6", f"a required section is of kind {section.kind:#x}")
        if section.offset % align:
            raise Violation("S-4", f"section {section.name} lies at {section.offset:#x}, no multiple of {align}")
    return sections


def check_len(section, known):
    if section.kind in (t.CONSTANTS, t.DOCSTRINGS):
        limit = t.MAX_POOL
    elif section.kind in (t.SOURCES, t.FILES):
        limit = section.len
    else:
        limit = t.MAX_U32_SECTION
    if section.len % known.record or section.len > limit:
        raise Violation("S-8", f"section {known.name} has {section.len} bytes, a record {known.record}")
