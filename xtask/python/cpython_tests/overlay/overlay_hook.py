"""Imported at start by a .pth file in a virtual environment: the standard library comes from an archive.

Installs the archive that OVERLAY_ARCHIVE names, if it names one, and writes at exit to the file that
OVERLAY_LOG names, as JSON in one line: `role` (`main`: the process that was started first; `child`; or
`sub-interpreter`, which the package does not support), `status` and `stats` of the package, `argv`, and

* `by_cpython`: modules of the standard library that CPython's own loader ran out of their own files after
  the archive was installed (an audit hook sees that);
* `no_debug_ranges`: code objects have no columns in this process;
* `refused`: why nothing was installed, if nothing was.

It writes nothing else and raises nothing: tests look at what their children print.
"""

import atexit
import os
import sys

_LOG = os.environ.get("OVERLAY_LOG")
_ARCHIVE = os.environ.get("OVERLAY_ARCHIVE")
#: The environment is one for all interpreters of a process, and is handed down to children.
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
            # A test may import a file of the library by another name, which no archive has.
            stem = path[len(library):-len(".py")].replace(os.sep, ".")
            if type(called_with.get("self")) is _LOADER and name == stem.replace(".__init__", ""):
                found.append(name)


def _install():
    """Why nothing is installed, or None."""
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
