"""Fresh processes in turn (A B C A B C ...), and the ratios of what they took."""

import ast
import os
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    """A process that was to be measured did not do what it should."""


def pin():
    """Keeps this process and its children on one processor, where the system can; says which."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {chosen})
    return chosen


def spawn(command, errors_to_output=False):
    """Runs a command to its end: what it printed, the time on the wall and that of the processor, in milliseconds."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter_ns()
        process = subprocess.Popen(command, stdout=output, stderr=output if errors_to_output else errors)
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
    """Drops a file from the system's cache, for those who ask for it next."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def settle(path):
    """Brings a file into the cache as reading does: one that was written just now lies there in larger pieces."""
    drop_from_cache(path)
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def facts(command):
    """Runs a program that prints one Python value."""
    printed, _ = spawn(command)
    return ast.literal_eval(printed)


def interleaved(measures, rounds):
    """Calls each measure once a round, and gives for each the list of its results. A first round is not counted."""
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
    """How `values` compare with `base`: that of the least values, and the median and quartiles of those of each round."""
    paired = [value / of_base for value, of_base in zip(values, base)]
    low, median, high = statistics.quantiles(paired, n=4) if len(paired) > 1 else paired * 3
    return {"min": min(values) / min(base), "median": median, "quartiles": [low, high], "rounds": len(paired)}


def compare(results, base, key):
    """For each contender one number of its results (`key`), and its ratio to that of the contender `base`."""
    of_base = [result[key] for result in results[base]]
    rows = {}
    for name, of_name in results.items():
        values = [result[key] for result in of_name]
        rows[name] = {**summary(values), "ratio": ratio(values, of_base)}
    return rows
