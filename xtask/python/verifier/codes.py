"""Chapters 5.8, 5.9 and 5.12: code objects, their lists, and their signatures."""

import struct
from bisect import bisect_left
from typing import NamedTuple

from . import tables as t
from .text import Apart, Violation, is_utf8

NARROW_WINDOW = 0x8000
NARROW_CODE = 0xC000
WIDE_CODE_BIT = 0x80000000
# The text between the qualified name of the parent and the name.
SEPARATOR_LENS = {t.FORM_MEMBER: len("."), t.FORM_LOCAL: len(".<locals>.")}


class Code(NamedTuple):
    """The values of a code object, wherever they are stored."""

    bytecode_offset: int
    list_offset: int
    form: int
    bytecode_len: int
    constant_count: int
    name_count: int
    local_count: int
    # The index of the docstring among the constants, or NONE.
    docstring: int
    tables_offset: int
    tables_len: int
    parent_delta: int
    # The index of the WideCode, or None.
    wide: object

    @property
    def qualname_form(self):
        return (self.form >> 2) & 3

    @property
    def item_count(self):
        before_locals = 2 + (self.qualname_form == t.FORM_EXPLICIT) + (self.form & t.FILENAME != 0)
        return before_locals + self.local_count + self.constant_count + self.name_count


class Codes:
    """The code objects of an archive."""

    def __init__(self, archive, checksums, objects):
        self.archive = archive
        self.checksums = checksums
        self.objects = objects
        self.count = archive.count(t.CODE)
        self.records = archive.section(t.CODE)
        self.details = archive.section(t.DETAILS)
        self.wide = archive.section(t.WIDE)
        self.signatures = list(t.SIGNATURE.iter_unpack(archive.section(t.SIGNATURES)))
        self._signed_codes = [code for code, _, _ in self.signatures]
        self._signature_texts = Apart("G-2", "the signature", archive.len(t.SIGNATURE_TEXT))

    def read(self, id):
        """[C-3] and the values."""
        (bytecode_offset, list_offset, _flags, bytecode_len, constant_count, name_count, local_count, stack_size,
         arg_count, posonly_count, kwonly_count, form, docstring, exception_len) = t.CODE_RECORD.unpack_from(
            self.records, id * t.CODE_RECORD.size)
        tables_offset, line_len, first_line, parent_delta = t.CODE_DETAIL.unpack_from(
            self.details, id * t.CODE_DETAIL.size)
        if form & t.FORM_UNDEFINED:
            raise Violation("C-3", f"code object {id} has the form {form:#x}")
        index = None
        if form & t.WIDE_RECORD:
            index = bytecode_len + 65536 * constant_count
            if index >= len(self.wide) // t.WIDE_CODE.size:
                raise Violation("C-3", f"code object {id} has the wide form {index}, which does not exist")
            if (name_count or local_count or stack_size or arg_count or posonly_count or kwonly_count or docstring
                    or line_len or exception_len or first_line or parent_delta):
                raise Violation("C-3", f"code object {id} has values beside its wide form")
            (bytecode_len, constant_count, name_count, local_count, _, _, _, _, docstring, _, line_len, exception_len,
             _, parent_delta) = t.WIDE_CODE.unpack_from(self.wide, index * t.WIDE_CODE.size)
        elif docstring == t.NO_DOCSTRING:
            docstring = t.NONE
        return Code(bytecode_offset, list_offset, form, bytecode_len, constant_count, name_count, local_count,
                    docstring, tables_offset, line_len + exception_len, parent_delta, index)

    def check_count(self):
        """[C-1]"""
        details = self.archive.count(t.DETAILS)
        if details != self.count:
            raise Violation("C-1", f"there are {self.count} code objects and {details} details")

    def check_list_budget(self, modules):
        """[C-9]. After that, walking all lists is work in proportion to the archive."""
        items = 0
        for module in modules:
            for id in range(module.first_code, module.first_code + module.code_count):
                items += self.read(id).item_count
        if items > t.LIST_BUDGET * len(self.archive.data):
            raise Violation("C-9", f"the lists of all code objects have {items} items")

    def check_module(self, module):
        """The C rules except [C-1] and [C-9], all objects that are reached, and the signatures."""
        first, end = module.first_code, module.first_code + module.code_count
        # The number of parents of each code object, and the length of its qualified name.
        above = {}
        # A parent has a higher id, so its qualified name comes first.
        for id in range(end - 1, first - 1, -1):
            code = self.read(id)
            self.checksums.touch_record(t.CODE, id)
            self.checksums.touch_record(t.DETAILS, id)
            if code.wide is not None:
                self.checksums.touch_record(t.WIDE, code.wide)
            self.check_ranges(id, code)
            name_len, qualname_len = self.check_list(id, code, module)
            above[id] = self.check_parent(id, code, end, above, name_len, qualname_len)
            self.check_signature(id)

    def check_ranges(self, id, code):
        """[C-2] and [C-5]"""
        instructions_end = code.bytecode_offset + code.bytecode_len
        if code.bytecode_offset % self.archive.code_align or instructions_end > self.archive.len(t.BYTECODE):
            raise Violation("C-2", f"the instructions of code object {id} lie at {code.bytecode_offset:#x} "
                                   f"and have {code.bytecode_len} bytes")
        self.checksums.touch(t.BYTECODE, code.bytecode_offset, instructions_end)
        tables_end = code.tables_offset + code.tables_len
        if tables_end > self.archive.len(t.TABLES):
            raise Violation("C-5", f"the tables of code object {id} lie at {code.tables_offset:#x} "
                                   f"and have {code.tables_len} bytes")
        self.checksums.touch(t.TABLES, code.tables_offset, tables_end)

    def check_parent(self, id, code, end, above, name_len, qualname_len):
        """[C-6]. Returns the number of parents and the length of the qualified name.

        `qualname_len` is that of a qualified name that is not derived.
        """
        parents, parent_len = 0, None
        if code.parent_delta:
            parent = id + code.parent_delta
            if parent >= end:
                raise Violation("C-6", f"the parent of code object {id} is {parent}, which is not of its module")
            parents, parent_len = above[parent]
            parents += 1
            if parents > t.MAX_PARENTS:
                raise Violation("C-6", f"code object {id} has {parents} parents above it")
        form = code.qualname_form
        if form not in SEPARATOR_LENS:
            return parents, qualname_len
        if parent_len is None:
            raise Violation("C-6", f"code object {id} has no parent, which its qualified name needs")
        length = parent_len + SEPARATOR_LENS[form] + name_len
        if length > t.MAX_QUALNAME_LEN:
            raise Violation("C-6", f"the qualified name of code object {id} has {length} bytes")
        return parents, length

    def read_list(self, id, code, module):
        """[C-4]: the items, as object ids, and as ids of code objects with bit 31 set."""
        width = 4 if code.form & t.WIDE_LIST else 2
        start = 2 * code.list_offset
        count = code.item_count
        if start + width * count > self.archive.len(t.LISTS):
            raise Violation("C-4", f"the list of code object {id} lies at {start:#x} and has {count} items")
        self.checksums.touch(t.LISTS, start, start + width * count)
        items = struct.unpack_from(f"<{count}{'I' if width == 4 else 'H'}", self.archive.section(t.LISTS), start)
        if width == 2:
            window, codes = module.object_base - NARROW_WINDOW, module.first_code - NARROW_CODE
            items = [i if i < NARROW_WINDOW else i + window if i < NARROW_CODE else (i + codes) | WIDE_CODE_BIT
                     for i in items]
        for item in items:
            if item & WIDE_CODE_BIT and item < 2 * WIDE_CODE_BIT:
                if item & ~WIDE_CODE_BIT >= self.count:
                    raise Violation("C-4", f"code object {id} lists code object {item & ~WIDE_CODE_BIT}")
            elif item >= self.objects.count:
                raise Violation("C-4", f"code object {id} lists object {item}")
        return items

    def check_list(self, id, code, module):
        """[C-4], [C-7], [C-8], [C-10], [C-11], [O-5], [O-7] for its containers, and the objects themselves.

        Gives the length of the name, and of the qualified name if it is not derived.
        """
        items = self.read_list(id, code, module)
        self.objects.reach([item for item in items if not item & WIDE_CODE_BIT])
        known = self.objects.known
        constants_end = code.item_count - code.name_count
        constants_start = constants_end - code.constant_count
        constants = items[constants_start:constants_end]

        kinds = known.get(items[0])
        if kinds is None or kinds.kind != t.BYTES or kinds.number != code.local_count:
            raise Violation("C-8", f"the local kinds of code object {id} are not {code.local_count} bytes")
        for item in (*items[1:constants_start], *items[constants_end:]):
            if item & WIDE_CODE_BIT or known[item].kind not in t.STRINGS:
                raise Violation("C-10", f"code object {id} has a name that is no string")
        for item in constants:
            if item & WIDE_CODE_BIT:
                inner = item & ~WIDE_CODE_BIT
                if not module.first_code <= inner < id:
                    raise Violation("C-11", f"code object {id} lists code object {inner}")
                continue
            constant = known[item]
            if constant.kind == t.QUALNAME:
                if constant.number >= len(constants) or not constants[constant.number] & WIDE_CODE_BIT:
                    raise Violation("O-5", f"code object {id} has a qualname of constant {constant.number}")
            elif constant.bound > id:
                raise Violation("O-7", f"code object {id} lists a container with the bound {constant.bound}")
            elif constant.lowest < module.first_code:
                raise Violation("C-11", f"code object {id} reaches code object {constant.lowest} through a container")
        if code.docstring != t.NONE:
            docstring = constants[code.docstring] if code.docstring < len(constants) else WIDE_CODE_BIT
            if docstring & WIDE_CODE_BIT or known[docstring].kind not in t.STRINGS:
                raise Violation("C-7", f"constant {code.docstring} of code object {id} is no docstring")

        qualname = items[2] if code.qualname_form == t.FORM_EXPLICIT else items[1]
        return known[items[1]].number, known[qualname].number

    def check_signature(self, id):
        """[G-2] except for overlaps, for the signature of a code object."""
        index = bisect_left(self._signed_codes, id)
        if index < len(self._signed_codes) and self._signed_codes[index] == id:
            self.check_signature_text(*self.signatures[index])

    def check_signature_text(self, code, offset, length):
        end = offset + length
        if end > self.archive.len(t.SIGNATURE_TEXT):
            raise Violation("G-2", f"the signature of code object {code} lies at {offset:#x} and has {length} bytes")
        if not self._signature_texts.add(offset, end):
            return
        self.checksums.touch(t.SIGNATURE_TEXT, offset, end)
        if not is_utf8(self.archive.section(t.SIGNATURE_TEXT)[offset:end]):
            raise Violation("G-2", f"the signature of code object {code} is not UTF-8")

    def check_signature_order(self):
        """[G-1]"""
        self.checksums.touch_whole(t.SIGNATURES)
        last = -1
        for code in self._signed_codes:
            if not last < code < self.count:
                raise Violation("G-1", f"a signature of code object {code} follows that of {last}")
            last = code

    def check_signatures(self):
        """[G-2] as a whole."""
        for signature in self.signatures:
            self.check_signature_text(*signature)
        self._signature_texts.check()
