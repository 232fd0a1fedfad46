try:
    import sys, _imp, _frozen_importlib as importlib, _frozen_importlib_external as external
    if "permacode" not in sys.modules:
        extension = stem + _imp.extension_suffixes()[0]
        importlib._load(external.spec_from_file_location("permacode", extension))._start(archive)
except Exception:
    pass
