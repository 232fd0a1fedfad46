"""CPython runs from Permacode archives: the modules of many files in one, mapped and not read."""

import os
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from importlib.machinery import ModuleSpec, SourceFileLoader
from inspect import Signature
from types import CodeType, ModuleType
from typing import Literal, TypedDict, TypeVar, final, overload, type_check_only

from typing_extensions import NotRequired, Self, TypeAlias

__all__ = ["Archive", "PermacodeWarning", "install", "open", "stats", "status", "uninstall"]

_Default = TypeVar("_Default")

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

@type_check_only
class Layer(TypedDict):
    """An installed archive in `status`."""

    method: Literal["image", "records", "marshal"]
    constructor: str
    archive: str
    target: str | None
    sealed: bool
    strict: bool
    startup: bool
    roots: dict[str, str]
    image: ImageStatus
    stamps: StampsStatus
    reason: str

@type_check_only
class Status(TypedDict):
    """What `status` says: the archive that is asked first, and all of them."""

    method: Literal["image", "records", "marshal"] | None
    constructor: str | None
    archive: str | None
    target: str | None
    sealed: bool | None
    strict: bool | None
    startup: bool | None
    roots: dict[str, str] | None
    blocked: str | None
    image: ImageStatus | None
    stamps: StampsStatus | None
    reason: str
    layers: list[Layer]

@type_check_only
class ImageStatus(TypedDict):
    """The image in `status`."""

    path: str | None
    reason: str | None

@type_check_only
class StampsStatus(TypedDict):
    """The stamps in `status`."""

    path: str | None
    reason: str | None
    found: int
    loaded: int

@type_check_only
class BuiltImage(TypedDict):
    """What `permacode.image.build` returns."""

    path: str
    bytes: int
    modules: int
    left_out: list[tuple[str, str]]
    stamps: BuiltStamps | None

@type_check_only
class BuiltStamps(TypedDict):
    """What `permacode.stamp.build` returns."""

    path: str
    bytes: int
    modules: int
    folders: int
    left_out: list[tuple[str, str]]

@type_check_only
class Stats(TypedDict):
    """What `stats` says."""

    hits: int
    misses: int
    shadowed: int
    blocked: int
    stale: int
    fallbacks: int
    sealed: bool
    note: NotRequired[str]
    unsearched: dict[str, str | None]

class PermacodeWarning(RuntimeWarning):
    """An archive, or a part of it, is not used: modules are imported from their files."""

@final
class Archive(Mapping[str, CodeType]):
    """An open archive: a mapping from the names of its modules to their code objects, and a context manager."""

    @property
    def path(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str | None: ...
    def code(self, /, name: str, base: _Path | Mapping[str, _Path] | None = None) -> CodeType: ...
    def doc(self, /, name: str) -> str | None: ...
    def signature(self, /, name: str) -> Signature: ...
    def lines(
        self, /, name: str
    ) -> list[tuple[int, int, int | None, int | None, int | None, int | None]]: ...
    def close(self, /) -> None: ...
    @overload
    def get(self, name: object, default: None = None, /) -> CodeType | None: ...
    @overload
    def get(self, name: object, default: _Default, /) -> CodeType | _Default: ...
    def keys(self, /) -> KeysView[str]: ...
    def values(self, /) -> ValuesView[CodeType]: ...
    def items(self, /) -> ItemsView[str, CodeType]: ...
    def __getitem__(self, key: str, /) -> CodeType: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self, /) -> Iterator[str]: ...
    def __len__(self, /) -> int: ...
    def __enter__(self, /) -> Self: ...
    def __exit__(self, /, *_details: object) -> None: ...

@final
class PermacodeFinder:
    """Finds modules in the installed archives: what `install` puts into `sys.meta_path`."""

    def find_spec(
        self, /, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None: ...
    def invalidate_caches(self, /) -> None: ...

class PermacodeLoader(SourceFileLoader):
    """Loads a module from an archive; otherwise it is the loader of its file."""

    def get_code(self, /, fullname: str) -> CodeType: ...

def open(path: _Path, *, exact: bool = True) -> Archive: ...
def install(path: _Path, strict: bool = False, *, roots: Mapping[str, _Path] | None = None) -> bool: ...
def uninstall(path: _Path | None = None) -> bool: ...
def status() -> Status: ...
def _start(path: _Path) -> bool: ...
def _build_image(
    archive: _Path, output: _Path | None = None, *, roots: Mapping[str, _Path] | None = None
) -> BuiltImage: ...
def _build_stamps(archive: _Path, *, roots: Mapping[str, _Path] | None = None) -> BuiltStamps | None: ...
def _verify_image(
    archive: _Path, image: _Path | None = None, *, roots: Mapping[str, _Path] | None = None
) -> None: ...
def stats() -> Stats: ...
