# Prints one JSON object that describes an interpreter and the folders of its library.
# It runs under every kind of Python, so that an unsupported one can be refused by its name.
import sys

# "python -c" puts the current folder first, but modules of that folder must not be imported.
sys.path = [entry for entry in sys.path if entry]


def implementation():
    # Python 3.3 and later have it.
    found = getattr(sys, "implementation", None)
    return found.name if found else "Python"


def version():
    return "%d.%d.%d" % tuple(sys.version_info[:3])


def packages():
    # The folders of installed packages that are searched, in the order of the search.
    import os
    import site
    import sysconfig

    # Old versions of virtualenv have a site without these functions.
    folders = getattr(site, "getsitepackages", list)()
    folders += [getattr(site, "USER_SITE", None)]
    folders += [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    known = {os.path.normcase(os.path.abspath(path)) for path in folders if path}
    found = []
    for path in sys.path:
        if path not in found and os.path.normcase(path) in known and os.path.isdir(path):
            found.append(path)
    return found


def folders():
    import os
    import site
    import sysconfig

    # In a virtual environment the library is that of the interpreter it was made from.
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    searched, user = packages(), getattr(site, "USER_SITE", None)
    extensions = [path for path in sys.path if os.path.basename(path) == "lib-dynload"]
    return {
        "stdlib": sysconfig.get_path("stdlib", vars=base),
        "platstdlib": sysconfig.get_path("platstdlib", vars=base),
        "extensions": extensions[0] if extensions else None,
        "site_packages": searched,
        "prefix": sys.prefix,
        "exec_prefix": sys.exec_prefix,
        "base_prefix": sys.base_prefix,
        "base_exec_prefix": sys.base_exec_prefix,
        "platlibdir": getattr(sys, "platlibdir", "lib"),
        "user_site": user if user in searched else None,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }


def about():
    import importlib.machinery
    import importlib.util

    result = {
        "implementation": implementation(),
        "version": version(),
        "hexversion": sys.hexversion,
        "executable": sys.executable or None,
        "magic": list(importlib.util.MAGIC_NUMBER),
        "tag": sys.implementation.cache_tag,
        "extension_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
        "source_suffixes": importlib.machinery.SOURCE_SUFFIXES,
        "bytecode_suffixes": importlib.machinery.BYTECODE_SUFFIXES,
    }
    result.update(folders())
    return result


if implementation() == "cpython":
    import json

    # ASCII only: a path that is not text has lone surrogates, which the reader refuses.
    print(json.dumps(about()))
else:
    # Import nothing: RustPython may be installed without a library.
    print('{"implementation": "%s", "version": "%s"}' % (implementation(), version()))
