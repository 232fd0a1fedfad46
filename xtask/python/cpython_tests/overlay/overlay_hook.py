"""Installs an archive of the standard library at start-up. A .pth file in a virtual environment imports this module.

OVERLAY_ARCHIVE names the archive. Without that variable, nothing is installed. At exit, the module writes one line of
JSON to the file that OVERLAY_LOG names: `role` (`main` for the process that was started first, `child`, or
`sub-interpreter`, which the package does not support), `status` and `stats` of the package, `argv`, and

* `by_cpython`: modules of the standard library that CPython's own loader loaded from files after the archive was
  installed (an audit hook notes them);
* `no_debug_ranges`: whether code objects lack columns in this process;
* `refused`: the reason if nothing was installed.

It prints nothing and raises nothing, because tests check the output of their children.
"""

import atexit
import os
import sys

_LOG = os.environ.get("OVERLAY_LOG")
_ARCHIVE = os.environ.get("OVERLAY_ARCHIVE")
#: All interpreters of a process share the environment variables, and children inherit them.
_ROLE = {None: "main", str(os.getpid()): "sub-interpreter"}.get(os.environ.get("OVERLAY_PID"), "child")
os.environ["OVERLAY_PID"] = str(os.getpid())
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_NOT_OURS = tuple(_LIBRARY + name for name in ("site-packages", "lib-dynload"))
#: CPython's own loader, and the function through which a loader runs a body.
_LOADER = sys.modules["_frozen_importlib_external"].SourceFileLoader
_RUNS = sys.modules["_frozen_importlib"]._call_with_frames_removed.__code__

by_cpython = []


def _note(event, args, frame=sys._getframe, library=_LIBRARY, not_ours=_NOT_OURS, found=by_cpython):
    if event == "exec":
        path = getattr(args[0], "co_filename", "")
        caller = frame().f_back  # None for a script
        if path.startswith(library) and not path.startswith(not_ours) and caller and caller.f_code is _RUNS:
            called_with = caller.f_back.f_locals
            name = getattr(called_with.get("module"), "__name__", "")
            # A test may import a file of the library under another name, which the archive does not have.
            stem = path[len(library):-len(".py")].replace(os.sep, ".")
            if type(called_with.get("self")) is _LOADER and name == stem.replace(".__init__", ""):
                found.append(name)


def _install():
    """Installs the archive; returns the reason if it cannot, else None."""
    if _ARCHIVE is None or _ROLE == "sub-interpreter":
        return "not wanted"
    try:
        import permacode
        permacode.install(_ARCHIVE, strict=True)
    except ImportError as error:
        return str(error)


def _tell(refused, open=os.open, write=os.write, close=os.close,
          flags=os.O_WRONLY | os.O_APPEND | os.O_CREAT):
    import json

    package = None if refused else sys.modules.get("permacode")
    line = {"role": _ROLE, "argv": sys.argv, "refused": refused,
            "by_cpython": list(by_cpython), "status": package and package.status(),
            "stats": package and package.stats(),
            "no_debug_ranges": "no_debug_ranges" in sys._xoptions or "PYTHONNODEBUGRANGES" in os.environ}
    handle = open(_LOG, flags, 0o666)
    try:
        write(handle, (json.dumps(line) + "\n").encode("utf-8", "backslashreplace"))
    finally:
        close(handle)


if _LOG:
    _refused = _install()
    sys.addaudithook(_note)
    atexit.register(_tell, _refused)
