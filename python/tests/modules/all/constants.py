"""Every kind of constant, and those that are equal and yet are not the same."""

NUMBERS = (0, 1, -1, 2**15, 2**31, -(2**63), 10**40, 0.0, -0.0, 1e308, float("inf"), 1j, -0j, 1.0, True)
STRINGS = ("", "a", "name", "two words", "Ünï", "日本", "🐍", "\ud800", "\x00", "a" * 300)
BYTES = (b"", b"a", b"\x00\xff" * 10)
OTHERS = (None, True, False, ..., (), ((),), ((1, (2, (3,))),))


def is_one_of(value):
    return value in {1, 2.5, "three", b"four", (5, 6), None} or value in {True, False}


def slices(values):
    return values[1:2], values[::2], values[...], values[-1]


def default(a=1.0, b=1, c=True, *, d="two words"):
    return a, b, c, d, lambda: (a, b)


def many_locals():
    return [[x * y for x in range(3) if x] for y in range(3)], {k: v for k, v in zip("ab", "cd")}, {s for s in "aa"}
