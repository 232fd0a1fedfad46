"""CPython runs from Permacode archives: the modules of many files in one, mapped and not read."""

# The classes Archive and PermacodeWarning come from __getattr__.
from ._permacode import __getattr__, install, open, stats, status, uninstall

__all__ = ["Archive", "PermacodeWarning", "install", "open", "stats", "status", "uninstall"]
