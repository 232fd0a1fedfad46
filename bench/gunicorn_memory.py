#!/usr/bin/env python3
"""Measures the memory of a server's workers in an environment that `permacode enable` switched on.

`gunicorn_memory.py PYTHON [--rounds N] [--json FILE]`. PYTHON is the interpreter of the environment. Gunicorn serves a
small Django application with 8 workers, preloaded and not, with the archive and without it (`PERMACODE_OFF=1`), in
turn. After all workers have loaded the application, and again after 2,000 requests, each worker has these figures:

* private memory (USS): pages that no other process has;
* proportional memory (PSS): each page divided by the number of processes that have it.

A figure of a round is the mean of the workers; *all* is the proportional memory of the workers and their parent. The
tables have medians of the rounds. Of the image, *written* are the pages that a worker has written to, so that they are
its own, and *clean* the other pages that it has touched, counted proportionally.
"""

import argparse
import concurrent.futures
import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from rounds import Failed, spawn, write_report

WORKERS, REQUESTS, CLIENTS = 8, 2000, 8
OFF = "PERMACODE_OFF"
IMAGE = "/environment.perma.image-"
#: The seconds that a server may take to start.
PATIENCE = 120
SETTINGS = """
ALLOWED_HOSTS = ["*"]
DEBUG = False
TEMPLATES[0]["DIRS"] = [BASE_DIR]
"""
URLS = """\
from django import forms
from django.contrib import admin
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import path


class Search(forms.Form):
    text = forms.CharField(max_length=20)
    limit = forms.IntegerField(min_value=1, max_value=50)


def page(request):
    form = Search(request.GET)
    limit = form.cleaned_data["limit"] if form.is_valid() else 10
    return render(request, "page.html", {"form": form, "rows": [{"number": n, "square": n * n} for n in range(limit)]})


def squares(request):
    return JsonResponse({"squares": [n * n for n in range(50)]})


urlpatterns = [path("", page), path("squares/", squares), path("admin/", admin.site.urls)]
"""
PAGE = """\
<!DOCTYPE html><title>Squares</title><form>{{ form.as_p }}</form>
<table>{% for row in rows %}<tr class="{% cycle 'a' 'b' %}"><td>{{ row.number }}<td>{{ row.square|floatformat:2 }}
{% endfor %}</table>
"""
PATHS = ["/", "/?text=a&limit=20", "/squares/", "/admin/login/"]
CONFIGURATION = """\
def post_worker_init(worker):
    with open({ready!r}, "a") as file:
        file.write("%d\\n" % worker.pid)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    args = parser.parse_args()
    print("%d workers, %d requests, %d rounds" % (WORKERS, REQUESTS, args.rounds))
    with tempfile.TemporaryDirectory() as folder:
        report = Bench(os.path.abspath(args.python), folder).run(args.rounds)
    if args.json:
        write_report(args.json, report)


class Bench:
    """The measurements of one environment."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.variables = {name: value for name, value in os.environ.items()
                          if not name.startswith(("PYTHON", "PERMACODE", "DJANGO", "GUNICORN", "VIRTUAL_ENV"))}
        self.variables["HOME"] = folder
        self.site = os.path.join(folder, "site")
        os.mkdir(self.site)
        spawn([self.script("django-admin"), "startproject", "small", self.site], cwd=folder, env=self.variables)
        self.write("small/settings.py", SETTINGS, "a")
        self.write("small/urls.py", URLS)
        self.write("page.html", PAGE)

    def script(self, name):
        return os.path.join(os.path.dirname(self.python), name)

    def write(self, name, text, mode="w"):
        with open(os.path.join(self.site, name), mode, encoding="utf-8") as file:
            file.write(text)

    def run(self, rounds):
        # Pages of a file that was just written count as private until they are on disk.
        os.sync()
        cases = [(preload, side) for preload in (False, True) for side in ("off", "on")]
        results = {case: [] for case in cases}
        for number in range(rounds + 1):
            for case in cases:
                result = self.measure(*case)
                # The first round writes .pyc files and fills the caches.
                if number > 0:
                    results[case].append(result)
        report = {"workers": WORKERS, "requests": REQUESTS, "rounds": rounds, "kB": {}}
        for preload in (False, True):
            title = "preloaded" if preload else "not preloaded"
            report["kB"][title] = of_title = {}
            for when in ("before", "after"):
                for what in ("private", "proportional", "all"):
                    of = {side: statistics.median(result[when][what] for result in results[preload, side])
                          for side in ("off", "on")}
                    of["ratio"] = of["on"] / of["off"]
                    of_title.setdefault(when, {})[what] = of
                    print("  %-14s %-7s the requests, %-13s %9.0f kB without, %9.0f kB with the archive: %.3f" % (
                        title, when, what, of["off"], of["on"], of["ratio"]))
                image = {part: statistics.median(result[when]["image"][part] for result in results[preload, "on"])
                         for part in ("written", "clean")}
                of_title[when]["image"] = image
                print("  %-14s %-7s the requests, of the image: %.0f kB written, %.0f kB clean" % (
                    title, when, image["written"], image["clean"]))
        return report

    def measure(self, preload, side):
        ready, configuration, address = (os.path.join(self.folder, name) for name in ("ready", "conf.py", "socket"))
        for path in (ready, address):
            if os.path.exists(path):
                os.remove(path)
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(ready=ready))
        command = [self.script("gunicorn"), "--config", configuration, "--workers", str(WORKERS), "--bind",
                   "unix:" + address, "--chdir", self.site, "--log-level", "warning", "small.wsgi"]
        variables = {**self.variables, **({OFF: "1"} if side == "off" else {})}
        with tempfile.TemporaryFile() as errors:
            server = subprocess.Popen(command + ["--preload"] * preload, env=variables, cwd=self.folder, stderr=errors)
            try:
                workers = self.wait(server, ready)
                check_image(workers, side)
                before = memory(server.pid, workers)
                request_all(address)
                check_image(workers, side)
                return {"before": before, "after": memory(server.pid, workers)}
            except (Failed, OSError) as error:
                errors.seek(0)
                raise Failed("%s: %s: %s" % (" ".join(command), error, errors.read().decode(errors="replace")))
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()

    def wait(self, server, ready):
        """The process numbers of the workers, after all of them have loaded the application."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and server.poll() is None:
            if os.path.exists(ready):
                with open(ready, encoding="ascii") as file:
                    workers = file.read().split()
                if len(workers) == WORKERS:
                    return [int(worker) for worker in workers]
            time.sleep(.05)
        raise Failed("the server did not start")


def check_image(workers, side):
    for worker in workers:
        with open("/proc/%d/maps" % worker, encoding="utf-8", errors="replace") as file:
            has_image = IMAGE in file.read()
        if has_image != (side == "on"):
            raise Failed("a worker %s an image" % ("has" if has_image else "does not have"))


def memory(parent, workers):
    sums = [of_process(worker) for worker in workers]
    return {"private": statistics.mean(of["Private_Clean"] + of["Private_Dirty"] for of in sums),
            "proportional": statistics.mean(of["Pss"] for of in sums),
            "all": sum(of["Pss"] for of in sums) + of_process(parent)["Pss"],
            "image": {part: statistics.mean(of_image(worker)[part] for worker in workers)
                      for part in ("written", "clean")}}


def of_process(process):
    with open("/proc/%d/smaps_rollup" % process, encoding="ascii") as file:
        return fields(file.readlines()[1:])


def of_image(process):
    """What the process has of the image, in kB."""
    with open("/proc/%d/smaps" % process, encoding="utf-8", errors="replace") as file:
        # Each mapping has a line with its addresses and its file, then lines with a name and a number.
        mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", file.read(), flags=re.MULTILINE)
    found = [fields(mapping.splitlines()[1:]) for mapping in mappings if IMAGE in mapping.partition("\n")[0]]
    # Written pages are anonymous. Those that no other process has are private.
    written = sum(of["Anonymous"] for of in found)
    return {"written": written, "clean": sum(of["Pss"] - of["Pss_Dirty"] for of in found)}


def fields(lines):
    rows = [line.split() for line in lines]
    return {row[0].rstrip(":"): int(row[1]) for row in rows if row[-1] == "kB"}


def request_all(address):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for status in pool.map(lambda number: request(address, PATHS[number % len(PATHS)]), range(REQUESTS)):
            if status != 200:
                raise Failed("the server answered with status %d" % status)


class Connection(http.client.HTTPConnection):
    """A connection over a socket in the file system."""

    def __init__(self, address):
        super().__init__("localhost")
        self.address = address

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.address)


def request(address, path):
    connection = Connection(address)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit("bench: %s" % error)
