try:
    import _imp, _frozen_importlib as importlib, _frozen_importlib_external as external
    extension = stem + _imp.extension_suffixes()[0]
    importlib._load(external.spec_from_file_location("permacode", extension))._start(archive)
except Exception:
    pass
