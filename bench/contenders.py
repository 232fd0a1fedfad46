"""The contenders: the files that each needs, and the parts of the measured program that differ.

A contender that cannot be installed for an interpreter is left out with a reason. One that is installed and fails is an
error.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import zipfile

from programs import FLAGS, FORKS, IMPORTS, LOAD, PROCESS
from rounds import Failed, facts, settle, spawn

HEADER_LEN = 16  # of a .pyc file

#: How many children a process forks.
CHILDREN = 8


@dataclasses.dataclass
class Contender:
    """The parts of the program for one way to import."""
    extension: str
    install: str
    #: Name of the type that loads the modules, itself or through its instances.
    loader: str
    check: str = ""


class Case:
    """One interpreter, its archive, and one set of modules."""

    def __init__(self, interpreter, name, modules, folder):
        self.python = interpreter["python"]
        self.version = interpreter["version"]
        self.site = interpreter["site"]
        self.archive = interpreter["archive"]
        self.unsealed = interpreter["unsealed"]
        self.compiled = interpreter["compiled"]
        self.name, self.modules = name, modules
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def marshalled(self):
        """Yields the name, whether it is a package, and the marshal bytes of each module that was bundled."""
        for module in self.modules:
            *packages, last = module.split(".")
            folder = os.path.join(self.compiled, *packages)
            inside = os.path.join(folder, last)
            is_package = os.path.isdir(inside) and bool(pyc_in(inside, "__init__"))
            file = pyc_in(inside, "__init__") if is_package else pyc_in(folder, last)
            if not file:
                raise Failed("%s was not bundled for CPython %s" % (module, self.version))
            with open(file, "rb") as content:
                yield module, is_package, content.read()[HEADER_LEN:]


def pyc_in(folder, stem):
    cache = os.path.join(folder, "__pycache__")
    names = os.listdir(cache) if os.path.isdir(cache) else []
    return next((os.path.join(cache, name) for name in names if name.rsplit(".", 2)[0] == stem), None)


def stock(case):
    return Contender("pass", "pass", "SourceFileLoader")


def archive(case, path=None, method="records", check=""):
    return Contender(
        extension="sys.path.append(%r)\nimport permacode" % case.site,
        install="permacode.install(%r, strict=True)" % (path or case.archive),
        loader="PermacodeLoader",
        check="""\
said = permacode.status(), permacode.stats()
assert said[0]["method"] == %r, said
assert said[1]["fallbacks"] == 0 and said[1]["hits"] > 0, said
%s""" % (method, check),
    )


def image(case):
    """The same archive in another folder, where it has an image beside it."""
    path, _ = imaged(case)
    return archive(case, path, "image")


def stamped(case):
    """An archive that is not sealed, with stamps beside it."""
    path, _ = beside(case, case.unsealed, "stamp")
    stamp(case, path)
    return archive(case, path, check=STAMPED)


def stamped_image(case):
    """An archive that is not sealed, with an image and stamps beside it."""
    path, _ = beside(case, case.unsealed, "image")
    stamp(case, path)
    return archive(case, path, "image", STAMPED)


def stamp(case, path):
    """Makes the stamps again. The library may have changed since the last measurement."""
    run_in(case, case.site, "import permacode.stamp; permacode.stamp.build(sys.argv[1])", path)


#: No finder of CPython was asked, and no source was read.
STAMPED = """\
assert said[0]["stamps"]["found"] >= said[0]["stamps"]["loaded"] == said[1]["hits"], said"""


def imaged(case):
    """The path of an archive with an image beside it, and that of the image."""
    return beside(case, case.archive, "image")


#: The results of `beside`, by folder. Files of an earlier run may be those of another build of the package.
_MADE = {}


def beside(case, source, module):
    """A copy of an archive in another folder, and the file that a module of the package made beside it."""
    stem = os.path.splitext(os.path.basename(source))[0]
    folder = os.path.join(os.path.dirname(case.folder), "%s-%s" % (stem, module))
    if folder not in _MADE:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        path = os.path.join(folder, "archive.perma")
        shutil.copyfile(source, path)
        made = run_in(case, case.site, """
import importlib
made = importlib.import_module("permacode." + sys.argv[2]).build(sys.argv[1])
print(made["path"])
""", path, module)[0].rstrip("\n")
        for each in (path, made):
            settle(each)
        _MADE[folder] = path, made
    return _MADE[folder]


def zipped(case):
    """An uncompressed zip file with the .pyc files of the set and nothing else."""
    path = case.path("set.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        # The time in the header is 0, because a zip file without sources has no time to compare.
        ask = "import importlib.util as u; print(u.MAGIC_NUMBER)"
        header = facts([case.python, "-I", "-S", "-c", ask]) + bytes(12)
        for name, is_package, code in case.marshalled():
            inside = name.replace(".", "/") + ("/__init__" if is_package else "") + ".pyc"
            file.writestr(zipfile.ZipInfo(inside), header + code)
    settle(path)
    return Contender("pass", "sys.path.insert(0, %r)" % path, "zipimporter")


def oxidized_importer(case, site):
    """Its mapped index with the bytecode of the set."""
    path, names = case.path("set.oxidized"), case.path("set.oxidized.txt")
    with open(names, "w", encoding="utf-8") as index:
        for number, (name, is_package, code) in enumerate(case.marshalled()):
            with open(case.path("oxidized-%d" % number), "wb") as file:
                file.write(code)
            index.write("%s %d %s\n" % (name, is_package, file.name))
    run_in(case, site, """
from oxidized_importer import OxidizedFinder, OxidizedResource
finder = OxidizedFinder()
for line in open(sys.argv[1]):
    resource = OxidizedResource()
    resource.name, is_package, file = line.split()
    resource.is_module, resource.is_package = True, is_package == "1"
    resource.in_memory_bytecode = open(file, "rb").read()
    finder.add_resource(resource)
open(sys.argv[2], "wb").write(finder.serialize_indexed_resources())
""", names, path)
    return Contender(
        extension="sys.path.append(%r)\nfrom oxidized_importer import OxidizedFinder" % site,
        install="finder = OxidizedFinder()\nfinder.index_file_memory_mapped(%r)\n"
                "sys.meta_path.insert(0, finder)" % path,
        loader="OxidizedFinder",
    )


def code_data_share(case, site):
    """Its image of the code objects of a process that imported the set."""
    path, names = case.path("set.cds"), case.path("set.cds.txt")
    with open(names, "w", encoding="utf-8") as file:
        file.write("\n".join(case.modules))
    # Its dumper calls `exit`, which only `site` defines.
    dump = "import builtins; builtins.exit = sys.exit; from cds.dump import run_dump; run_dump(*sys.argv[1:])"
    run_in(case, site, dump, names, path)
    return Contender(
        extension="sys.path.append(%r)\nimport cds" % site,
        install="cds.share(%r)" % path,
        loader="CDSFinder",
    )


def run_in(case, site, program, *args):
    return spawn([case.python, *FLAGS, "-c", "import sys; sys.path.append(%r)\n%s" % (site, program), *args])


#: Contenders from PyPI, by the name of the package.
PEERS = {"oxidized_importer": oxidized_importer, "code-data-share": code_data_share}


def install_peers(interpreter, folder):
    """Installs those packages that can be installed, once. Returns their folder, and why others are absent."""
    environment = os.path.join(folder, "peers")
    python = os.path.join(environment, "bin", "python")
    state = os.path.join(folder, "peers.json")
    if not os.path.exists(state):
        subprocess.run([interpreter["python"], "-m", "venv", "--clear", environment], check=True)
        absent = {}
        for package in PEERS:
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
            done = subprocess.run(install, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                lines = done.stdout.decode(errors="replace").strip().splitlines()
                absent[package] = lines[-1] if lines else "pip fails with status %d" % done.returncode
        with open(state, "w", encoding="utf-8") as file:
            json.dump(absent, file)
    with open(state, encoding="utf-8") as file:
        absent = json.load(file)
    site = facts([python, "-I", "-c", "import sysconfig; print(repr(sysconfig.get_path('platlib')))"])
    return site, absent


def contenders(case, peers_site, absent):
    """All contenders that can import the set. Adds the others to `absent`."""
    found = {"stock": stock(case), "archive": archive(case), "stamped": stamped(case), "zipimport": zipped(case)}
    for name, prepare in (("image", image), ("stamped image", stamped_image)):
        try:
            found[name] = prepare(case)
        except Failed as error:
            absent[name] = str(error).strip().splitlines()[-1]
    for package, prepare in PEERS.items():
        if package not in absent:
            try:
                found[package] = prepare(case, peers_site)
            except Failed as error:
                absent[package] = str(error).strip().splitlines()[-1]
    return found


def import_program(case, contender):
    return IMPORTS.format(names=case.modules, extension=contender.extension, install=contender.install,
                          check=contender.check or "said = None")


def forks_program(case, contender, is_frozen):
    return FORKS.format(names=case.modules, extension=contender.extension, install=contender.install, count=CHILDREN,
                        is_frozen=is_frozen, check=contender.check or "said = None")


def process_program(contender, imports):
    return PROCESS.format(extension=contender.extension, install=contender.install, imports=imports,
                          check=contender.check)


def load_programs(case):
    """Programs that only load code: from the archive, and by marshal from mapped .pyc bytes."""
    path = case.path("set.marshal")
    ranges, end = [], 0
    with open(path, "wb") as file:
        for _, _, code in case.marshalled():
            file.write(code)
            ranges.append((end, end + len(code)))
            end += len(code)
    settle(path)
    programs = {
        "marshal": LOAD.format(
            names=case.modules,
            extension="from marshal import loads as load\nimport mmap",
            install="""\
with open(%r, "rb") as file:
    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
parts = [view[begin:end] for begin, end in %r]""" % (path, ranges),
            mapped=os.fsencode(path), check="said = None"),
        "archive": load_program(case, case.archive),
    }
    try:
        programs["image"] = load_program(case, *imaged(case), "image")
    except Failed:
        pass  # `contenders` gives the reason.
    return programs


def load_program(case, path, mapped=None, method="records"):
    return LOAD.format(
        names=case.modules, extension=archive(case).extension,
        install="archive = permacode.open(%r)\nload, parts = archive.code, NAMES" % path,
        mapped=os.fsencode(mapped or path), check="said = archive.method\nassert said == %r, said" % method)
