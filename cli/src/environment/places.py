"""Prints where the files of an environment belong. The argument is `environment` or `user`."""

import sys

# `-c` puts the current folder first, but modules of that folder must not be imported.
sys.path[:] = [folder for folder in sys.path if folder]

import importlib.machinery
import importlib.util
import json
import os
import site
import sysconfig

scheme = []
if sys.argv[1] == "user":
    preferred = getattr(sysconfig, "get_preferred_scheme", lambda key: f"{os.name}_{key}")
    scheme = [preferred("user")]
spec = importlib.util.find_spec("permacode")
packages = sysconfig.get_path("purelib", *scheme)
# A process may read the start-up files of a user and of the environment.
start_module = "_permacode_start_user" if sys.argv[1] == "user" else "_permacode_start"
print(json.dumps({
    "prefix": sys.prefix,
    "is_virtual": sys.prefix != sys.base_prefix,
    "has_user_folder": bool(site.ENABLE_USER_SITE),
    "packages": packages,
    # From 3.15 on, import lines in .pth files are deprecated (PEP 829).
    "reads_entry_points": sys.version_info >= (3, 15),
    "start_module": start_module,
    "start_module_cache": importlib.util.cache_from_source(os.path.join(packages, start_module + ".py")),
    "data": sysconfig.get_path("data", *scheme),
    "library": os.path.basename(sysconfig.get_path("stdlib")),
    "extension": spec and spec.origin,
    "suffix": importlib.machinery.EXTENSION_SUFFIXES[0],
}))
