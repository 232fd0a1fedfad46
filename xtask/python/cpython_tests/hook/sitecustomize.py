"""Logs compilations and the origins of modules. `regress.py` puts its folder first on PYTHONPATH.

It writes lines to the file that REGRESS_LOG names:

* `compile<TAB>FILE<TAB>CALLER` when source text is compiled under the name of a file below REGRESS_TREE. CALLER is
  `import` if the import system compiles, because a .pyc is missing, stale or refused. It is `script` for a file on a
  command line, for which no interpreter looks for a .pyc (test_asyncio runs scripts). Otherwise it is the FILE:LINE
  that compiles (test_inspect compiles a source itself). The hook must not raise, or the compilation fails.
* `loaded<TAB>N<TAB>M<TAB>NAMES` at exit: N modules came from the tree. M modules came from the interpreter's own
  library (REGRESS_OWN), but should have come from the tree. NAMES are theirs.

Imports during start-up come before this file runs. `regress.py` finds them with `python -v`.
"""

import atexit
import os
import sys

_LOG = os.environ.get("REGRESS_LOG")
_TREE = os.environ.get("REGRESS_TREE", "") + os.sep
_OWN = os.environ.get("REGRESS_OWN", "\0") + os.sep  # not set for the own library itself
_ELSEWHERE = tuple(_OWN + name for name in ("lib-dynload", "site-packages", "dist-packages"))


def _tell(line, open=os.open, write=os.write, close=os.close,
          flags=os.O_WRONLY | os.O_APPEND | os.O_CREAT):
    handle = open(_LOG, flags, 0o666)
    try:
        write(handle, line.encode("utf-8", "backslashreplace"))
    finally:
        close(handle)


def _hook(event, args, tell=_tell, tree=_TREE, caller=sys._getframe):
    if event == "compile":
        name = args[1]
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if isinstance(name, str) and name.startswith(tree):
            frame = caller().f_back
            if frame is None:
                by = "script"
            elif frame.f_code.co_filename.startswith("<frozen importlib."):
                by = "import"
            else:
                by = "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)
            tell("compile\t%s\t%s\n" % (name, by))


def _loaded():
    here, strayed = 0, []
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if not isinstance(origin, str):
            continue
        if origin.startswith(_TREE):
            here += 1
        elif origin.startswith(_OWN) and not origin.startswith(_ELSEWHERE):
            strayed.append(name)
    _tell("loaded\t%d\t%d\t%s\n" % (here, len(strayed), ",".join(sorted(strayed)[:10])))


if _LOG:
    sys.addaudithook(_hook)
    atexit.register(_loaded)
