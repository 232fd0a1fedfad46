"""Reads hidden state of CPython's objects from memory.

The layouts of versions are not written down here. Objects with known contents show where a field lies, and `check`
confirms that for the running interpreter. An unknown layout raises `Unknown` and never gives a wrong answer.
"""

import ctypes
import marshal
import sys
from array import array
from types import CodeType

__all__ = ["Unknown", "check", "interned", "is_immortal", "locals_plus", "never_set", "words"]

WORD = ctypes.sizeof(ctypes.c_void_p)
_ALL = (1 << 8 * WORD) - 1
#: Offset of the state of a string. Before it are the reference count, the type, the length and the hash.
_STATE = object.__basicsize__ + 2 * WORD


class Unknown(Exception):
    """The layout of objects in this build of the interpreter is unknown."""


def _word(address):
    return ctypes.c_size_t.from_address(address).value


def words(code):
    """The words of the fixed part of a code object, without the reference count. Bits that are never set are 0."""
    return [word & mask for word, mask in zip(_fixed_part(code, ctypes.c_size_t), _MASKS)]


def never_set(number):
    """The bits of a word of `words` that are never set."""
    return _ALL & ~_MASKS[number]


def _fixed_part(code, unit):
    count = (CodeType.__basicsize__ - WORD) // ctypes.sizeof(unit)
    return (unit * count).from_address(id(code) + WORD)[:]


def _masks():
    """For each word, the bits that CPython sets when it makes a code object. The others keep what the memory held."""
    stream = marshal.dumps((lambda: None).__code__)  # small, so that it gets a freed small block
    size = sys.getsizeof(marshal.loads(stream))

    def usual_bytes_over(byte):
        """The most frequent bytes of code objects that are made in memory filled with this byte."""
        blocks = [array("B", [byte]) * size for _ in range(100)]
        freed = {block.buffer_info()[0] for block in blocks[::2]}
        del blocks[::2]  # every other one: a pool that is free as a whole may serve another size
        made = [marshal.loads(stream) for _ in range(1000)]
        columns = zip(*(_fixed_part(code, ctypes.c_uint8) for code in made if id(code) in freed))
        return [max(set(column), key=column.count) for column in columns]

    bits = bytes(0 if found == (0, 0xFF) else 0xFF for found in zip(usual_bytes_over(0), usual_bytes_over(0xFF)))
    return [int.from_bytes(bits[at:at + WORD], sys.byteorder) for at in range(0, len(bits), WORD)]


def interned(text):
    """How a string is interned: 0 not at all, 1 until it is freed, 2 or 3 for ever."""
    return ctypes.c_uint8.from_address(id(text) + _STATE).value & 3


def is_immortal(value):
    """Is the object immortal, so that its reference count never changes (3.12 and later)?"""
    return sys.version_info >= (3, 12) and sys.getrefcount(value) > 1 << 28


def locals_plus(code):
    """Names and kinds of locals, cells and free variables as the interpreter stores them (3.11 and later)."""
    names, kinds = (ctypes.cast(_word(id(code) + at), ctypes.py_object).value for at in (_NAMES, _NAMES + WORD))
    return names, kinds


def _sample():
    def outer(positional, kept, *, keyword):
        local = positional

        def inner():
            return kept, local

        return inner, keyword

    return outer.__code__, outer.__code__.co_consts


def _offset_of_names():
    """Offset of the names of the locals in a code object: two words before the file name, with the kinds between."""
    code = _offset_of_names.__code__
    found = [at for at in range(WORD, CodeType.__basicsize__, WORD) if _word(id(code) + at) == id(code.co_filename)]
    if len(found) != 1:
        return None
    names = found[0] - 2 * WORD
    types = [_word(_word(id(code) + at) + WORD) for at in (names, names + WORD)]
    return names if types == [id(tuple), id(bytes)] else None


_NAMES = _offset_of_names() if sys.version_info >= (3, 11) else None
_MASKS = _masks()


def check():
    """Raises `Unknown` unless this module reads the right values in this interpreter."""
    for text in ("a text that %s", "b\xe9h\xe9 %s", "\u20acuro %s", "\U0001f600 %s"):
        plain = text % "that is not interned"
        before = interned(plain)
        if sys.intern(plain) is not plain or before != 0 or interned(plain) == 0:
            raise Unknown("whether a string is interned: %d before it was, %d after" % (before, interned(plain)))
    if sys.version_info >= (3, 11):
        if _NAMES is None:
            raise Unknown("no field of a code object holds the names of its locals")
        outer, consts = _sample()
        inner = next(c for c in consts if isinstance(c, CodeType))
        local, cell, free = 0x20, 0x40, 0x80
        # From 3.14 on, a kind also tells whether the variable is a parameter, and which kind of parameter.
        positional, keyword = (0x06, 0x04) if sys.version_info >= (3, 14) else (0, 0)
        expected = [(("positional", "kept", "keyword", "inner", "local"),
                     [local | positional, local | cell | positional, local | keyword, local, cell]),
                    (("kept", "local"), [free, free])]
        for code, (names, kinds) in zip((outer, inner), expected):
            found_names, found_kinds = locals_plus(code)
            if found_names != names or list(found_kinds) != kinds:
                raise Unknown("locals of %s: %r, %r" % (code.co_name, found_names, found_kinds))
    if words(check.__code__)[0] != id(CodeType):
        raise Unknown("the second word of an object is not its type")
    unset = [number for number, mask in enumerate(_MASKS) if mask != _ALL]
    if len(unset) > 3:
        raise Unknown("%d words of a code object are never set: %s" % (len(unset), unset))
