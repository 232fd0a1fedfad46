"""Arguments of every kind, cells that are arguments, free variables and generators, with all of their attributes."""

import inspect
import sys
import traceback


def everything(a, b=1, /, c=2, *args, d, e="e", **kwargs):
    held = a

    def inner(f=d):
        nonlocal held
        held = held, f, c
        return held, args, kwargs

    return inner, sorted(locals())


def cells(argument, *rest):
    return (lambda: argument), (lambda: rest), [lambda: (argument, n) for n in rest]


def generator(limit):
    try:
        for n in range(limit):
            sent = yield n
            if sent is not None:
                yield sent
    finally:
        yield "closed"


async def coroutine():
    return [n async for n in asynchronous()]


async def asynchronous():
    for n in range(3):
        yield n


def raises(depth):
    if depth:
        return raises(depth - 1)
    values = {"key": [1, 2]}
    return values["key"][0] + values["other"]


def run(started):
    try:
        started.send(None)
    except StopIteration as stopped:
        return stopped.value


class Class:
    """With a docstring."""

    kind = "class"

    def method(self, default=__qualname__):
        super().__init__()
        return __class__.__name__, default, self.__mangled()

    def __mangled(self):
        return sys._getframe().f_code.co_name


inner, names = everything(1, 2, 3, 4, 5, d=6, g=7)
try:
    raises(2)
except KeyError as error:
    shown = traceback.format_exception(type(error), error, error.__traceback__)
first, rest, more = cells("argument", 1, 2)
running = generator(3)
RESULT = [inner(), names, first(), rest(), [made() for made in more], next(running), running.send("sent"),
          list(running),
          run(coroutine()), Class().method(), Class.__doc__, shown,
          [str(inspect.signature(function)) for function in (everything, cells, inner, Class.method)],
          [function.__code__.co_varnames + function.__code__.co_cellvars + function.__code__.co_freevars
           for function in (everything, cells, inner, generator, Class.method)]]
