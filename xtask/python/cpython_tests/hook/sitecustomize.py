"""Put first on PYTHONPATH by `regress.py`: tells in a log what was compiled, and where modules came from.

Written to the file named by REGRESS_LOG, one line each:

* `compile<TAB>FILE<TAB>CALLER` whenever source text is compiled under the name of a file below
  REGRESS_TREE.  CALLER is `import` if the import system does it, as it will when a .pyc is missing,
  stale or refused; `script` for a file named on a command line, whose .pyc no interpreter looks for
  (test_asyncio runs such); else FILE:LINE of who did (test_inspect compiles a source by itself).
  A hook that raises would make the compilation fail, so it must not;
* `loaded<TAB>N<TAB>M<TAB>NAMES` at exit: N modules came from the tree, M from the interpreter's own
  library (REGRESS_OWN) although they should have come from the tree, and their names.

What start-up imported before this file ran is asked by `regress.py` another way (`python -v`).
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
