"""A package, with a table that another module has too."""

from . import nested

TABLE = (1, 2.5, b"bytes", "text with spaces")
