"""The tables of `spec.md`: numbers, flags, records and limits."""

import struct
from typing import NamedTuple

NONE = 0xFFFFFFFF

# 5.1 and 5.2
MAGIC = b"\x89PERMA\r\n"
FORMAT_VERSION = 1
GENERIC_HEADER_LEN = 32
HEADER_LEN = 64
HEADER = struct.Struct("<8sIIQIIIIIIBBB13s")
PAGE_LEN = 4096
PAGE_LOG2 = 12
CHUNK_LOG2 = 12
MAX_CODE_ALIGN_LOG2 = 12

# 5.3
SECTION = struct.Struct("<IIQQII")
REQUIRED = 0x1
PRIVATE_SECTIONS = 0x80000000

TARGETS, MODULES, RESOURCES, INDEX, NAMES = 1, 2, 3, 4, 5
CODE, WIDE, LISTS, OBJECTS, CONSTANTS, BYTECODE = 6, 7, 8, 9, 10, 11
DETAILS, DOCSTRINGS, TABLES, SIGNATURES, SIGNATURE_TEXT = 12, 13, 14, 15, 16
SOURCES, FILES, CHECKSUMS = 17, 18, 19


class Kind(NamedTuple):
    """A row of the table of section kinds."""

    name: str
    group: str
    record: int


KINDS = {
    TARGETS: Kind("targets", "lookup", 104),
    MODULES: Kind("modules", "lookup", 76),
    RESOURCES: Kind("resources", "lookup", 28),
    INDEX: Kind("index", "lookup", 1),
    NAMES: Kind("names", "lookup", 1),
    CODE: Kind("code", "hot", 28),
    WIDE: Kind("wide", "hot", 56),
    LISTS: Kind("lists", "hot", 2),
    OBJECTS: Kind("objects", "hot", 4),
    CONSTANTS: Kind("constants", "hot", 1),
    BYTECODE: Kind("bytecode", "hot", 1),
    DETAILS: Kind("details", "cold", 10),
    DOCSTRINGS: Kind("docstrings", "cold", 1),
    TABLES: Kind("tables", "cold", 1),
    SIGNATURES: Kind("signatures", "cold", 12),
    SIGNATURE_TEXT: Kind("signature-text", "cold", 1),
    SOURCES: Kind("sources", "cold", 1),
    FILES: Kind("files", "cold", 1),
    CHECKSUMS: Kind("checksums", "cold", 4),
}

# 5.4; the two index headers are read with INDEX_HEADER
TARGET = struct.Struct("<16sIIBBBBIIIIII24s24sI")
TARGET_FLAGS = 0x1F
LINE_ENCODINGS = range(4)
EXCEPTION_ENCODINGS = range(2)

# 5.5
MODULE = struct.Struct("<IHHIIIIIIIQQ16sq")
PACKAGE, NAMESPACE, SOURCE_TEXT, SOURCE_MTIME, SOURCE_EXECUTABLE = 0x1, 0x2, 0x4, 0x8, 0x10
MODULE_FLAGS = PACKAGE | NAMESPACE | SOURCE_TEXT | SOURCE_MTIME | SOURCE_EXECUTABLE

# 5.6
INDEX_HEADER = struct.Struct("<QIIII")
SLOT = struct.Struct("<HHII")
EMPTY_SLOT = SLOT.pack(0, 0, 0, NONE)

# 5.7
RESOURCE = struct.Struct("<IHHIQQ")
RESOURCE_FLAGS = 0x1

# 5.8
CODE_RECORD = struct.Struct("<IIIHHHHHBBBBBB")
CODE_DETAIL = struct.Struct("<IHHH")
WIDE_CODE = struct.Struct("<IIIIIIIIIIIIiI")
WIDE_LIST, WIDE_RECORD, FILENAME = 0x01, 0x02, 0x20
FORM_UNDEFINED = 0xC0
FORM_NAME, FORM_MEMBER, FORM_LOCAL, FORM_EXPLICIT = 0, 1, 2, 3
NO_DOCSTRING = 255

# 5.11
KIND_BITS = 0x1F
OBJECT_WIDE, OBJECT_CODE = 0x20, 0x40
INT, FLOAT, COMPLEX, BYTES, ASCII, UTF8, SURROGATES, QUALNAME = 6, 7, 8, 9, 10, 11, 12, 13
TUPLE, FROZENSET, LIST, SET, DICT, FROZENDICT, SLICE = 16, 17, 18, 19, 20, 21, 22
OBJECT_FLAGS = {
    **dict.fromkeys(range(1, 10), 0x00),
    **dict.fromkeys((ASCII, UTF8, SURROGATES, QUALNAME), 0x20),
    **dict.fromkeys(range(TUPLE, SLICE + 1), OBJECT_WIDE | OBJECT_CODE),
}
STRINGS = frozenset((ASCII, UTF8, SURROGATES))

# 5.12
SIGNATURE = struct.Struct("<III")

# 9
MAX_SECTIONS = 256
MAX_DEPTH = 2000
MAX_PARENTS = 2000
MAX_QUALNAME_LEN = 65536
MAX_NAME_LEN = 65535
MAX_U32_SECTION = 2**32
MAX_POOL = 2**31
LIST_BUDGET = 8
