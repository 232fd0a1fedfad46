#!/usr/bin/env python3
"""Makes the tables of `docs/benchmarks.md` from the output of `bench.py`, `enabled.py` or `gunicorn_memory.py` with
`--json`: `markdown.py FILE`.

In the tables of `bench.py`, each interpreter has a column. A ratio is a median; if there are quartiles, the next row
has them.
"""

import json
import sys

OTHERS = ["stock", "zipimport", "oxidized_importer", "code-data-share"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    if "programs" in report:
        print("\n".join(program_table(report)))
    elif "workers" in report:
        print("\n".join(memory_table(report)))
    else:
        bench_tables(report)


def program_table(report):
    """The table of `enabled.py`."""
    yield ("| CPython %s, %d rounds | without, ms | with, ms | speed: least | median | quartiles | wall time: least |"
           " median |" % (report["version"], report["rounds"]))
    yield "|---|" + "---|" * 7
    for name, of in report["programs"].items():
        yield program_row(name, of)


def program_row(name, of):
    cpu, wall = of["cpu"], of["wall"]
    speed = cpu["speed"]
    return "| %s | %.0f | %.0f | %.2f | %.2f | %.2f–%.2f | %.2f | %.2f |" % (
        name, cpu["off"]["median"], cpu["on"]["median"], speed["min"], speed["median"], *speed["quartiles"],
        wall["speed"]["min"], wall["speed"]["median"])


def memory_table(report):
    """The table of `gunicorn_memory.py`."""
    yield "| %d workers, %d rounds, kB | memory | without | with | ratio |" % (report["workers"], report["rounds"])
    yield "|---|---|---|---|---|"
    for title, moments in report["kB"].items():
        for when, of in moments.items():
            for what in ("private", "proportional", "all"):
                yield "| %s, %s the requests | %s | %s | %s | %s |" % (
                    title, when, what, *(format(round(of[what][side]), ",") for side in ("off", "on")),
                    number(of[what]["ratio"]))


def bench_tables(report):
    interpreters = report["interpreters"]
    print("%d rounds; modules: %s" % (report["rounds"], "; ".join(
        "%s %s" % (of["version"], ", ".join("%s %d" % item for item in of["sets"].items())) for of in interpreters)))
    for part, rows in (("load", load_rows), ("imports", import_rows), ("process", process_rows),
                       ("imports", memory_rows), ("instructions", instruction_rows), ("placement", placement_rows)):
        having = [of for of in interpreters if part in of]
        if having:
            print("\n| | %s |\n|---|%s" % (" | ".join(of["version"] for of in having), "---|" * len(having)))
            # Some contenders are absent for some interpreters.
            columns = [rows(of[part]) for of in having]
            for name in dict.fromkeys(name for column in columns for name in column):
                print_row(name, [column.get(name, "–") for column in columns])


def print_row(name, values):
    """Prints values as a row. Quartiles get a row of their own, because a line has at most 120 columns."""
    medians, quartiles = zip(*(value if isinstance(value, tuple) else (value, "–") for value in values))
    print("| %s | %s |" % (name, " | ".join(medians)))
    if any(text != "–" for text in quartiles):
        print("| quartiles | %s |" % " | ".join(quartiles))


def load_rows(part):
    rows = {"%s: archive to marshal" % name: spread(of["archive"]["load"]["ratio"]) for name, of in part.items()}
    return {**rows, **{"%s: marshal, ms" % name: "%.1f" % of["marshal"]["load"]["median"] for name, of in part.items()}}


def import_rows(part):
    rows = {}
    for name, of in part.items():
        archive = of["archive"]
        rows[name + ": as fast as stock, without set-up"] = inverse(archive["imports"]["ratio"])
        for other in OTHERS:
            if other in archive["times_as_fast_as"]:
                rows["%s: as fast as %s" % (name, other)] = spread(archive["times_as_fast_as"][other])
        rows[name + ": stock, ms"] = "%.1f" % of["stock"]["sum"]["median"]
        rows[name + ": set-up, ms"] = "%.2f + %.2f" % (archive["extension"]["median"], archive["install"]["median"])
    return rows


def process_rows(part):
    rows = {}
    for name, of in part.items():
        for other in ["archive", *OTHERS[1:]]:
            if other in of["cpu"]:
                rows["%s: %s" % (name, other)] = spread(of["cpu"][other]["ratio"])
        rows[name + ": archive, wall time"] = spread(of["wall"]["archive"]["ratio"])
        rows[name + ": stock, ms"] = "%.1f" % of["cpu"]["stock"]["median"]
    return rows


def memory_rows(part):
    rows = {}
    for name, of in part.items():
        for other in ["archive", *OTHERS[1:]]:
            if other in of:
                rows["%s: %s" % (name, other)] = number(of[other]["private_dirty"]["ratio"]["median"])
        rows[name + ": stock, kB"] = "%.0f" % of["stock"]["private_dirty"]["median"]
    return rows


def instruction_rows(part):
    return {"%s: %s" % (name, row): number(counts["median"] / of["stock"]["median"])
            for name, of in part.items() for row, counts in of.items()}


def placement_rows(part):
    rows = {}
    for state, sets in part.items():
        for name, of in sets.items():
            for row, values in of.items():
                ratio = "%s (%s)" % spread(values["load"]["ratio"])
                rows["%s, %s: %s" % (name, state, row)] = "%s, %.0f kB" % (ratio, values["mapped"])
    return rows


def number(value):
    return ("%.3f" % value).removeprefix("0")


def spread(ratio):
    """The median and the quartiles."""
    return number(ratio["median"]), "%s–%s" % tuple(map(number, ratio["quartiles"]))


def inverse(ratio):
    """The speed ratio, from a ratio of times."""
    low, high = ratio["quartiles"]
    return spread({"median": 1 / ratio["median"], "quartiles": [1 / high, 1 / low]})


if __name__ == "__main__":
    main()
