#!/usr/bin/env python3
"""Compares the modules of an environment with and without an archive.

`environment.py --python PYTHON --sealed ARCHIVE --unsealed ARCHIVE`: both archives have every module that PYTHON can
import.

The script imports every module three times: without an archive, with the sealed one and with the unsealed one. Each
module is imported in a process of its own that has imported only the packages around it. Then the script compares the
outcome (including the exception with its traceback), the output, the modules that the import added, `__file__`,
`__cached__`, `__path__`, the fields of `__spec__`, the type of the loader (`PermacodeLoader` counts as
`SourceFileLoader`), and all names with the types of their values. There must be no difference.

If no module came from an archive, there would be no difference either. So in each folder of sys.path, at least nine
tenths of the modules that CPython loads from a source must come from the archive.

Processes have no network, no PATH, an empty home folder and a fixed hash seed. `sys.argv` is `program --help`.

Exit status: 0 no difference, 1 differences, 2 usage error.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import difflib
import io
import json
import marshal
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
STOCK, SEALED, UNSEALED = "without archive", "sealed", "unsealed"
#: Share of the modules from sources that must come from the archive.
LEAST = 0.9
#: Counts that must be zero.
UNEXPECTED = ("stale", "fallbacks")
#: Code that must run before the modules of a package can be imported.
PRELUDES = {"django": "import django; django.setup()"}
#: Django's models and migrations need settings.
SETTINGS = "proof_settings"
SETTINGS_TEXT = """
SECRET_KEY = "proof"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib." + name for name in (
    "admin", "auth", "contenttypes", "flatpages", "humanize", "messages", "redirects", "sessions", "sitemaps", "sites",
    "staticfiles", "syndication")]
"""
#: Variables that children inherit. Without them, some builds of OpenBLAS give wrong results on some processors.
HANDED_DOWN = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: Seconds of processor time for the import of one module.
SECONDS = 30
#: Seconds for all modules of a top-level package, and the address space that they may use.
SECONDS_A_TOP = 3600
ADDRESS_SPACE = 8 << 30
CLONE_NEWNET = 0x40000000
#: Text that differs between processes: addresses, and times that modules print.
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")
SECONDS_PRINTED = re.compile(r"\b[0-9.]+ (?=(CPU )?seconds)")
#: The lines of a traceback depend on whether a thread had ended when its result was requested.
RACE = re.compile(r"(/concurrent/futures/_base\.py):\d+, in result")
#: Warnings of the compiler. There is none if the code comes from an archive or a .pyc file, but some modules have no
#: .pyc.
SYNTAX_WARNING = re.compile(r"^.*:\d+: SyntaxWarning: .*\n(  .*\n)?", re.MULTILINE)
#: Number of modules whose differences are printed. For the others, only the names are printed.
SHOWN = 50
COMPARED = ("outcome", "printed", "came along", "fields", "names")


class Runner:
    """Starts the worker for one environment."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.settings = self.made("settings")
        with open(os.path.join(self.settings, SETTINGS + ".py"), "w", encoding="utf-8") as file:
            file.write(SETTINGS_TEXT)
        self.nowhere = self.made("nowhere")
        self.archives = {STOCK: None, SEALED: options.sealed, UNSEALED: options.unsealed}

    def made(self, *names):
        path = os.path.join(self.folder, *names)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def list(self):
        """Lists the modules that can be imported."""
        return self.run("list", {"task": "list", "archive": None, "names": [],
                                 "archives": [self.options.sealed, self.options.unsealed]})[0]

    def import_all(self, top, names):
        """Imports a top-level module and all modules in it in each way; returns {way: ({name: record}, status)}."""
        request = {"task": "import", "top": top, "names": names, "preludes": PRELUDES, "seconds": SECONDS}
        found = {}
        for way, archive in self.archives.items():
            records = self.run("import-" + top, {**request, "archive": archive})
            status = records.pop(0) if records else {"status": "the worker wrote nothing", "roots": {}}
            found[way] = ({record["name"]: record for record in records}, status)
        return found

    def run(self, name, request):
        """Runs the worker in a new folder, which has the same name in each run."""
        work = self.made(name)
        home, outputs = self.made(name, "home"), self.made(name, "outputs")
        records, request_file = os.path.join(work, "records"), os.path.join(work, "request")
        with open(request_file, "wb") as file:
            marshal.dump({**request, "package": self.options.package, "records": records, "outputs": outputs}, file)
        log = os.path.join(work, "worker.txt")
        with open(log, "wb") as output:
            process = subprocess.Popen([self.options.python, "-B", WORKER, request_file], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, cwd=home, env=self.environment(home),
                                       start_new_session=True, preexec_fn=limit)
            try:
                status = process.wait(SECONDS_A_TOP)
            except subprocess.TimeoutExpired:
                status = "more than %d seconds" % SECONDS_A_TOP
            try:
                os.killpg(process.pid, signal.SIGKILL)  # processes that modules left running
            except ProcessLookupError:
                pass
            process.wait()
        with open(log, encoding="utf-8", errors="backslashreplace") as file:
            said = file.read()
        if status != 0:
            raise SystemExit("environment.py: the worker for %s ended with %s:\n%s" % (name, status, said))
        found = []
        with open(records, "rb") as file:
            whole = io.BytesIO(file.read())
        while whole.tell() < len(whole.getbuffer()):
            found.append(marshal.load(whole))
        shutil.rmtree(work, ignore_errors=True)
        return found

    def environment(self, home):
        variables = {name: os.environ[name] for name in HANDED_DOWN if name in os.environ}
        return {**variables, "HOME": home, "TMPDIR": home, "PATH": self.nowhere, "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "PYTHONHASHSEED": "0", "PYTHONPATH": self.settings, "DJANGO_SETTINGS_MODULE": SETTINGS,
                "OPENBLAS_NUM_THREADS": "1", "BROWSER": os.path.join(self.nowhere, "browser")}


def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def leave_the_network():
    """Removes the network from this process and its children; returns a text that tells whether that worked."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except AttributeError:
        return "with the network: this system cannot take it away"
    if unshare(CLONE_NEWNET) == 0:
        return "without network"
    return "with the network: %s" % os.strerror(ctypes.get_errno())


def plain(value):
    """Removes text that differs between processes."""
    if isinstance(value, str):
        for pattern, instead in ((ADDRESS, "0x..."), (SECONDS_PRINTED, "... "), (RACE, r"\1, in result"),
                                 (SYNTAX_WARNING, "")):
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, dict):
        return ["%s = %s" % (key, plain(item)) for key, item in value.items()]
    return [plain(item) for item in value]


def differences(stock, other):
    """The differences between two records of a module, as lines."""
    if stock is None or other is None:
        return ["%s: %s" % ("only with the archive" if stock is None else "only without archive",
                            (stock or other)["outcome"])]
    lines = []
    for part in COMPARED:
        one, two = plain(stock.get(part, "")), plain(other.get(part, ""))
        if one != two:
            one, two = (text.splitlines() if isinstance(text, str) else text for text in (one, two))
            changes = [line for line in difflib.ndiff(one, two) if line[0] in "+-"]
            lines += ["%s: %s" % (part, line) for line in changes] or [part + ": in another order"]
    return lines


class Folder:
    """Counts the modules from sources below one folder of sys.path."""

    def __init__(self):
        self.sources = 0
        self.before = 0
        self.ours = collections.Counter()
        self.others = {SEALED: collections.defaultdict(list), UNSEALED: collections.defaultdict(list)}

    def served(self, way):
        """The share of modules that came from the archive, of those that could."""
        could = self.sources - self.before
        return self.ours[way] / could if could else 1.0


class Outcome:
    """The results of all runs."""

    def __init__(self, path, archives):
        self.path = sorted((os.path.join(folder, "") for folder in path if folder), key=len, reverse=True)
        self.archives = archives
        self.folders = collections.defaultdict(Folder)
        self.outcomes = collections.Counter()
        self.stats = {SEALED: collections.Counter(), UNSEALED: collections.Counter()}
        self.statuses = {}
        self.different = []

    def add(self, found):
        """Adds the results of a top-level module; returns lines about differences."""
        stock = found[STOCK][0]
        lines = []
        for way in (SEALED, UNSEALED):
            records, self.statuses[way] = found[way]
            for record in records.values():
                self.stats[way].update(record.get("stats", {}))
            for name in sorted(stock.keys() | records.keys()):
                changes = differences(stock.get(name), records.get(name))
                if changes:
                    self.different.append((name, way, changes))
                    lines.append("DIFFERS: %s, %s" % (name, way))
                    if len(self.different) <= SHOWN:
                        lines += ["    " + change[:300] for change in changes[:8]]
                        lines += ["    and %d more" % (len(changes) - 8)] * (len(changes) > 8)
        for name, record in stock.items():
            self.outcomes["imported" if record["outcome"] == "imported" else "not imported"] += 1
            if record.get("from source"):
                self.count(name, record, {way: found[way][0].get(name, {}) for way in (SEALED, UNSEALED)})
        return lines

    def count(self, name, stock, others):
        file = stock["fields"]["__file__"]
        folder = self.folders[next((entry for entry in self.path if file.startswith(entry)), "elsewhere")]
        folder.sources += 1
        folder.before += stock["before"]
        for way, record in others.items():
            if record.get("ours"):
                folder.ours[way] += 1
            elif not stock["before"]:
                has = "the archive has it" if name in self.archives[way] else "not in the archive"
                folder.others[way]["%s, %s" % (record.get("why"), has)].append(name)

    def print(self, settings):
        """Prints the origins of the modules; returns whether enough came from the archives."""
        good = True
        print("%d modules imported, %d not (with the same outcome each time, except for the differences listed)" % (
            self.outcomes["imported"], self.outcomes["not imported"]))
        for way in (SEALED, UNSEALED):
            counts = ("%d %s" % (count, name) for name, count in sorted(self.stats[way].items()))
            print("%s: %s" % (way, ", ".join(counts)))
            for name in UNEXPECTED:
                if self.stats[way][name]:
                    good = False
                    print("    %s: NONE EXPECTED, because no file was edited and no archive damaged" % name)
        roots = {os.path.join(folder, ""): name for name, folder in self.statuses[SEALED]["roots"].items()}
        for path, folder in sorted(self.folders.items()):
            named = "root " + roots[path] if path in roots else "no root"
            print("%s (%s): %d modules from sources, %d of them imported before the archive was installed" % (
                path, named, folder.sources, folder.before))
            for way in (SEALED, UNSEALED):
                enough = folder.served(way) >= LEAST or path == os.path.join(settings, "")
                good = good and enough
                print("    %-9s %d from the archive: %.1f %%%s" % (
                    way, folder.ours[way], 100 * folder.served(way), "" if enough else ": TOO FEW"))
                for why, names in sorted(folder.others[way].items()):
                    print("        %d not: %s: %s%s" % (
                        len(names), why, " ".join(names[:5]), " ..." if len(names) > 5 else ""))
        whole = {way: sum(folder.ours[way] for folder in self.folders.values()) for way in (SEALED, UNSEALED)}
        sources = sum(folder.sources for folder in self.folders.values())
        print("in all: %d modules from sources; from the archive: %d sealed, %d unsealed; %d differences" % (
            sources, whole[SEALED], whole[UNSEALED], len(self.different)))
        return good and sources > 0 and all(count >= LEAST * sources for count in whole.values())


def compare(options, folder):
    runner = Runner(options, folder)
    what = runner.list()
    print("%s\nprefix %s, base %s\nsys.path: %s" % (
        what["version"].replace("\n", " "), what["prefix"], what["base_prefix"], " ".join(what["path"])))
    print("%d packages installed: %s" % (len(what["installed"]), ", ".join(what["installed"])))
    archives = {way: frozenset(what["archives"][path]) for way, path in runner.archives.items() if path}
    print("modules in the archives: %s" % ", ".join("%d %s" % (len(names), way) for way, names in archives.items()))
    by_top = collections.defaultdict(list)
    for name in archives[SEALED] | archives[UNSEALED]:
        by_top[name.partition(".")[0]].append(name)
    tops = [top for top in what["tops"] if not options.only or top in options.only]
    outcome = Outcome(what["path"], archives)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        # The largest packages first, so that all processes end at about the same time.
        tops.sort(key=lambda top: -len(by_top[top]))
        futures = {pool.submit(runner.import_all, top, by_top[top]): top for top in tops}
        for future in concurrent.futures.as_completed(futures):
            lines = outcome.add(future.result())
            if lines:
                print("\n".join(lines), flush=True)
    good = outcome.print(runner.settings)
    if options.keep:
        with open(options.keep, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump([{"name": name, "archive": way, "changes": changes} for name, way, changes in outcome.different],
                      file, indent=1)
    return good and not outcome.different


def main():
    parser = argparse.ArgumentParser(prog="environment.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, metavar="PYTHON")
    parser.add_argument("--package", metavar="FOLDER",
                        help="folder of the package permacode, if it is not installed for PYTHON")
    parser.add_argument("--sealed", required=True, type=os.path.abspath, metavar="ARCHIVE")
    parser.add_argument("--unsealed", required=True, type=os.path.abspath, metavar="ARCHIVE")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="number of parallel processes (2)")
    parser.add_argument("--keep", metavar="FILE", help="write all differences to this file, as JSON")
    parser.add_argument("only", nargs="*", metavar="NAME", help="import only these modules and the modules in them")
    options = parser.parse_args()
    network = leave_the_network()
    with tempfile.TemporaryDirectory(prefix="environment-") as folder:
        print("imports are made " + network, flush=True)
        return 0 if compare(options, os.path.realpath(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
