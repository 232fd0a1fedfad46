"""Prints what a process of an environment uses. The arguments are the extension without its suffix, and the archive, as
the start-up file has them."""

import sys

# `-c` puts the current folder first, but modules of that folder must not be imported.
sys.path[:] = [folder for folder in sys.path if folder]

import json

stem, archive = sys.argv[1:]


def reason():
    """Why the start-up file did not load the package."""
    import _frozen_importlib as importlib
    import _frozen_importlib_external as external
    import _imp

    try:
        package = importlib._load(external.spec_from_file_location("permacode", stem + _imp.extension_suffixes()[0]))
    except Exception as error:
        return f"the package cannot be loaded: {error}"
    if package._start(archive):
        package.uninstall()
        return "the start-up file did not run"
    return package.status()["reason"]


package = sys.modules.get("permacode")
if package is None:
    print(json.dumps({"status": None, "stats": None, "reason": reason()}))
else:
    status, why = package.status(), None
    # Code that runs in each process, such as `sitecustomize`, may have installed other archives.
    if status["layers"]:
        of_environment = next((layer for layer in status["layers"] if layer["startup"]), None)
        why = None if of_environment else "only other archives are installed: " + status["archive"]
        status.update(of_environment or {})
    print(json.dumps({"status": status, "stats": package.stats(), "reason": why}))
