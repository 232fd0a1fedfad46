"""Chapter 3: varints, ranges and text; and the error that all modules raise."""


class Violation(Exception):
    """A rule of `spec.md` is broken."""

    def __init__(self, rule, text):
        super().__init__(f"[{rule}] {text}")
        self.rule = rule


def read_varint(data, at):
    """The varint at `at`, and where it ends. Raises IndexError at the end of `data`, and Violation."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    for shift in (7, 14, 21, 28):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 or value > 0xFFFFFFFF:
                break
            return value, at
    raise Violation("O-2", f"the varint that ends at {at:#x} is not in the shortest form or has more than 32 bits")


def is_utf8(text):
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_generalised_utf8(text):
    try:
        text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


class Apart:
    """Ranges of one section that must be equal or not overlap. An empty range overlaps nothing.

    Together, ranges that do not overlap have no more bytes than their section. So checking each new range once is work
    in proportion to the section, although the ranges are compared only at the end.
    """

    def __init__(self, rule, what, section_len):
        self.rule = rule
        self.what = what
        self._ranges = set()
        self._budget = section_len

    def add(self, start, end):
        """Whether the range is a new one. It must lie in the section."""
        if (start, end) in self._ranges:
            return False
        self._ranges.add((start, end))
        self._budget -= end - start
        if self._budget < 0:
            raise Violation(self.rule, f"{self.what} {start:#x} to {end:#x} overlaps another one")
        return True

    def add_once(self, start, end):
        """For ranges that must not be equal either."""
        if not self.add(start, end) and start < end:
            raise Violation(self.rule, f"{self.what} {start:#x} to {end:#x} occurs twice")

    def check(self):
        last = 0
        for start, end in sorted(self._ranges):
            if start == end:
                continue
            if start < last:
                raise Violation(self.rule, f"{self.what} {start:#x} to {end:#x} overlaps one that ends at {last:#x}")
            last = end
