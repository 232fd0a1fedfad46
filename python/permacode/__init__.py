"""CPython runs from Permacode archives: the modules of many files in one, mapped and not read."""

from ._permacode import Archive, PermacodeWarning, install, open, stats, status, uninstall

__all__ = ["Archive", "PermacodeWarning", "install", "open", "stats", "status", "uninstall"]
