import os, sys, _imp, _frozen_importlib as importlib, _frozen_importlib_external as external
for other in list(sys.meta_path):
    # In a virtual environment, Python runs each line twice.
    if getattr(getattr(other, "find_spec", None), "__code__", None) == hook.find_spec.__code__:
        sys.meta_path.remove(other)
try:
    if sys.prefix == prefix and "PERMACODE_OFF" not in os.environ:
        package = sys.modules.get("permacode")
        if package is None:
            extension = stem + _imp.extension_suffixes()[0]
            package = importlib._load(external.spec_from_file_location("permacode", extension))
        package._start(archive)
except Exception:
    pass
spec = importlib._find_spec(name, path, target)
