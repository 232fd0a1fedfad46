import os
from collections.abc import Mapping, Sequence

from typing_extensions import TypeAlias

from . import BuiltImage

__all__ = ["build", "main", "verify"]

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

def build(
    archive: _Path, output: _Path | None = None, *, roots: Mapping[str, _Path] | None = None
) -> BuiltImage: ...
def verify(
    archive: _Path, image: _Path | None = None, *, roots: Mapping[str, _Path] | None = None
) -> None: ...
def main(arguments: Sequence[str] | None = None) -> int: ...
