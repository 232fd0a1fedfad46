"""What CPython keeps in its objects and shows to nobody, read from memory.

Nothing here knows the layout of a version by heart.  Where a field lies is found out by objects whose
contents are known, and `check` makes sure of it in the interpreter that runs: a build laid out in
another way ends in `Unknown` and never in a wrong answer.
"""

import ctypes
import marshal
import sys
from array import array
from types import CodeType

__all__ = ["Unknown", "check", "interned", "is_immortal", "locals_plus", "never_set", "words"]

WORD = ctypes.sizeof(ctypes.c_void_p)
_ALL = (1 << 8 * WORD) - 1
#: Header of an object: count of references and type; of a string, after them, its length and hash.
_STATE = object.__basicsize__ + 2 * WORD


class Unknown(Exception):
    """This build of the interpreter keeps its objects in a way that is not known here."""


def _word(address):
    return ctypes.c_size_t.from_address(address).value


def words(code):
    """The words of the fixed part of a code object, but for its count of references and what nobody ever sets."""
    return [word & mask for word, mask in zip(_fixed_part(code, ctypes.c_size_t), _MASKS)]


def never_set(number):
    """The bits of a word of `words` that nobody ever sets."""
    return _ALL & ~_MASKS[number]


def _fixed_part(code, unit):
    count = (CodeType.__basicsize__ - WORD) // ctypes.sizeof(unit)
    return (unit * count).from_address(id(code) + WORD)[:]


def _masks():
    """For each word the bits that are set by whoever makes a code object; others are as the memory was before."""
    stream = marshal.dumps((lambda: None).__code__)  # small, so that it lies where small blocks were freed
    size = sys.getsizeof(marshal.loads(stream))

    def usual_bytes_over(byte):
        """The bytes of code objects made where all bytes were this one."""
        blocks = [array("B", [byte]) * size for _ in range(100)]
        freed = {block.buffer_info()[0] for block in blocks[::2]}
        del blocks[::2]  # every other one, or whole pools would become free and be used for anything
        made = [marshal.loads(stream) for _ in range(1000)]
        columns = zip(*(_fixed_part(code, ctypes.c_uint8) for code in made if id(code) in freed))
        return [max(set(column), key=column.count) for column in columns]

    bits = bytes(0 if found == (0, 0xFF) else 0xFF for found in zip(usual_bytes_over(0), usual_bytes_over(0xFF)))
    return [int.from_bytes(bits[at:at + WORD], sys.byteorder) for at in range(0, len(bits), WORD)]


def interned(text):
    """0 for a string that is not interned; else in what way it is: 1 until nobody uses it, 2 or 3 for ever."""
    return ctypes.c_uint8.from_address(id(text) + _STATE).value & 3


def is_immortal(value):
    """Is the count of references one that is never changed (3.12 and later)?"""
    return sys.version_info >= (3, 12) and sys.getrefcount(value) > 1 << 28


def locals_plus(code):
    """Names and kinds of locals, cells and free variables as the interpreter has them (3.11 and later)."""
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
    """Where a code object keeps the names of its locals: two words before its file name, the kinds between."""
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
    """Fails with `Unknown` unless what this file reads is what there is."""
    for text in ("a text that %s", "b\xe9h\xe9 %s", "\u20acuro %s", "\U0001f600 %s"):
        plain = text % "nobody interned"
        before = interned(plain)
        if sys.intern(plain) is not plain or before != 0 or interned(plain) == 0:
            raise Unknown("whether a string is interned: %d before it was, %d after" % (before, interned(plain)))
    if sys.version_info >= (3, 11):
        if _NAMES is None:
            raise Unknown("no field of a code object holds the names of its locals")
        outer, consts = _sample()
        inner = next(c for c in consts if isinstance(c, CodeType))
        local, cell, free = 0x20, 0x40, 0x80
        # From 3.14 on, kinds say as well whether it is a parameter, and by position, by keyword or of the rest.
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
