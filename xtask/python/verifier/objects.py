"""Chapters 5.10 and 5.11: object ids, entries and objects."""

import struct
from typing import NamedTuple

from . import tables as t
from .text import Violation, is_generalised_utf8, is_utf8, read_varint

ENTRY_OFFSET = 0x7FFFFFFF
ENTRY_DOCSTRINGS = 0x80000000
FLOAT_LENS = {t.FLOAT: 8, t.COMPLEX: 16}


class Parsed(NamedTuple):
    """An object, as read from its own bytes."""

    kind: int
    flags: int
    # Bytes of an int, of text or of a bytes object; items of a container; of a qualname the index of the constant.
    number: int
    # The bytes, or the items of a container: object ids, and in a wide one ids of code objects with bit 31 set.
    payload: object
    # Only of a container; the bound only with the flag CODE.
    depth: int
    bound: int


class Known(NamedTuple):
    """The properties of a checked object that matter to objects that refer to it."""

    kind: int
    # Bytes of text or of a bytes object; of a qualname the index of the constant.
    number: int
    depth: int
    # The lowest code object that can be reached, and one more than the highest; 0 for none.
    lowest: int
    bound: int


class Objects:
    """The objects of an archive. Each is checked once, with all objects that it refers to."""

    def __init__(self, archive, checksums):
        self.archive = archive
        self.checksums = checksums
        section = archive.section(t.OBJECTS)
        self.entries = struct.unpack(f"<{len(section) // 4}I", section)
        self.count = len(self.entries)
        self.code_count = archive.count(t.CODE)
        self.pools = {t.CONSTANTS: archive.section(t.CONSTANTS), t.DOCSTRINGS: archive.section(t.DOCSTRINGS)}
        self.known = {}
        # Objects do not overlap, so those that were visited cannot have more bytes than both sections. This bounds the
        # work if many entries point at one large object.
        self._budget = sum(map(len, self.pools.values()))

    def place(self, id):
        """The section of the object, and its offset there."""
        entry = self.entries[id]
        return t.DOCSTRINGS if entry & ENTRY_DOCSTRINGS else t.CONSTANTS, entry & ENTRY_OFFSET

    def check_string(self, rule, id):
        """The object exists and, according to its first bytes, is a string."""
        if id >= self.count:
            raise Violation(rule, f"object {id} does not exist, there are {self.count}")
        section, at = self.place(id)
        kind, _flags, _number, _end = self.head(section, at)
        if kind not in t.STRINGS:
            raise Violation(rule, f"object {id} is of kind {kind}, no string")

    def head(self, section, at):
        """Kind and flags, the number behind them, and where that ends. [O-2] for all but containers.

        The number is the length of bytes and text, and the constant of a qualname. The end is that of the object; of a
        container it is the end of the number of its items.
        """
        pool = self.pools[section]
        start = at
        try:
            first = pool[at]
            at += 1
            kind = first & t.KIND_BITS
            flags = first & ~t.KIND_BITS
            allowed = t.OBJECT_FLAGS.get(kind)
            if allowed is None or flags & ~allowed:
                raise Violation("O-2", f"the object at {start:#x} of its section begins with {first:#x}")
            number = 0
            if kind >= t.INT:
                if kind in FLOAT_LENS:
                    number = FLOAT_LENS[kind]
                else:
                    number, at = read_varint(pool, at)
        except IndexError:
            raise Violation("O-2", f"the object at {start:#x} ends behind its section") from None
        end = at + number if t.INT <= kind < t.QUALNAME else at
        if end > len(pool):
            raise Violation("O-2", f"the object at {start:#x} has {number} bytes, too many for its section")
        return kind, flags, number, end

    def parse(self, id, section, start):
        """The object and its end: [O-2], and objects that it refers to have lower ids."""
        kind, flags, number, end = self.head(section, start)
        pool = self.pools[section]
        if kind < t.TUPLE:
            payload = pool[end - number : end] if t.INT <= kind < t.QUALNAME else None
            return Parsed(kind, flags, number, payload, 0, 0), end
        bound = 0
        try:
            depth, end = read_varint(pool, end)
            if flags & t.OBJECT_CODE:
                bound, end = read_varint(pool, end)
        except IndexError:
            raise Violation("O-2", f"the container at {start:#x} ends behind its section") from None
        width = 4 if flags & t.OBJECT_WIDE else 2
        if end + number * width > len(pool):
            raise Violation("O-2", f"the container at {start:#x} has {number} items, too many for its section")
        if flags & t.OBJECT_CODE and not flags & t.OBJECT_WIDE:
            raise Violation("O-7", f"container {id} has the flag CODE without WIDE")
        if width == 4:
            items = struct.unpack_from(f"<{number}I", pool, end)
        else:
            items = [i if i < 0x8000 else id - 1 - (i - 0x8000) for i in struct.unpack_from(f"<{number}H", pool, end)]
        return Parsed(kind, flags, number, items, depth, bound), end + number * width

    def reach(self, ids):
        """Checks objects, which must exist, and all objects that they refer to."""
        known = self.known
        todo = [id for id in ids if id not in known]
        if not todo:
            return
        parsed = {}
        while todo:
            id = todo.pop()
            if id in known or id in parsed:
                continue
            self.checksums.touch_record(t.OBJECTS, id)
            section, start = self.place(id)
            object, end = self.parse(id, section, start)
            self.checksums.touch(section, start, end)
            self._budget -= end - start
            if self._budget < 0:
                raise Violation("O-1", f"the objects up to {id} have more bytes than their sections: some overlap")
            parsed[id] = object
            if object.kind >= t.TUPLE:
                wide = object.flags & t.OBJECT_WIDE
                for item in object.payload:
                    if wide and item & 0x80000000:
                        if item & 0x7FFFFFFF >= self.code_count:
                            raise Violation("O-7", f"container {id} refers to code object {item & 0x7FFFFFFF}, "
                                                   f"there are {self.code_count}")
                    elif not 0 <= item < id:
                        raise Violation("O-6", f"container {id} refers to object {item}")
                    elif item not in known:
                        todo.append(item)
        # Objects that an object refers to have lower ids, so they are checked before it.
        for id in sorted(parsed):
            known[id] = self.check(id, parsed[id])

    def check(self, id, object):
        kind = object.kind
        if kind >= t.TUPLE:
            return self.check_container(id, object)
        if kind in t.STRINGS:
            check_text(id, kind, object.payload)
        elif kind == t.INT:
            check_int(id, object.payload)
        return Known(kind, object.number, 0, t.NONE, 0)

    def check_container(self, id, object):
        items = object.payload
        if (object.kind in (t.DICT, t.FROZENDICT) and len(items) % 2) or (object.kind == t.SLICE and len(items) != 3):
            raise Violation("O-8", f"container {id} of kind {object.kind} has {len(items)} items")
        wide = object.flags & t.OBJECT_WIDE
        depth, lowest, bound = 0, t.NONE, 0
        for item in items:
            if wide and item & 0x80000000:
                code = item & 0x7FFFFFFF
                lowest = min(lowest, code)
                bound = max(bound, code + 1)
                continue
            inner = self.known[item]
            if inner.kind == t.QUALNAME:
                raise Violation("O-5", f"container {id} holds the qualname {item}")
            if inner.kind >= t.TUPLE:
                depth = max(depth, inner.depth)
                lowest = min(lowest, inner.lowest)
                bound = max(bound, inner.bound)
        depth += 1
        if object.depth != depth or depth > t.MAX_DEPTH:
            raise Violation("O-6", f"container {id} states the depth {object.depth}, it has {depth}")
        has_code = object.flags & t.OBJECT_CODE != 0
        if has_code != (bound > 0) or (has_code and object.bound != bound):
            raise Violation("O-7", f"container {id} states the bound {object.bound}, it has {bound}")
        return Known(object.kind, 0, depth, lowest, bound)

    def check_all(self):
        """[O-1], and the rules for each object."""
        starts = {}
        for id in range(self.count):
            if starts.setdefault(self.place(id), id) != id:
                raise Violation("O-1", f"objects {starts[self.place(id)]} and {id} have the same place")
        for section, pool in self.pools.items():
            at = 0
            while at < len(pool):
                id = starts.pop((section, at), None)
                if id is None:
                    raise Violation("O-1", f"no entry points at {at:#x} of section {t.KINDS[section].name}")
                _, at = self.parse(id, section, at)
        if starts:
            (section, at), id = starts.popitem()
            raise Violation("O-1", f"object {id} does not begin at {at:#x} of section {t.KINDS[section].name}")
        self.reach(range(self.count))


def check_text(id, kind, text):
    if text.isascii():
        narrowest = t.ASCII
    elif is_utf8(text):
        narrowest = t.UTF8
    elif is_generalised_utf8(text):
        narrowest = t.SURROGATES
    else:
        raise Violation("O-4", f"string {id} is no text")
    if kind != narrowest:
        raise Violation("O-4", f"string {id} is of kind {kind}, {narrowest} is the narrowest that holds it")


def check_int(id, payload):
    if not payload:
        return
    last = payload[-1]
    sign = payload[-2] & 0x80 if len(payload) > 1 else None
    if (last == 0x00 and not sign) or (last == 0xFF and sign):
        raise Violation("O-3", f"int {id} has more bytes than it needs")
