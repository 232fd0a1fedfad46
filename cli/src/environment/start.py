import sys

site = sys.modules["site"].__spec__


def find_spec(name, path=None, target=None):
    # Modules that Python imports while it starts are not worth loading the package. `python -c` imports linecache.
    # PyO3 panics if there is an error while CPython 3.15 starts, because it does not call itself initialized then.
    if site._initializing or name == "linecache":
        return None
    import _frozen_importlib as importlib
    import os

    try:
        sys.meta_path.remove(this)
    except ValueError:
        pass  # Another thread was faster.
    except AttributeError:
        return None  # It is no list.
    try:
        if sys.prefix == PREFIX and "PERMACODE_OFF" not in os.environ:
            package = sys.modules.get("permacode")
            if package is None:
                import _frozen_importlib_external as external
                import _imp

                extension = STEM + _imp.extension_suffixes()[0]
                package = importlib._load(external.spec_from_file_location("permacode", extension))
            package._start(ARCHIVE)
    except Exception:
        pass
    return importlib._find_spec(name, path, target)


def start():
    """For a .start file, which must name a function. Importing this module has done everything."""


this = sys.modules[__name__]
sys.meta_path.insert(2, this)
