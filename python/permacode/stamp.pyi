import os
from collections.abc import Mapping, Sequence

from typing_extensions import TypeAlias

from . import BuiltStamps

__all__ = ["build", "main"]

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

def build(archive: _Path, *, roots: Mapping[str, _Path] | None = None) -> BuiltStamps | None: ...
def main(arguments: Sequence[str] | None = None) -> int: ...
