"""Decodes a marshal stream into an arena of nodes that keeps what `marshal.loads` loses.

After `marshal.loads`, a program cannot find out whether a string was written as interned, in which order the members
of a frozenset were written, or the names and kinds of the "locals plus" of a code object: the code constructor itself
interns and merges some objects. This decoder keeps all of that.

Every object of the stream is a node with a number. A back reference gives the number of its node, so *same number*
means *same object when loaded*. Three kinds of objects may occur twice in the stream although every interpreter makes
one object of them. They get one node:

* strings that are marked as interned, by their text;
* the singletons `None`, `True`, `False`, `...` and `StopIteration`;
* small ints, the empty tuple and others that *this* interpreter shares. `_shared` finds them by loading them twice.

The decoder has its own stack, so nested objects do not nest Python calls. It reads the streams of the interpreter that
runs it (3.8 and later). It knows the layout of code objects by version.
"""

import marshal
import struct
import sys

__all__ = ["Arena", "BadStream", "CODE_INTS", "CODE_FIELDS", "decode"]


class BadStream(ValueError):
    """The bytes are not a marshal stream of this interpreter."""


# The fields of a code object in stream order; "firstlineno" is a plain number among objects.
if sys.version_info >= (3, 11):
    CODE_INTS = ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_stacksize", "co_flags")
    CODE_FIELDS = ("co_code", "co_consts", "co_names", "co_localsplusnames", "co_localspluskinds",
                   "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable")
else:
    CODE_INTS = ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_nlocals",
                 "co_stacksize", "co_flags")
    CODE_FIELDS = ("co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars",
                   "co_filename", "co_name",
                   "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab")
_INTS_LEN = 4 * len(CODE_INTS)
_INTS_FMT = struct.Struct("<%di" % len(CODE_INTS))
_BEFORE_LINE = len(CODE_FIELDS) - (2 if sys.version_info >= (3, 11) else 1)


def _twice(stream):
    return marshal.loads(stream) is marshal.loads(stream)


def _shared():
    """The values that this interpreter shares, found by loading them twice."""
    top = 255
    while top < 65536 and _twice(b"i" + struct.pack("<i", top + 1)):
        top += 1
    low = 0
    while low > -65536 and _twice(b"i" + struct.pack("<i", low - 1)):
        low -= 1
    texts = {""} if _twice(b"z\0") else set()
    texts.update(chr(c) for c in range(128) if _twice(b"z\1" + bytes([c])))
    for c in range(128, 256):
        raw = chr(c).encode("utf-8")
        if _twice(b"u" + struct.pack("<i", len(raw)) + raw):
            texts.add(chr(c))
    blobs = {b""} if _twice(b"s\0\0\0\0") else set()
    blobs.update(bytes([c]) for c in range(256) if _twice(b"s\1\0\0\0" + bytes([c])))
    return (low, top, frozenset(texts), frozenset(blobs), _twice(b")\0"), _twice(b">\0\0\0\0"))


_LOW, _TOP, _TEXTS, _BLOBS, _EMPTY_TUPLE, _EMPTY_FROZENSET = _shared()


class Arena:
    """The nodes of one stream.

    `tags[i]` is the exact type of node i by name (strings: "str" whether interned or not) and
    `vals[i]` its value: the value itself for int, str and bytes; 8 or 16 raw bytes for float and
    complex; the numbers of the members in stream order for tuple, list, set, frozenset, slice and
    (key, value, key, value...) dict and frozendict; `(ints, firstlineno, numbers of CODE_FIELDS)` for code.
    `interned` holds the numbers of the strings marked as interned.
    """

    __slots__ = ("tags", "vals", "interned", "root", "used")

    def __init__(self):
        self.tags, self.vals, self.interned, self.root, self.used = [], [], set(), None, 0


_SINGLETONS = {0x4E: "NoneType", 0x46: "False", 0x54: "True", 0x53: "StopIteration", 0x2E: "ellipsis"}
_TUPLE, _SMALL_TUPLE, _LIST, _SET, _FROZENSET, _DICT, _FROZENDICT, _SLICE, _CODE = b"()[<>{}:c"
_SIZED = {_TUPLE: "tuple", _SMALL_TUPLE: "tuple", _LIST: "list", _SET: "set", _FROZENSET: "frozenset"}
_STRINGS = {}  # type byte -> (bytes of the length, is ASCII, is interned)
for _codes, _width, _ascii in ((b"ut", 4, False), (b"aA", 4, True), (b"zZ", 1, True)):
    _STRINGS[_codes[0]] = (_width, _ascii, False)
    _STRINGS[_codes[1]] = (_width, _ascii, True)


def _long(data, pos, count):
    if len(data) < pos + 2 * abs(count):
        raise BadStream("int runs past the end")
    value = 0
    for k in range(abs(count) - 1, -1, -1):
        value = value << 15 | (data[pos + 2 * k] | data[pos + 2 * k + 1] << 8)
    return -value if count < 0 else value


def _text_float(data, pos):
    end = pos + 1 + data[pos]
    return struct.pack("<d", float(data[pos + 1:end])), end


def decode(data):
    """The `Arena` of the first object in `data` (bytes); `arena.used` is the offset of its end."""
    try:
        return _decode(data)
    except (IndexError, struct.error) as error:
        raise BadStream("stream ends early or refers to nothing: %s" % error)
    except UnicodeDecodeError as error:
        raise BadStream("not a string: %s" % error)


def _decode(data):
    arena = Arena()
    tags, vals, interned = arena.tags, arena.vals, arena.interned
    refs = []
    known = {}  # (tag, value, interned) of a shared object -> node number
    stack = []  # open containers: [members, expected number of members, node number]
    i32 = struct.Struct("<i").unpack_from
    members, wanted, owner = [], 1, None  # the innermost; the outermost one has the root as member
    pos = 0
    end = len(data)

    def shared(tag, value, mark=False):
        key = (tag, value, mark)
        number = known.get(key)
        if number is None:
            number = known[key] = len(tags)
            tags.append(tag)
            vals.append(value)
            if mark:
                interned.add(number)
        return number

    while True:
        byte = data[pos]
        pos += 1
        kind = byte & 0x7F
        opened = None
        if kind == 0x72:  # r
            number = refs[i32(data, pos)[0]]
            if number is None:
                raise BadStream("reference to an object not yet made")
            pos += 4
            if byte & 0x80:
                raise BadStream("a reference marked as a reference's target")
        elif kind in _STRINGS:
            width, is_ascii, mark = _STRINGS[kind]
            size = data[pos] if width == 1 else i32(data, pos)[0]
            pos += width
            if size < 0 or pos + size > end:
                raise BadStream("string runs past the end")
            raw = data[pos:pos + size]
            pos += size
            # CPython takes the "ASCII" ones for Latin-1.
            text = raw.decode("latin-1") if is_ascii else raw.decode("utf-8", "surrogatepass")
            if mark or text in _TEXTS:
                number = shared("str", text, mark)
            else:
                number = len(tags)
                tags.append("str")
                vals.append(text)
        elif kind in _SIZED:
            if kind == _SMALL_TUPLE:
                size = data[pos]
                pos += 1
            else:
                size = i32(data, pos)[0]
                pos += 4
            if size < 0 or size > end - pos:
                raise BadStream("more members than bytes")
            tag = _SIZED[kind]
            if size == 0 and (tag == "tuple" and _EMPTY_TUPLE or tag == "frozenset" and _EMPTY_FROZENSET):
                number = shared(tag, ())
            else:
                opened = size
        elif kind == 0x69:  # i
            value = i32(data, pos)[0]
            pos += 4
            if _LOW <= value <= _TOP:
                number = shared("int", value)
            else:
                number = len(tags)
                tags.append("int")
                vals.append(value)
        elif kind == 0x73:  # s
            size = i32(data, pos)[0]
            pos += 4
            if size < 0 or pos + size > end:
                raise BadStream("bytes run past the end")
            value = data[pos:pos + size]
            pos += size
            if value in _BLOBS:
                number = shared("bytes", value)
            else:
                number = len(tags)
                tags.append("bytes")
                vals.append(value)
        elif kind in _SINGLETONS:
            number = shared(_SINGLETONS[kind], None)
        elif kind == _CODE:
            tag, opened = "code", _BEFORE_LINE
            ints = _INTS_FMT.unpack_from(data, pos)
            pos += _INTS_LEN
        elif kind == _DICT:
            tag, opened = "dict", -1
        elif kind == _FROZENDICT and sys.version_info >= (3, 15):
            tag, opened = "frozendict", -1
        elif kind == _SLICE and sys.version_info >= (3, 14):
            tag, opened = "slice", 3
        elif kind == 0x30:  # 0, the end of a dict
            if wanted != -1 or len(members) % 2:
                raise BadStream("NULL where an object should be")
            wanted = len(members)
            number = None
        else:
            number = len(tags)
            if kind == 0x6C:  # l
                count = i32(data, pos)[0]
                value = _long(data, pos + 4, count)
                pos += 4 + 2 * abs(count)
                if _LOW <= value <= _TOP:
                    number = shared("int", value)
                else:
                    tags.append("int")
                    vals.append(value)
            elif kind == 0x49:  # I
                tags.append("int")
                vals.append(struct.unpack_from("<q", data, pos)[0])
                pos += 8
            elif kind in (0x67, 0x79):  # g, y
                size = 8 if kind == 0x67 else 16
                if pos + size > end:
                    raise BadStream("float runs past the end")
                tags.append("float" if size == 8 else "complex")
                vals.append(data[pos:pos + size])
                pos += size
            elif kind == 0x66:  # f
                tags.append("float")
                value, pos = _text_float(data, pos)
                vals.append(value)
            elif kind == 0x78:  # x
                real, pos = _text_float(data, pos)
                imag, pos = _text_float(data, pos)
                tags.append("complex")
                vals.append(real + imag)
            else:
                raise BadStream("unknown type byte 0x%02x at %d" % (byte, pos - 1))

        if opened is not None:
            number = len(tags)
            tags.append(tag)
            inner = []
            vals.append((ints, inner) if tag == "code" else inner)
        if byte & 0x80 and kind not in _SINGLETONS:  # singletons take no place in the table, with or without the flag
            # A frozenset, frozendict, slice or code object cannot be referred to before it is complete, but it
            # has its place in the table from its first byte on, as containers do.
            refs.append(number)
        if opened is not None:
            stack.append((members, wanted, owner))
            members, wanted, owner = inner, opened, number
        elif number is not None:
            members.append(number)

        while len(members) == wanted:
            if owner is None:
                arena.root, arena.used = members[0], pos
                return arena
            if tags[owner] == "code" and len(vals[owner]) == 2:
                ints, inner = vals[owner]
                vals[owner] = (ints, i32(data, pos)[0], inner)
                pos += 4
                wanted = len(CODE_FIELDS)
                break
            done = owner
            members, wanted, owner = stack.pop()
            members.append(done)
