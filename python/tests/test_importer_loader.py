"""What the loader of a module from the archive can do besides: all that the loader of a file can."""

import sys

import pytest
from overlay import app, is_archived  # noqa: F401


@pytest.fixture(params=["sealed", "digest"])
def package(app, request):
    app.write("package/__init__.py", '"""A package."""\nfrom . import inner\nVALUE = 7\n')
    app.write("package/inner.py", 'def double(x):\n    """Doubles."""\n    return 2 * x\n\nclass Thing:\n    size = 1\n')
    app.write("package/__main__.py", "import sys\nprint('main', __name__, __spec__.name, sys.argv)\n")
    app.write("package/data/words.txt", "some words\n")
    app.write("package/other/__init__.py", "")
    app.write("package/other/deep.py", "")
    app.bundle(*["--sealed"] * (request.param == "sealed"))
    return app


def test_the_loader_is_a_loader_of_files(package):
    script = """
    import importlib.machinery, importlib.abc, package
    loader = package.inner.__loader__
    print(type(loader).__name__ if "permacode" in sys.modules else "PermacodeLoader")
    print(isinstance(loader, importlib.machinery.SourceFileLoader))
    print(isinstance(loader, (importlib.abc.InspectLoader, importlib.abc.ExecutionLoader, importlib.abc.FileLoader)))
    print(loader.name, loader.path, loader.get_filename(), loader.get_filename("package.inner"))
    print(loader.is_package("package.inner"), package.__loader__.is_package("package"))
    print(loader.get_source("package.inner"), loader.get_data(loader.path), loader.path_stats(loader.path))
    print(package.__loader__.get_code("package").co_names, loader.get_code(None).co_filename)
    for method in (loader.get_code, loader.get_source, loader.get_filename, loader.is_package):
        try:
            print(method("package"))
        except ImportError as error:
            print(error, error.name)
    print(loader.source_to_code(b"x = 1", "<x>").co_names)
    print(sorted(vars(loader)))
    """
    assert "PermacodeLoader\nTrue\n" in package.same(script)


def test_modules_have_what_modules_have(package):
    script = """
    import package, package.other.deep
    for module in (package, package.inner, package.other, package.other.deep):
        space = {name: value for name, value in vars(module).items() if name not in ("__builtins__", "__loader__", "__spec__")}
        space.pop("Thing", None), space.pop("double", None), space.pop("inner", None), space.pop("other", None)
        space.pop("deep", None)
        print(space, type(module.__builtins__), module.__loader__ is module.__spec__.loader)
        print(module.__spec__.loader_state, module.__spec__.cached, module.__spec__.parent, module.__spec__.has_location)
        print(repr(module))
    print(list(vars(package.inner)))
    """
    package.same(script)
    # The same modules, from the archive.
    assert package.run(script + f"print({is_archived('package.inner')})").splitlines()[-1] == "True"


def test_inspect_and_linecache(package):
    script = """
    import inspect, linecache, package
    print(inspect.getsource(package.inner), inspect.getsource(package.inner.double), inspect.getsource(package.inner.Thing))
    print(inspect.getfile(package), inspect.getsourcefile(package.inner.double), inspect.getmodule(package.inner.double))
    print(inspect.getdoc(package.inner.double), inspect.signature(package.inner.double), inspect.getcomments(package))
    print(linecache.getline(package.inner.__file__, 3))
    linecache.clearcache()
    print(linecache.lazycache("made up", vars(package.inner)), linecache.getline("made up", 3))
    """
    assert package.same(script).count("return 2 * x") == 4


def test_resources(package):
    script = """
    import pkgutil, importlib.resources, package
    print(pkgutil.get_data("package", "data/words.txt"))
    print(importlib.resources.files("package").joinpath("data/words.txt").read_text())
    print(sorted(entry.name for entry in importlib.resources.files("package").iterdir()))
    with importlib.resources.as_file(importlib.resources.files("package") / "data/words.txt") as path:
        print(path)
    reader = package.__loader__.get_resource_reader("package")
    print(reader.is_resource("inner.py"), reader.resource_path("inner.py"))
    """
    assert package.same(script).count("some words") == 2


def test_pkgutil(package):
    script = """
    import pkgutil, package
    print([info.name for info in pkgutil.walk_packages(package.__path__, "package.")])
    print([info.name for info in pkgutil.iter_modules([folder])])
    print(pkgutil.resolve_name("package.inner:Thing.size"))
    print(pkgutil.extend_path(package.__path__, "package"))
    """
    assert "package.other.deep" in package.same(script)


def test_runpy(package):
    script = """
    import runpy
    sys.argv[1:] = []
    runpy.run_module("package", run_name="__main__", alter_sys=True)
    space = runpy.run_module("package.inner")
    print(space["__file__"], space["__spec__"].name, space["__package__"], space["double"](4))
    print(type(space["__loader__"]).__name__ if "permacode" in sys.modules else "PermacodeLoader")
    """
    out = package.same(script, flags=["-W", "ignore"])
    assert out.startswith("main __main__ package.__main__") and out.endswith(" 8\nPermacodeLoader\n")


def test_pickle_and_copy(package):
    script = """
    import copy, pickle, importlib.util
    spec = importlib.util.find_spec("package")
    for other in [copy.copy(spec), copy.deepcopy(spec), *(pickle.loads(pickle.dumps(spec, level)) for level in range(2, 6))]:
        print(other == spec, other.loader == spec.loader, other.loader is spec.loader, hash(other.loader) == hash(spec.loader))
        assert type(other.loader) is type(spec.loader)
    module = importlib.util.module_from_spec(other)
    sys.modules["package"] = module
    other.loader.exec_module(module)
    print(module.VALUE)
    import package.inner
    print(pickle.loads(pickle.dumps(package.inner.Thing)).size, pickle.loads(pickle.dumps(package.inner.double))(2))
    """
    assert package.same(script).endswith("7\n1 4\n")


def test_a_spec_that_was_pickled_loads_elsewhere(package):
    script = """
    import importlib.util, pickle
    print(pickle.dumps(importlib.util.find_spec("package.inner")).hex())
    """
    pickled = package.run(script).strip()
    script = """
    import pickle, importlib.util
    spec = pickle.loads(bytes.fromhex(arguments[0]))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(module.double(3), "permacode" in sys.modules)
    """
    stock = "import sys\nfolder, archive, *arguments = sys.argv[1:]\n"
    # Nothing is installed there, so the module comes from its file.
    assert package.run(script, pickled, prologue=stock) == "6 True\n"


def test_a_lazy_loader(package):
    script = """
    import importlib.util
    spec = importlib.util.find_spec("package.inner")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["package.inner"] = module
    spec.loader.exec_module(module)
    print(module.double(3), module.__file__)
    """
    assert package.same(script).startswith("6 ")
    assert package.run(script + "print(permacode.stats()['hits'])").endswith("\n3\n")


def test_the_repr_says_what_it_is(package):
    script = """
    import package
    print(package.inner.__loader__)
    print(package.inner.__spec__)
    print([repr(finder) for finder in sys.meta_path if "Permacode" in repr(finder)])
    """
    file = package.folder / "package" / "inner.py"
    assert package.run(script).splitlines() == [
        f"<PermacodeLoader of 'package.inner' from '{file}'>",
        f"ModuleSpec(name='package.inner', loader=<PermacodeLoader of 'package.inner' from '{file}'>, origin='{file}')",
        f"[\"<PermacodeFinder of '{package.archive}'>\"]",
    ]


def test_a_loader_made_by_hand(package):
    script = """
    import importlib.util, package
    loader = type(package.__loader__)
    # Of the archive's file, and of another one.
    print(loader("package.inner", package.inner.__file__).get_code("package.inner").co_names)
    other = folder + "/other.py"
    with open(other, "w") as file:
        file.write("another = 1")
    print(loader("package.inner", other).get_code("package.inner").co_names)
    spec = importlib.util.spec_from_file_location("package.inner", other, loader=loader("package.inner", other))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(module.another)
    """
    assert package.run(script).splitlines() == ["('double', 'Thing')", "('another',)", "1"]


def test_a_loader_that_somebody_derived(package):
    script = """
    import importlib.util, package
    class Loud(type(package.__loader__)):
        def get_code(self, fullname):
            print("get_code", fullname)
            return super().get_code(fullname)
    spec = importlib.util.find_spec("package.other.deep")
    spec.loader = Loud(spec.loader.name, spec.loader.path)
    module = importlib.util.module_from_spec(spec)
    before = permacode.stats()["hits"]
    spec.loader.exec_module(module)
    print(permacode.stats()["hits"] - before)
    """
    assert package.run(script) == "get_code package.other.deep\n1\n"


def test_code_objects_are_those_of_the_file(package):
    script = """
    import package, marshal
    code = package.inner.__loader__.get_code("package.inner")
    print(code.co_filename, {const.co_filename for const in code.co_consts if hasattr(const, "co_filename")})
    print(code == compile(package.inner.__loader__.get_source("package.inner"), package.inner.__file__, "exec", dont_inherit=True))
    print(package.inner.double.__code__.co_filename)
    """
    assert "\nTrue\n" in package.same(script)


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="load_module is gone from 3.15 on")
def test_load_module(package):
    script = """
    import warnings; warnings.simplefilter("ignore")
    import importlib.util
    spec = importlib.util.find_spec("package")
    print(spec.loader.load_module("package").VALUE, sys.modules["package"].__file__)
    """
    assert package.same(script).startswith("7 ")


def test_a_profiler_sees_a_call_for_each_return(package):
    script = """
    open_calls = []
    def profile(frame, event, argument):
        name = frame.f_code.co_name if not event.startswith("c_") else argument.__name__
        if event in ("call", "c_call"):
            open_calls.append(name)
        elif open_calls:
            last = open_calls.pop()
            assert last == name, (last, event, name)
    sys.setprofile(profile)
    import package.other.deep
    sys.setprofile(None)
    print("balanced")
    """
    assert package.same(script) == "balanced\n"
