import sys, _imp, _frozen_importlib as importlib, _frozen_importlib_external as external
if hook in sys.meta_path:
    sys.meta_path.remove(hook)
try:
    if "permacode" not in sys.modules:
        extension = stem + _imp.extension_suffixes()[0]
        importlib._load(external.spec_from_file_location("permacode", extension))._start(archive)
except Exception:
    pass
spec = importlib._find_spec(name, path, target)
