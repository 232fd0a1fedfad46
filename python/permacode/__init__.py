"""CPython runs from Permacode archives: the modules of many files in one, mapped and not read."""

from ._permacode import Archive, open

__all__ = ["Archive", "open"]
