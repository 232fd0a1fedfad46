#!/usr/bin/env python3
"""Measures imports from archives beside other ways to import, for each interpreter of a plan.

`bench.py PLAN [--rounds N] [--only PART]... [--instructions] [--json FILE]`. PLAN is a JSON file that `cargo xtask
bench python` writes: a list of interpreters with `version`, `python`, `site` (folder of the installed package),
`archive` (sealed), `unsealed` (the same, not sealed), `placements` (the same archive with other placements, by name),
`compiled` (folder of the .pyc files that were bundled) and `folder` (for the files that the measurement makes).

Parts: `load` (the code of a set and nothing else), `imports` (of a set, in one process; and memory after it), and
`process` (from start to exit). Only on request: `instructions` (of whole processes, under callgrind), `placement`
(loading code from archives that differ only in the order of their records, with a warm and a cold file cache), and
`forks` (memory of processes that were forked after imports).

In all tables, ratios are to the first row: less is better. For processor time, a table has the ratio of the least
times, then the median and the quartiles of the ratios of each round.
"""

import argparse
import json
import os
import re
import statistics
import sys

from contenders import (
    CHILDREN, Case, contenders, forks_program, import_program, install_peers, load_program, load_programs,
    process_program)
from programs import FLAGS, Programs
from rounds import (
    Failed, compare, drop_from_cache, facts, interleaved, pin, ratio, settle, spawn, summary, write_report)
from sets import ROOTS

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ["load", "imports", "process", "instructions", "placement", "forks"]
#: The sets of each part. Large sets are measured within one process only.
LOADED, IMPORTED, PROCESSES = ["json", "mid", "whole"], ["mid", "whole"], ["json", "mid"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    parts = args.only or PARTS[:4 if args.instructions else 3]
    with open(args.plan, encoding="utf-8") as file:
        plan = json.load(file)
    processor = pin()
    print("interleaved in fresh processes, %d rounds, %s" % (
        args.rounds, "on any processor" if processor is None else "on processor %d" % processor))
    report = [Bench(interpreter, args.rounds).run(parts) for interpreter in plan]
    if args.json:
        write_report(args.json, {"rounds": args.rounds, "interpreters": report})


class Bench:
    """The measurements of one interpreter."""

    def __init__(self, interpreter, rounds):
        self.interpreter, self.rounds = interpreter, rounds
        self.folder = interpreter["folder"]
        self.programs = Programs(interpreter["python"], os.path.join(self.folder, "programs"))
        settle(interpreter["archive"])
        # What was not yet written to the disk, such as the extension module, would count as the process's dirty memory.
        os.sync()
        self.peers, self.absent = install_peers(interpreter, self.folder)
        self.cases = {name: self.case(name) for name in ROOTS}

    def case(self, name):
        command = [self.interpreter["python"], *FLAGS, os.path.join(HERE, "sets.py"), name]
        modules = spawn(command)[0].split()
        return Case(self.interpreter, name, modules, os.path.join(self.folder, name))

    def run(self, parts):
        version = self.interpreter["version"]
        report = {"version": version, "sets": {name: len(case.modules) for name, case in self.cases.items()}}
        print("\nCPython %s: %s" % (version, ", ".join("%s %d modules" % item for item in report["sets"].items())))
        for part in parts:
            report[part] = getattr(self, part)()
        report["absent"] = self.absent
        if set(parts) - {"load", "placement"}:
            for name, reason in self.absent.items():
                print("  without %s: %s" % (name, reason))
        return report

    def load(self):
        report = {}
        for name in LOADED:
            case = self.cases[name]
            results = self.in_turn(name + "-load-", load_programs(case))
            report[name] = self.load_table("load the code of %s" % name, results, "marshal")
        return report

    def load_table(self, title, results, base):
        rows = times(results, base, ["load", "extension", "open"])
        for row, of_row in results.items():
            for key in ("faults", "mapped"):
                rows[row][key] = statistics.median(result[key] for result in of_row)
        table(title, rows, "load", {
            "open": lambda row: "%.2f" % row["open"]["median"],
            "wall": lambda row: "%.2f" % row["load"]["wall"]["median"],
            "minor faults": lambda row: "%.0f" % row["faults"], "mapped kB": lambda row: "%.0f" % row["mapped"]})
        return rows

    def imports(self):
        report = {}
        for name in IMPORTED:
            case = self.cases[name]
            found = contenders(case, self.peers, self.absent)
            programs = {row: import_program(case, contender) for row, contender in found.items()}
            self.check_stock(case, programs["stock"])
            results = self.in_turn(name + "-import-", programs)
            for row, of_row in results.items():
                check_loaders(case, row, found[row], of_row)
            report[name] = times(results, "stock", ["imports", "sum", "extension", "install"])
            for key in ("private_dirty", "pss"):
                for row, values in compare(results, "stock", key).items():
                    report[name][row][key] = values
            table("import %s in process, without set-up" % name, report[name], "imports", {})
            table("import %s in process, set-up included" % name, report[name], "sum", {
                "extension": lambda row: "%.2f" % row["extension"]["median"],
                "install": lambda row: "%.2f" % row["install"]["median"]})
            report[name]["archive"]["times_as_fast_as"] = speeds = {
                row: ratio([sum_of(result) for result in of_row], [sum_of(result) for result in results["archive"]])
                for row, of_row in results.items() if row != "archive"}
            print("    the archive is, set-up included: " + ", ".join(
                "%.3f [%.3f %.3f] times as fast as %s" % (of["median"], *of["quartiles"], row)
                for row, of in speeds.items()))
            table("private memory after it, kB", report[name], "private_dirty", {
                "PSS": lambda row: "%.0f" % row["pss"]["median"],
                "ratio of it": lambda row: "%.3f" % row["pss"]["ratio"]["median"]}, "%.0f")
        return report

    def process(self):
        report = {}
        for name in PROCESSES:
            commands = self.process_commands(self.cases[name])
            measures = {row: lambda command=command: spawn(command)[1] for row, command in commands.items()}
            results = interleaved(measures, self.rounds)
            report[name] = {key: compare(results, "stock", key) for key in ("cpu", "wall")}
            for key, what in (("cpu", "processor time"), ("wall", "wall time")):
                table("whole process, import %s: %s" % (name, what), {
                    row: {key: value} for row, value in report[name][key].items()}, key, {})
        return report

    def instructions(self):
        report = {}
        for name in PROCESSES:
            report[name] = {}
            for row, command in self.process_commands(self.cases[name]).items():
                # The hash seed changes the counts a little.
                counts = [count_instructions(command, self.folder) for _ in range(3)]
                report[name][row] = summary(counts)
            base = report[name]["stock"]["median"]
            print("\n  instructions of the whole process, import %s" % name)
            for row, counts in report[name].items():
                print("    %-20s %14d  %6.3f" % (row, counts["median"], counts["median"] / base))
        return report

    def placement(self):
        report = {}
        archives = self.interpreter["placements"]
        for state, prepare in (("warm", lambda path: None), ("cold", drop_from_cache)):
            for path in archives.values():
                settle(path)
            report[state] = {}
            for name in LOADED:
                case = self.cases[name]
                measures = {}
                for row, path in archives.items():
                    program = "placement-" + name + row.replace(" ", "-")
                    command = self.programs.command(program, load_program(case, path))
                    measures[row] = lambda command=command, path=path: prepare(path) or facts(command)
                results = interleaved(measures, self.rounds)
                title = "load the code of %s, %s" % (name, state)
                report[state][name] = self.load_table(title, results, "first use")
        return report

    def forks(self):
        report = {}
        for name in IMPORTED:
            case = self.cases[name]
            found = contenders(case, self.peers, self.absent)
            for is_frozen in (False, True):
                how = "frozen" if is_frozen else "forks"
                programs = {row: forks_program(case, contender, is_frozen) for row, contender in found.items()}
                results = self.in_turn("%s-%s-" % (name, how), programs)
                rows = {key: compare(results, "stock", key) for key in ("one", "child", "all")}
                report.setdefault(name, {})[how] = rows
                after = "gc.freeze() after the imports" if is_frozen else "no gc.freeze()"
                for key, what in (("one", "private memory of a process"), ("child", "private memory of a child"),
                                  ("all", "PSS of the process and its %d children" % CHILDREN)):
                    table("import %s, %s: %s, kB" % (name, after, what), {
                        row: {key: values} for row, values in rows[key].items()}, key, {}, "%.0f")
        return report

    def in_turn(self, prefix, programs):
        commands = {row: self.programs.command(prefix + row, text) for row, text in programs.items()}
        measures = {row: lambda command=command: facts(command) for row, command in commands.items()}
        return interleaved(measures, self.rounds)

    def process_commands(self, case):
        imports = "import " + ", ".join(ROOTS[case.name])
        return {row: self.programs.command("%s-process-%s" % (case.name, row), process_program(contender, imports))
                for row, contender in contenders(case, self.peers, self.absent).items()}

    def check_stock(self, case, program):
        """Checks that after a first run, each module of the set comes from its .pyc file."""
        command = self.programs.command(case.name + "-warm", program)
        spawn(command)
        done = spawn([command[0], "-v", *command[1:]], errors_to_output=True)[0]
        compiled = re.findall(r"^# code object from (.*\.py)\W*$", done, re.MULTILINE)
        if compiled:
            raise Failed("CPython %s has no .pyc files for these modules and cannot write them: %s" % (
                self.interpreter["version"], ", ".join(compiled)))


def sum_of(result):
    return result["sum"]["cpu"]


def check_loaders(case, row, contender, results):
    """Checks that the contender imported the modules, except for those that its set-up imported."""
    for result in results:
        found, total = result["loaders"].get(contender.loader, 0), sum(result["loaders"].values())
        if found < total * (1 if row in ("stock", "archive") else .95):
            raise Failed("%s imported %d of the %d modules of %s: %s" % (
                row, found, total, case.name, result["loaders"]))


def times(results, base, keys):
    """For each row and key, the processor and wall times, with their ratios to those of the row `base`."""
    rows = {row: {} for row in results}
    for key in keys:
        for clock in ("cpu", "wall"):
            flat = {row: [{clock: result[key][clock]} for result in of_row if key in result]
                    for row, of_row in results.items()}
            for row, values in compare(flat, base, clock).items():
                rows[row].setdefault(key, {})[clock] = values
    for row in rows.values():
        for key in keys:
            # Processor times come first, wall times are beside them.
            row[key] = {**row[key]["cpu"], "wall": row[key]["wall"]}
    return rows


def spread(of):
    return "%.3f  %.3f [%.3f %.3f]" % (of["min"], of["median"], *of["quartiles"])


def table(title, rows, key, more, number="%.2f"):
    """Prints the member `key` of each row. `more` has further columns, by heading."""
    print("\n  " + title)
    print("    %-18s%10s%10s   %-29s" % ("", "min", "median", "ratio: min, median [quartiles]")
          + "".join("  %12s" % heading for heading in more))
    for name, row in rows.items():
        least, median = (number % row[key][which] for which in ("min", "median"))
        print("    %-18s%10s%10s   %-30s" % (name, least, median, spread(row[key]["ratio"]))
              + "".join("  %12s" % cell(row) for cell in more.values()))


def count_instructions(command, folder):
    profile = os.path.join(folder, "callgrind.out")
    spawn(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + profile, *command])
    with open(profile, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("totals:"))


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit("bench: %s" % error)
