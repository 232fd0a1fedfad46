"""The measured programs. They are compiled in advance by the interpreter that runs them.

Each contender has the same program around two parts of its own: `extension`, which imports the contender, and
`install`, which makes it serve imports. The programs import only built-in modules, because imports are measured.
"""

import os

from rounds import spawn

FLAGS = ["-I", "-S", "-W", "ignore"]

CLOCK = """\
import sys
from time import perf_counter_ns, process_time_ns

NAMES = {names!r}


def now():
    return process_time_ns(), perf_counter_ns()


def step(*times):
    # Milliseconds between pairs of times.
    cpu, wall = (sum(clock[1::2]) - sum(clock[::2]) for clock in zip(*times))
    return {{"cpu": cpu / 1e6, "wall": wall / 1e6}}


def minor_faults():
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[7])


def memory(path, header=None):
    # Sums in kB: of the process, or of the mappings of the file named in `header`.
    sums = {{}}
    counted = header is None
    with open(path, "rb") as file:
        for line in file:
            words = line.split()
            if not words[0].endswith(b":"):
                counted = header is None or line.rstrip().endswith(header)
            elif counted and words[-1] == b"kB":
                name = words[0][:-1].decode()
                sums[name] = sums.get(name, 0) + int(words[1])
    return sums


"""

IMPORTS = CLOCK + """\
start = now()
{extension}
loaded = now()
{install}
installed = now()
early = set(sys.modules)
begin = now()
for name in NAMES:
    __import__(name)
end = now()

used = memory("/proc/self/smaps_rollup")
loaders = {{}}
for name in NAMES:
    spec = getattr(sys.modules[name], "__spec__", None)
    # A module that replaced itself in sys.modules does not show where it came from.
    if name not in early and spec is not None and spec.name == name:
        loader = spec.loader
        kind = (loader if isinstance(loader, type) else type(loader)).__name__
        loaders[kind] = loaders.get(kind, 0) + 1
{check}
print({{
    "extension": step(start, loaded), "install": step(loaded, installed), "imports": step(begin, end),
    "sum": step(start, installed, begin, end), "private_dirty": used["Private_Dirty"], "pss": used["Pss"],
    "loaders": loaders, "said": said,
}})
"""

#: A process that forks children after its imports. Each child does some work and a collection, and tells so with a byte.
#: When all have done so, each measures itself.
FORKS = CLOCK + """\
{extension}
{install}
for name in NAMES:
    __import__(name)
alone = memory("/proc/self/smaps_rollup")
import gc, json, os, re, textwrap
if {is_frozen}:
    gc.freeze()
worked, go, measured, leave = (os.pipe() for _ in range(4))
children = []
for number in range({count}):
    child = os.fork()
    if child == 0:
        [os.close(pipe[1]) for pipe in (go, leave)]
        text = json.dumps([{{"number": number, "items": list(range(100))}}] * 10)
        assert json.loads(text)[3]["number"] == number and re.findall(r"\\d+", text)
        textwrap.fill("some words to wrap " * 50, 40)
        gc.collect()
        os.write(worked[1], b".")
        os.read(go[0], 1)
        used = memory("/proc/self/smaps_rollup")
        os.write(measured[1], b"%d %d\\n" % (used["Private_Dirty"], used["Pss"]))
        os.read(leave[0], 1)
        os._exit(0)
    children.append(child)
for _ in children:
    assert os.read(worked[0], 1)
os.close(go[1])
lines = b""
while lines.count(b"\\n") < len(children):
    lines += os.read(measured[0], 4096)
parent = memory("/proc/self/smaps_rollup")
os.close(leave[1])
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
used = [tuple(map(int, line.split())) for line in lines.splitlines()]
{check}
print({{
    "one": alone["Private_Dirty"], "child": sorted(private for private, _ in used)[len(used) // 2],
    "all": parent["Pss"] + sum(pss for _, pss in used), "said": said,
}})
"""

LOAD = CLOCK + """\
import os  # a start without -S imports it, too

start = now()
{extension}
loaded = now()
{install}
opened = now()
faults = minor_faults()
begin = now()
kept = [load(part) for part in parts]
end = now()
faults = minor_faults() - faults

assert [type(code).__name__ for code in kept] == ["code"] * len(NAMES)
mapping = memory("/proc/self/smaps", {mapped!r})
{check}
print({{
    "extension": step(start, loaded), "open": step(loaded, opened), "load": step(begin, end), "faults": faults,
    "mapped": mapping["Rss"], "said": said,
}})
"""

PROCESS = """\
import sys
{extension}
{install}
{imports}
{check}
"""


class Programs:
    """Writes and compiles programs for one interpreter."""

    def __init__(self, python, folder):
        self.python = python
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def command(self, name, text):
        """Compiles `text`; returns the command that runs it."""
        source, compiled = (os.path.join(self.folder, name + end) for end in (".py", ".pyc"))
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        compiler = "import py_compile, sys; py_compile.compile(*sys.argv[1:], doraise=True)"
        spawn([self.python, "-I", "-S", "-c", compiler, source, compiled])
        return [self.python, *FLAGS, compiled]
