"""Chapters 5.4 to 5.7: targets, modules, the name indexes, resources."""

import re
from typing import NamedTuple

import xxhash

from . import tables as t
from .text import Apart, Violation, is_utf8

VM = re.compile(rb"[\x21-\x7e]{1,16}\x00*")
U32 = 0xFFFFFFFF


class Target(NamedTuple):
    vm: bytes
    bytecode_magic: int
    vm_version: int
    optimization: int
    unit_size: int
    line_encoding: int
    exception_encoding: int
    cache_tag_offset: int
    cache_tag_len: int
    first_module: int
    module_count: int
    first_resource: int
    resource_count: int
    module_index: bytes
    resource_index: bytes
    flags: int


class Module(NamedTuple):
    name_offset: int
    name_len: int
    flags: int
    first_code: int
    code_count: int
    object_base: int
    filename: int
    filename_root: int
    source_path: int
    source_root: int
    source_offset: int
    source_size: int
    source_digest: bytes
    source_mtime: int

    def has_source_text(self):
        """Without `source_path` there is no source, whatever the flags are."""
        return self.source_path != t.NONE and self.flags & t.SOURCE_TEXT != 0


class Resource(NamedTuple):
    name_offset: int
    name_len: int
    root_len: int
    flags: int
    data_offset: int
    data_len: int


class Names:
    """The names section. Records of several targets may share a name, which is checked once."""

    def __init__(self, archive):
        self.text = archive.section(t.NAMES)
        self.ranges = Apart("N-1", "the text", len(self.text))
        self._cache_tags = set()
        self._names = {}
        self._module_names = set()
        self._resource_names = set()

    def cache_tag(self, target):
        end = target.cache_tag_offset + target.cache_tag_len
        if end > len(self.text) or target.cache_tag_len > t.MAX_NAME_LEN:
            text = f"a cache tag lies at {target.cache_tag_offset:#x} and has {target.cache_tag_len} bytes"
            raise Violation("T-5", text)
        pair = (target.cache_tag_offset, end)
        if pair not in self._cache_tags:
            self._cache_tags.add(pair)
            self.ranges.add(*pair)
            if not is_utf8(self.text[target.cache_tag_offset : end]):
                raise Violation("T-5", f"the cache tag at {target.cache_tag_offset:#x} is not UTF-8")

    def name(self, record):
        """The name of a module or of a resource."""
        end = record.name_offset + record.name_len
        if end > len(self.text):
            raise Violation("N-1", f"a name lies at {record.name_offset:#x} and has {record.name_len} bytes")
        if record.name_len == 0:
            raise Violation("N-2", f"the name at {record.name_offset:#x} is empty")
        pair = (record.name_offset, end)
        name = self._names.get(pair)
        if name is None:
            self.ranges.add(*pair)
            name = self._names[pair] = self.text[record.name_offset : end]
        return name

    def module_name(self, record):
        name = self.name(record)
        pair = (record.name_offset, record.name_len)
        if pair not in self._module_names:
            self._module_names.add(pair)
            check_module_name(name)
        return name

    def resource_name(self, record):
        name = self.name(record)
        # A name has at most one root, so a second length of its root is a violation.
        key = (record.name_offset, record.name_len, record.root_len)
        if key not in self._resource_names:
            self._resource_names.add(key)
            check_resource_name(name, record.root_len)
        return name


def check_module_name(name):
    if not is_utf8(name) or 0 in name or b"" in name.split(b"."):
        raise Violation("N-3", f"{name[:100]!r} is no name of a module")


def check_names(archive, objects):
    """The T, N, X and R rules, and [M-1] to [M-6] except overlapping sources. Returns the module records."""
    names = Names(archive)
    targets = [Target(*fields) for fields in t.TARGET.iter_unpack(archive.section(t.TARGETS))]
    modules = [Module(*fields) for fields in t.MODULE.iter_unpack(archive.section(t.MODULES))]
    resources = [Resource(*fields) for fields in t.RESOURCE.iter_unpack(archive.section(t.RESOURCES))]
    check_targets(targets, names)
    check_partition(targets, len(modules), len(resources))
    check_index_ranges(archive, targets)
    index = archive.section(t.INDEX)
    for target in targets:
        own_modules = modules[target.first_module : target.first_module + target.module_count]
        module_names = [names.module_name(module) for module in own_modules]
        check_order("M-1", module_names)
        check_index(index, target.module_index, module_names, own_modules)
        resource_names = []
        own_resources = resources[target.first_resource : target.first_resource + target.resource_count]
        for resource in own_resources:
            resource_names.append(names.resource_name(resource))
            check_resource(archive, resource)
        check_order("R-1", resource_names)
        check_index(index, target.resource_index, resource_names, own_resources)
    names.ranges.check()
    check_modules(archive, modules, objects)
    return modules


def check_targets(targets, names):
    seen = set()
    for target in targets:
        if not VM.fullmatch(target.vm):
            raise Violation("T-1", f"{target.vm!r} is no name of a machine")
        identity = target[:4]
        if identity in seen:
            raise Violation("T-2", f"two targets are {identity}")
        seen.add(identity)
        if target.unit_size == 0:
            raise Violation("T-3", "unit_size is 0")
        if target.line_encoding not in t.LINE_ENCODINGS or target.exception_encoding not in t.EXCEPTION_ENCODINGS:
            raise Violation("T-4", f"the encodings are {target.line_encoding} and {target.exception_encoding}")
        names.cache_tag(target)
        if target.flags & ~t.TARGET_FLAGS:
            raise Violation("T-7", f"the flags of a target are {target.flags:#x}")


def check_partition(targets, module_count, resource_count):
    next_module = next_resource = 0
    for target in targets:
        if target.first_module != next_module or target.first_resource != next_resource:
            raise Violation("T-6", f"records of a target begin at {target.first_module} and {target.first_resource}, "
                                   f"not at {next_module} and {next_resource}")
        next_module += target.module_count
        next_resource += target.resource_count
    if next_module != module_count or next_resource != resource_count:
        raise Violation("T-6", f"the targets have {next_module} modules and {next_resource} resources, "
                               f"the archive {module_count} and {resource_count}")


def check_order(rule, names):
    for before, name in zip(names, names[1:]):
        if before >= name:
            raise Violation(rule, f"{name[:100]!r} follows {before[:100]!r}")


def check_index_ranges(archive, targets):
    """[X-1]"""
    size = archive.len(t.INDEX)
    taken = Apart("X-1", "the pilots or slots", size)
    for target in targets:
        for header in (target.module_index, target.resource_index):
            _seed, pilots_offset, bucket_count, slots_offset, slot_count = t.INDEX_HEADER.unpack(header)
            for start, length in ((pilots_offset, bucket_count), (slots_offset, slot_count * t.SLOT.size)):
                if start + length > size:
                    raise Violation("X-1", f"{length} bytes at {start:#x} do not lie in the index section of {size}")
                taken.add_once(start, start + length)
    taken.check()


def check_index(index, header, names, records):
    """[X-2] and [X-3] for one index."""
    seed, pilots_offset, bucket_count, slots_offset, slot_count = t.INDEX_HEADER.unpack(header)
    if slot_count < len(names) or (slot_count and not bucket_count):
        raise Violation("X-2", f"{slot_count} slots and {bucket_count} buckets for {len(names)} names")
    slots = bytearray(index[slots_offset : slots_offset + slot_count * t.SLOT.size])
    for record, name in enumerate(names):
        hash = xxhash.xxh3_64_intdigest(name, seed)
        pilot = index[pilots_offset + (((hash >> 32) * bucket_count) >> 32)]
        moved = ((hash & U32) * (0x9E3779B1 + 2 * pilot)) & U32
        at = ((moved * slot_count) >> 32) * t.SLOT.size
        wanted = t.SLOT.pack(hash & 0xFFFF, len(name), records[record].name_offset, record)
        if slots[at : at + t.SLOT.size] != wanted:
            raise Violation("X-3", f"{name[:100]!r} is not found in its index")
        slots[at : at + t.SLOT.size] = t.EMPTY_SLOT
    if slots != t.EMPTY_SLOT * slot_count:
        raise Violation("X-3", "a slot that no name leads to is not empty")


def check_resource_name(name, root_len):
    """[N-4] and [R-2]"""
    root = name[:root_len]
    if not root or b"/" in root or not name.startswith(b"/", root_len) or not is_utf8(root):
        raise Violation("R-2", f"the first {root_len} bytes of {name[:100]!r} are no root")
    for component in name.split(b"/"):
        if component in (b"", b".", b"..") or 0 in component:
            raise Violation("N-4", f"{name[:100]!r} is no relative path")


def check_resource(archive, resource):
    if resource.flags & ~t.RESOURCE_FLAGS:
        raise Violation("R-3", f"the flags of a resource are {resource.flags:#x}")
    if resource.data_offset + resource.data_len > archive.len(t.FILES):
        text = f"{resource.data_len} bytes at {resource.data_offset:#x} do not lie in the files section"
        raise Violation("R-4", text)


def check_modules(archive, modules, objects):
    """[M-2] to [M-6] except overlapping sources."""
    code_count = archive.count(t.CODE)
    taken = Apart("M-3", "the range of code objects", code_count)
    for module in modules:
        namespace = module.flags & t.NAMESPACE != 0
        if module.flags & ~t.MODULE_FLAGS or (namespace and not module.flags & t.PACKAGE):
            raise Violation("M-2", f"the flags of a module are {module.flags:#x}")
        end = module.first_code + module.code_count
        if end > code_count or (module.code_count == 0) != namespace:
            raise Violation("M-3", f"{module.code_count} code objects from {module.first_code} on, of {code_count}")
        taken.add_once(module.first_code, end)
        if module.object_base > objects.count:
            raise Violation("M-4", f"object_base is {module.object_base}, there are {objects.count} objects")
        if not (module.filename == t.NONE and namespace):
            objects.check_string("M-5", module.filename)
        if module.filename_root != t.NONE:
            objects.check_string("M-5", module.filename_root)
        if module.source_path != t.NONE:
            objects.check_string("M-6", module.source_path)
        if module.source_root != t.NONE:
            objects.check_string("M-6", module.source_root)
        if module.has_source_text() and module.source_offset + module.source_size > archive.len(t.SOURCES):
            raise Violation("M-6", f"{module.source_size} bytes at {module.source_offset:#x} do not lie in the sources")
    taken.check()


class Sources:
    """The sources section. Modules may share a source, which is checked once."""

    def __init__(self, archive, checksums):
        self.archive = archive
        self.checksums = checksums
        self.ranges = Apart("M-6", "the source", archive.len(t.SOURCES))
        self._digests = {}

    def check_digest(self, module):
        """[M-7]"""
        if not module.has_source_text():
            return
        start, end = module.source_offset, module.source_offset + module.source_size
        if self.ranges.add(start, end):
            self.checksums.touch(t.SOURCES, start, end)
            self._digests[start, end] = xxhash.xxh3_128_digest(self.archive.section(t.SOURCES)[start:end])[::-1]
        digest = self._digests[start, end]
        if digest != module.source_digest:
            raise Violation("M-7", f"the digest of a source is {digest.hex()}, not {module.source_digest.hex()}")
