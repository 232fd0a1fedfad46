"""Imports modules and records their visible state. `environment.py` starts it: `worker.py REQUEST`

Each module is imported in a process of its own: the process that imported a package forks once for each module of the
package. So a module sees the effects of its packages, but not of the modules beside it.

This file imports only modules that are built into CPython, because modules that it imports cannot come from an archive.
"""

import sys

# The folder of this script must not provide modules.
del sys.path[0]

import marshal  # noqa: E402
import posix  # noqa: E402

import _imp  # noqa: E402
import _signal  # noqa: E402

#: A process that wrote its record ends with this status.
RECORDED = 93
#: Folders of sys.path or of another environment below the folder of a library. They could be imported, but are not
#: packages.
NOT_PACKAGES = ("__pycache__", "lib-dynload", "site-packages", "dist-packages")
SUFFIXES = (*_imp.extension_suffixes(), ".py", ".pyc")
#: Greatest depth of packages. A `__path__` may lead back to a package above.
DEEPEST = 30
#: Fields of a spec.
SPEC_FIELDS = ("name", "origin", "cached", "has_location", "parent", "submodule_search_locations", "loader_state",
               "_initializing", "_uninitialized_submodules")
MODULE_FIELDS = ("__name__", "__package__", "__file__", "__cached__", "__path__", "__doc__")

_import_module = sys.modules["_frozen_importlib"]._gcd_import
_get_dict = object.__getattribute__


class Run:
    """One run: with an archive or without."""

    def __init__(self, request):
        self.request = request
        self.packages = {}
        for name in request["names"]:
            parent, _, last = name.rpartition(".")
            self.packages.setdefault(parent, set()).add(last)
        if request["package"]:
            sys.path.insert(0, request["package"])
        import permacode
        if request["package"]:
            sys.path.remove(request["package"])
        self.permacode = permacode
        self.before = set(sys.modules)
        if request["archive"]:
            permacode.install(request["archive"], strict=True)

    def tops(self):
        """Names of all top-level modules."""
        names = self.listed(sys.path) | self.packages.get("", set()) | set(sys.builtin_module_names)
        return sorted(names - {"__main__"})

    def children(self, name, module):
        """Names of the modules of a package, from its folders and from the archive."""
        path = getattr_or(module, "__path__", None)
        if path is None:
            return []
        try:
            return sorted(self.listed(path) | self.packages.get(name, set()))
        except Exception:
            return []

    @staticmethod
    def listed(path):
        found = set()
        for folder in list(path):
            try:
                with posix.scandir(folder or ".") as entries:
                    for entry in entries:
                        stem = entry.name
                        if not entry.is_dir():
                            stem = next((stem[:-len(end)] for end in SUFFIXES if stem.endswith(end)), ".")
                        if "." not in stem and stem not in ("__init__", *NOT_PACKAGES):
                            found.add(stem)
            except (OSError, TypeError, ValueError):
                continue
        return found

    def visit(self, name, folders=()):
        """Imports a module here and its submodules in child processes; writes its record; ends the process."""
        output = self.redirect()
        modules, stats = set(sys.modules), self.permacode.stats()
        sys.argv[:] = ["program", "--help"]
        set_timers(self.request["seconds"])
        try:
            module = _import_module(name)
            outcome = "imported"
            prelude = self.request["preludes"].get(name)
            if prelude:
                exec(prelude, {"__name__": "prelude"})
        except BaseException as error:
            module = None
            outcome = exception(error)
        set_timers(0)
        record = {"name": name, "outcome": outcome, "before": name in self.before,
                  "came along": [brief(other) for other in sorted(set(sys.modules) - modules)],
                  "stats": delta(stats, self.permacode.stats())}
        if outcome == "imported":
            self.visit_children(name, module, folders)
            set_timers(self.request["seconds"])
            record.update(seen(module))
            record["why"] = self.why(name, record)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        record["printed"] = taken(output)
        self.write(record)
        posix._exit(RECORDED)

    def visit_children(self, name, module, folders):
        path = [text for text in list(getattr_or(module, "__path__", None) or ()) if isinstance(text, str)]
        if len(folders) > DEEPEST or (path and all(folder in folders for folder in path)):
            return
        for child in self.children(name, module):
            self.fork(name + "." + child, (*folders, *path))

    def fork(self, name, folders=()):
        """Visits a module in a child process."""
        child = posix.fork()
        if child == 0:
            try:
                self.visit(name, folders)
            finally:
                posix._exit(1)
        while True:
            try:
                status = posix.waitpid(child, 0)[1]
            except ChildProcessError:
                status = None  # a module set SIGCHLD to be ignored
            break
        output = self.output(child)
        if status is None or not posix.WIFEXITED(status) or posix.WEXITSTATUS(status) != RECORDED:
            self.write({"name": name, "outcome": how_ended(status), "printed": taken(output)})
        try:
            posix.unlink(output)
        except OSError:
            pass

    def output(self, process):
        return "%s/%d.txt" % (self.request["outputs"], process)

    def redirect(self):
        """Redirects the output of this process to a file of its own."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        path = self.output(posix.getpid())
        handle = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_APPEND, 0o600)
        posix.dup2(handle, 1)
        posix.dup2(handle, 2)
        posix.close(handle)
        return path

    def why(self, name, record):
        """Why a module did not come from the archive: the counters that grow if the finder is asked again."""
        finder = next((finder for finder in sys.meta_path if type(finder).__name__ == "PermacodeFinder"), None)
        if record["ours"] or finder is None:
            return None
        parent = sys.modules.get(name.rpartition(".")[0])
        try:
            before = self.permacode.stats()
            spec = finder.find_spec(name, parent and parent.__path__)
            grown = delta(before, self.permacode.stats())
        except BaseException as error:
            return "%s: %s" % (type_name(error), error)
        if spec is not None:
            return "found when asked again"
        return ", ".join(sorted(grown)) or "not counted"

    def write(self, record):
        handle = posix.open(self.request["records"], posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
        posix.write(handle, marshal.dumps(record))
        posix.close(handle)


def set_timers(seconds):
    """Signals end the process after this processor time, or after ten times this time. 0 turns them off."""
    _signal.setitimer(_signal.ITIMER_PROF, seconds)
    _signal.setitimer(_signal.ITIMER_REAL, 10 * seconds)


def how_ended(status):
    if status is None:
        return "ended with an unknown status"
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        # Which of the two signals comes first depends on the load of the machine.
        return "does not end" if number in (_signal.SIGPROF, _signal.SIGALRM) else "killed by signal %d" % number
    return "ended with status %d" % posix.WEXITSTATUS(status)


def delta(before, after):
    return {name: after[name] - count for name, count in before.items()
            if isinstance(count, int) and not isinstance(count, bool) and after.get(name) != count}


def is_ours(loader):
    return type(loader).__name__ == "PermacodeLoader"


def type_name(value):
    """The type of a value. The archive's loader counts as SourceFileLoader."""
    if is_ours(value):
        return "_frozen_importlib_external.SourceFileLoader"
    kind = type(value)
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def text(value, depth=0):
    """Text for a value that is the same in each process."""
    if value is None or isinstance(value, (bool, int, str)):
        return str(value) if isinstance(value, str) else repr(value)
    if depth < 3 and type(value).__name__ in ("list", "tuple", "_NamespacePath"):
        return "%s(%s)" % (type(value).__name__, ", ".join(text(item, depth + 1) for item in list(value)))
    return "<%s>" % type_name(value)


def getattr_or(value, name, default):
    try:
        return getattr(value, name, default)
    except BaseException:
        return default


def namespace_of(module):
    """The names of a module. A lazy module is not loaded."""
    try:
        names = _get_dict(module, "__dict__")
    except BaseException:
        return {}
    return dict(names) if isinstance(names, dict) else {}


def loader_text(loader):
    if isinstance(loader, type):
        return "class " + loader.__qualname__
    name, path = (text(getattr_or(loader, field, None)) for field in ("name", "path"))
    return "%s, name %s, path %s" % (type_name(loader), name, path)


def brief(name):
    """One line about a module that another import added."""
    module = sys.modules.get(name)
    names = namespace_of(module)
    loader = getattr_or(names.get("__spec__"), "loader", None)
    return "%s, %s, loader %s, file %s" % (name, type_name(module), type_name(loader), text(names.get("__file__")))


def seen(module):
    """Everything of a module that is compared."""
    names = namespace_of(module)
    spec = names.get("__spec__")
    if not names:
        spec = getattr_or(module, "__spec__", None)
    fields = {"type": type_name(module), "__spec__": type_name(spec)}
    for name in MODULE_FIELDS:
        fields[name] = text(names.get(name, getattr_or(module, name, None)))
    for name in SPEC_FIELDS:
        fields["__spec__." + name] = text(getattr_or(spec, name, "(has none)"))
    loader = getattr_or(spec, "loader", None)
    fields["__spec__.loader"] = loader_text(loader)
    fields["__loader__"] = loader_text(names.get("__loader__", getattr_or(module, "__loader__", None)))
    record = {"fields": fields, "ours": is_ours(loader),
              "from source": fields["__spec__.loader"].startswith("_frozen_importlib_external.SourceFileLoader,")}
    types = ["%s: %s" % (name, type_name(value)) for name, value in names.items()]
    try:
        more = sorted(set(map(str, dir(module))) - set(map(str, names)))
    except BaseException as error:
        more = []
        types.append("dir(): " + type_name(error))
    for name in more:
        try:
            types.append("%s: %s, from getattr" % (name, type_name(getattr(module, name))))
        except BaseException as error:
            types.append("%s: getattr raises %s" % (name, type_name(error)))
    record["names"] = types
    return record


def exception(error):
    """An exception and its causes, with their tracebacks."""
    lines = []
    while error is not None and len(lines) < 200:
        try:
            message = str(error)
        except BaseException as other:
            message = "str() raises " + type_name(other)
        lines.append("%s: %s" % (type_name(error), message))
        step, here = error.__traceback__, __file__
        while step is not None:
            code = step.tb_frame.f_code
            if code.co_filename != here:
                lines.append("  %s:%s, in %s" % (code.co_filename, step.tb_lineno, code.co_name))
            step = step.tb_next
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


def taken(path):
    """The text of a file, or "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def main():
    with open(sys.argv[1], "rb") as file:
        request = marshal.load(file)
    run = Run(request)
    if request["task"] == "list":
        # This process is not compared, so it may import modules.
        archives = {path: sorted(run.permacode.open(path)) for path in request["archives"]}
        import importlib.metadata as metadata
        installed = sorted({"%s %s" % (found.metadata["Name"], found.version) for found in metadata.distributions()},
                           key=str.lower)
        answer = {"tops": run.tops(), "path": list(sys.path), "archives": archives, "installed": installed,
                  "version": sys.version, "prefix": sys.prefix, "base_prefix": sys.base_prefix}
        with open(request["records"], "wb") as file:
            marshal.dump(answer, file)
        return
    status = run.permacode.status()
    run.write({"status": {name: repr(value) for name, value in status.items()}, "roots": status["roots"] or {}})
    run.fork(request["top"])


if __name__ == "__main__":
    main()
