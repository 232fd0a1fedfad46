"""check.py A B: whether each file in folder B holds the same as the file of that name in folder A, for the interpreter that runs this.

The same: type, value and order of everything that can be reached, interned strings interned, and what is one object in A one
object in B. (Two objects in A may be one in B, if they are immutable and equal.)
"""
import marshal
import os
import struct
import sys
import types

FIELDS = [name for name in dir(types.CodeType) if name.startswith('co_') and name not in ('co_lnotab', 'co_lines', 'co_positions')]
INTERNED = frozenset(b'ZAt')


def interned(text):
    return marshal.dumps(text)[0] & 0x7F in INTERNED


def compare(a, b, where, seen):
    todo = [(a, b, where)]
    while todo:
        a, b, where = todo.pop()
        if type(a) is not type(b):
            return '%s: %r is not %r' % (where, type(b), type(a))
        if a is None or a is True or a is False or a is Ellipsis or a is StopIteration:
            if a is not b:
                return where + ': another singleton'
            continue
        if id(a) in seen:
            # Fields such as co_code and co_varnames are made when asked for, so only what is held can be compared.
            if seen[id(a)][1] is not b:
                return '%s: one object before, two now: %.80r' % (where, a)
            continue
        seen[id(a)] = (a, b)
        if isinstance(a, types.CodeType):
            for name in FIELDS:
                x, y = getattr(a, name), getattr(b, name, None)
                if callable(x):
                    continue
                if isinstance(x, (int, bytes)) or name in ('co_varnames', 'co_cellvars', 'co_freevars'):
                    if type(x) is not type(y) or x != y:
                        return '%s.%s: %.80r is not %.80r' % (where, name, y, x)
                    if isinstance(x, tuple):
                        todo += [(p, q, where + '.' + name) for p, q in zip(x, y)]
                    continue
                todo.append((x, y, '%s.%s' % (where, name)))
        elif isinstance(a, str):
            if a != b or interned(a) != interned(b):
                return '%s: %.80r is not %.80r, or only one is interned' % (where, b, a)
        elif isinstance(a, float):
            if struct.pack('d', a) != struct.pack('d', b):
                return '%s: %r is not %r' % (where, b, a)
        elif isinstance(a, complex):
            if struct.pack('dd', a.real, a.imag) != struct.pack('dd', b.real, b.imag):
                return '%s: %r is not %r' % (where, b, a)
        elif isinstance(a, (tuple, list)):
            if len(a) != len(b):
                return '%s: %d items, not %d' % (where, len(b), len(a))
            todo += [(x, y, '%s[%d]' % (where, i)) for i, (x, y) in enumerate(zip(a, b))]
        elif isinstance(a, frozenset):
            if a != b or sorted(map(repr, a)) != sorted(map(repr, b)):
                return '%s: %r is not %r' % (where, b, a)
        elif a != b:
            return '%s: %.80r is not %.80r' % (where, b, a)


first, second = sys.argv[1:]
files = sorted(os.listdir(first))
bad = 0
for file in files:
    with open(os.path.join(first, file), 'rb') as x, open(os.path.join(second, file), 'rb') as y:
        x, y = x.read(), y.read()
    what = 'another header' if x[:16] != y[:16] else compare(marshal.loads(x[16:]), marshal.loads(y[16:]), 'module', {})
    if what:
        bad += 1
        print(file, what)
print(len(files), 'files,', bad, 'differ')
sys.exit(bad != 0)
