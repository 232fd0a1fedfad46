"""Chapters 5.14 and 6: padding, the checksums of whole sections, and the checksums of chunks."""

import struct
from zlib import crc32

from . import tables as t
from .text import Violation


def check_padding(archive):
    """[S-5]: bytes between header, section table and sections are zero, and nothing follows the last section."""
    data = archive.data
    end = t.HEADER_LEN + len(archive.sections) * t.SECTION.size
    for section in archive.sections:
        # Most of a small archive is padding, and `count` is quick.
        if data[end : section.offset].count(0) != section.offset - end:
            raise Violation("S-5", f"the padding before section {section.name} is not zero")
        end = section.offset + section.len
    if end != len(data):
        raise Violation("S-5", f"the last section ends at {end:#x}, the archive at {len(data):#x}")


class Checksums:
    """Checks each section and each chunk at most once."""

    def __init__(self, archive):
        self.archive = archive
        self.chunk_len = 1 << archive.chunk_log2
        self._sections = set()
        # By kind, a byte for each chunk: 1 if it has been checked.
        self._checked = {}
        section = archive.section(t.CHECKSUMS)
        self._crcs = struct.unpack(f"<{len(section) // 4}I", section)

    def check_section(self, section):
        """[S-9] for an entry of the section table."""
        if section in self._sections:
            return
        self._sections.add(section)
        found = crc32(self.archive.data[section.offset : section.offset + section.len])
        if found != section.crc:
            raise Violation("S-9", f"section {section.name} has the CRC {found:#x}, its entry says {section.crc:#x}")

    def touch(self, kind, start, end):
        """[K-1] for the chunks of a range, which must lie in the section."""
        if start == end:
            return
        log2 = self.archive.chunk_log2
        checked = self._checked.get(kind)
        if checked is None:
            checked = self._checked[kind] = bytearray(((self.archive.len(kind) - 1) >> log2) + 1)
        behind = ((end - 1) >> log2) + 1
        # Many ranges may span many chunks. `find` quickly skips those that have been checked.
        chunk = checked.find(0, start >> log2, behind)
        while chunk >= 0:
            self._check_chunk(kind, chunk)
            checked[chunk] = 1
            chunk = checked.find(0, chunk, behind)

    def touch_record(self, kind, index):
        """[K-1] for the chunks of a record, which must exist."""
        size = t.KINDS[kind].record
        self.touch(kind, index * size, (index + 1) * size)

    def touch_whole(self, kind):
        self.touch(kind, 0, self.archive.len(kind))

    def check_all(self):
        """[S-9] and [K-1] as a whole."""
        for section in self.archive.sections:
            self.check_section(section)
            if section.kind == t.CHECKSUMS:
                if section.first_chunk != t.NONE:
                    raise Violation("K-1", f"first_chunk of the checksums section is {section.first_chunk}, not NONE")
            elif section.kind in t.KINDS:
                self.touch_whole(section.kind)

    def _check_chunk(self, kind, chunk):
        section = self.archive.by_kind[kind]
        index = section.first_chunk + chunk
        if index >= len(self._crcs):
            raise Violation("K-1", f"chunk {chunk} of section {section.name} has no CRC")
        start = chunk * self.chunk_len
        found = crc32(self.archive.section(kind)[start : start + self.chunk_len])
        if found != self._crcs[index]:
            text = f"chunk {chunk} of section {section.name} has the CRC {found:#x}, not {self._crcs[index]:#x}"
            raise Violation("K-1", text)
