#!/usr/bin/env python3
"""Draws `gain.svg` and `programs.svg` in `docs/benchmarks` from the JSON files beside them. Needs matplotlib 3.8.

`programs.json` is what `enabled.py --json` wrote. The numbers in `gain.json` are those of the tables in
`docs/benchmarks.md`, and its labels are the labels of their rows. The script fails if a number differs from the tables.
The same version of matplotlib writes the same bytes every time.
"""

import json
import os

from markdown import program_row

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs")

#: Colours that people with colour blindness can tell apart (Okabe and Ito), and a shape for each contender.
STYLES = {
    "archive": ("#0072B2", "o"),
    "stock": ("#0072B2", "o"),
    "zipimport": ("#D55E00", "s"),
    "oxidized_importer": ("#009E73", "^"),
    "code-data-share": ("#CC79A7", "D"),
    "mid: archive": ("#0072B2", "o"),
    "json: archive": ("#E69F00", "v"),
}


def main():
    with open(path("benchmarks", "gain.json"), encoding="utf-8") as file:
        data = json.load(file)
    with open(path("benchmarks", "programs.json"), encoding="utf-8") as file:
        programs = json.load(file)["programs"]
    with open(path("benchmarks.md"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    check(data, lines)
    for name, of in programs.items():
        if program_row(name, of) not in lines:
            raise SystemExit("docs/benchmarks.md has no such row: %s" % program_row(name, of))
    pyplot = prepare()
    draw(pyplot, data, path("benchmarks", "gain.svg"))
    draw_programs(pyplot, programs, path("benchmarks", "programs.svg"))


def path(*names):
    return os.path.normpath(os.path.join(FOLDER, *names))


def check(data, lines):
    """Fails if a number of the JSON file is not in the tables."""
    for part in ("speed", "process", "memory"):
        for label, row in data[part].items():
            medians = table_row(label, map(number, row["median"]))
            found = [index for index, line in enumerate(lines) if line == medians]
            if "quartiles" in row:
                quartiles = table_row("quartiles", map(span, row["quartiles"]))
                found = [index for index in found if lines[index + 1] == quartiles]
            if not found:
                raise SystemExit("docs/benchmarks.md has no such row, or other quartiles below it: %s" % medians)
    for tests, row in data["size"].items():
        for version, ratio in row.items():
            start, end = "| %s | %s |" % (version, tests), "| %s |" % number(ratio)
            if not any(line.startswith(start) and line.endswith(end) for line in lines):
                raise SystemExit("docs/benchmarks.md has no such row: %s .. %s" % (start, end))


def table_row(label, values):
    return "| %s | %s |" % (label, " | ".join(values))


def number(value):
    return "–" if value is None else ("%.3f" % value).removeprefix("0")


def span(quartiles):
    return "–" if quartiles is None else "%s–%s" % tuple(map(number, quartiles))


def prepare():
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "svg.hashsalt": "permacode",  # otherwise ids are random
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "legend.fontsize": 8,
    })
    from matplotlib import pyplot
    return pyplot


def draw(pyplot, data, output):
    figure, ((speed, process), (memory, size)) = pyplot.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12)
    versions = data["versions"]

    rows = {label.removeprefix("whole: as fast as "): row for label, row in data["speed"].items()}
    points(speed, versions, rows, {"stock": "as stock CPython", "zipimport": "as zipimport",
                                   "oxidized_importer": "as oxidized_importer",
                                   "code-data-share": "as code-data-share"})
    speed.set(title="Importing 353 to 406 modules:\nhow many times as fast an archive is (higher is better)",
              ylim=(0.9, 1.5))

    points(process, versions, data["process"], {"mid: archive": "117 to 120 modules", "json: archive": "import json"})
    process.set(title="Whole process, start to exit:\ntime with an archive, stock CPython = 1 (lower is better)",
                ylim=(0.8, 1.2))

    rows = {label.removeprefix("whole: "): row for label, row in data["memory"].items()}
    points(memory, versions, rows, {name: name for name in rows})
    memory.set(title="Private memory after importing 353 to 406 modules:\nstock CPython = 1 (lower is better)",
               ylim=(0.9, 2))

    bars(size, data["size"])
    size.set(title="Size of an archive without sources:\n.pyc files = 1 (lower is better)", ylim=(0, 1.25))

    save(figure, output)


def draw_programs(pyplot, programs, output):
    """A point for the speed of each program, with a line from quartile to quartile."""
    figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(programs) + 1.2), layout="constrained")
    speeds = [of["cpu"]["speed"] for of in programs.values()]
    medians = [speed["median"] for speed in speeds]
    spans = [speed["quartiles"] for speed in speeds]
    errors = ([median - low for median, (low, _) in zip(medians, spans)],
              [high - median for median, (_, high) in zip(medians, spans)])
    rows = range(len(programs))
    axes.errorbar(medians, rows, xerr=errors, fmt="o", color="#0072B2", markersize=5, elinewidth=1, label="median")
    axes.plot([speed["min"] for speed in speeds], rows, "s", color="#E69F00", markersize=4, label="least times")
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_yticks(rows, programs)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right")
    axes.set(title="Whole process in an enabled environment:\nhow many times as fast as without the archive,"
             " processor time (more is better)")
    save(figure, output)


def save(figure, output):
    figure.savefig(output, metadata={"Date": None, "Creator": None})
    with open(output, encoding="utf-8") as file:
        lines = file.read().splitlines()
    with open(output, "w", encoding="utf-8") as file:
        file.write("".join(line.rstrip() + "\n" for line in lines))


def points(axes, versions, rows, names):
    """A point for each version and row, with a line from quartile to quartile."""
    for index, (label, row) in enumerate(rows.items()):
        colour, shape = STYLES[label]
        shift = (index - (len(rows) - 1) / 2) * 0.14
        having = [at for at, value in enumerate(row["median"]) if value is not None]
        values = [row["median"][at] for at in having]
        errors = None
        if "quartiles" in row:
            spans = [row["quartiles"][at] for at in having]
            errors = ([value - low for value, (low, _) in zip(values, spans)],
                      [high - value for value, (_, high) in zip(values, spans)])
        axes.errorbar([at + shift for at in having], values, errors, fmt=shape, color=colour, markersize=5,
                      elinewidth=1, label=names[label])
    finish(axes, versions)


def bars(axes, sizes):
    versions = list(sizes["without"])
    for index, (tests, colour) in enumerate((("without", "#0072B2"), ("with", "#56B4E9"))):
        at = [position + (index - 0.5) * 0.38 for position in range(len(versions))]
        axes.bar(at, [sizes[tests][version] for version in versions], 0.36, color=colour,
                 label="library %s its test suites" % tests)
    finish(axes, versions)


def finish(axes, versions):
    axes.axhline(1, color="#444444", linewidth=0.8)
    axes.set_xticks(range(len(versions)), versions)
    axes.set_xlim(-0.6, len(versions) - 0.4)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", ncols=2)


if __name__ == "__main__":
    main()
