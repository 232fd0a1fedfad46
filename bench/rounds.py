"""Runs new processes in turn (A B C A B C ...), and computes the ratios of their times."""

import ast
import json
import os
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    """A measured process failed."""


def write_report(path, report):
    """Writes what `--json` asks for."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


def pin():
    """Pins this process and its children to one processor; returns its number, or None if the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {chosen})
    return chosen


def spawn(command, errors_to_output=False, **options):
    """Runs a command; returns its output, and its wall and processor times in milliseconds.

    `options` are those of `subprocess.Popen`, such as `cwd`.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter_ns()
        process = subprocess.Popen(command, stdout=output, stderr=output if errors_to_output else errors,
                                   **options)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter_ns() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        printed, said = read(output), read(errors)
    if process.returncode != 0:
        raise Failed("%s: status %d: %s" % (" ".join(command), process.returncode, said or printed))
    return printed, {"wall": wall / 1e6, "cpu": (usage.ru_utime + usage.ru_stime) * 1e3}


def read(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def drop_from_cache(path):
    """Drops a file from the system's cache, so that the next process reads it from disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def settle(path):
    """Reads a file into the cache. A file that was just written lies in the cache in larger pieces."""
    drop_from_cache(path)
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def facts(command):
    """Runs a program that prints a Python literal; returns its value."""
    printed, _ = spawn(command)
    return ast.literal_eval(printed)


def interleaved(measures, rounds):
    """Calls each measure once a round; returns the results of each. An additional first round does not count."""
    results = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name, measure in measures.items():
            result = measure()
            if number > 0:
                results[name].append(result)
    return results


def summary(values):
    return {"min": min(values), "median": statistics.median(values)}


def ratio(values, base):
    """The ratio of the least of `values` and `base`, and the median and quartiles of the ratios of each round."""
    paired = [value / of_base for value, of_base in zip(values, base)]
    low, median, high = statistics.quantiles(paired, n=4) if len(paired) > 1 else paired * 3
    return {"min": min(values) / min(base), "median": median, "quartiles": [low, high], "rounds": len(paired)}


def compare(results, base, key):
    """For each contender, a summary of one number of its results (`key`), and its ratio to that of `base`."""
    of_base = [result[key] for result in results[base]]
    rows = {}
    for name, of_name in results.items():
        values = [result[key] for result in of_name]
        rows[name] = {**summary(values), "ratio": ratio(values, of_base)}
    return rows
