"""An archive as bytes that can be damaged on purpose. Names and places are those of spec.md, 5.1 to 5.4."""

import pathlib
import struct
import zlib

FOLDER = pathlib.Path(__file__).parent

MAGIC = b"\x89PERMA\r\n"
VERSION, HEADER_CRC, SECTION_COUNT, TABLE_CRC, HEADER_LEN = 0x08, 0x18, 0x28, 0x2C, 64
ENTRY_LEN, ENTRY_CRC = 32, 0x18
NO_CHUNKS = 0xFFFFFFFF
TARGETS, BYTECODE_MAGIC = 1, 0x10
CODE, OBJECTS, CONSTANTS, BYTECODE = 6, 9, 10, 11
DOCSTRINGS, SOURCES, FILES, CHECKSUMS = 13, 17, 18, 19
CODE_LEN = 28
CHUNK_LEN = 4096


def table_end(data):
    """Where the section table ends, which follows the header."""
    (count,) = struct.unpack_from("<I", data, SECTION_COUNT)
    return HEADER_LEN + count * ENTRY_LEN


def sections(data):
    """`(place of the entry, kind, offset, length, first chunk)` of each section."""
    for place in range(HEADER_LEN, table_end(data), ENTRY_LEN):
        kind, _, offset, length, _, first_chunk = struct.unpack_from("<IIQQII", data, place)
        yield place, kind, offset, length, first_chunk


def repair_header(data):
    struct.pack_into("<I", data, HEADER_CRC, 0)
    struct.pack_into("<I", data, HEADER_CRC, zlib.crc32(data[:HEADER_LEN]))


def set_instructions(data, instructions):
    """Gives the one code object of an archive these instructions, which are no more than it had."""
    places = {kind: (offset, length) for _, kind, offset, length, _ in sections(data)}
    record, length = places[CODE]
    assert length == CODE_LEN, "an archive of one code object"
    (offset,) = struct.unpack_from("<I", data, record)
    (room,) = struct.unpack_from("<H", data, record + 12)
    assert len(instructions) <= room
    struct.pack_into("<H", data, record + 12, len(instructions))
    start = places[BYTECODE][0] + offset
    data[start : start + len(instructions)] = instructions


def repair(data, layout=None):
    """Makes every checksum right, as whoever forges an archive can: no damage is noticed by its checksum any more.

    `layout` has the sections of the archive as it was, where the damage is to the section table itself.
    """
    layout = layout or list(sections(data))
    (checksums,) = [offset for _, kind, offset, _, _ in layout if kind == CHECKSUMS]
    for _, _, offset, length, first_chunk in layout:
        if first_chunk != NO_CHUNKS:
            for number, start in enumerate(range(offset, offset + length, CHUNK_LEN)):
                chunk = data[start : min(start + CHUNK_LEN, offset + length)]
                struct.pack_into("<I", data, checksums + 4 * (first_chunk + number), zlib.crc32(chunk))
    for place, _, offset, length, _ in layout:
        struct.pack_into("<I", data, place + ENTRY_CRC, zlib.crc32(data[offset : offset + length]))
    struct.pack_into("<I", data, TABLE_CRC, zlib.crc32(data[HEADER_LEN : HEADER_LEN + len(layout) * ENTRY_LEN]))
    repair_header(data)


def set_format_version(data, version):
    struct.pack_into("<I", data, VERSION, version)
    repair_header(data)


def set_bytecode_magic(data, magic):
    (offset,) = [offset for _, kind, offset, _, _ in sections(data) if kind == TARGETS]
    struct.pack_into("<I", data, offset + BYTECODE_MAGIC, magic)
    repair(data)
