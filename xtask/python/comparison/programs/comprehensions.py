"""Comprehensions beside variables of the same name, in a module and in a class.

From 3.12 on, variables of comprehensions are hidden fast locals of the enclosing code. Code that loses the mark
"hidden" deletes the variable of the module, or shows the hidden variable in `locals()`.
"""

x, y = "x of the module", "y of the module"
squares = [x * x for x in range(4)]
pairs = {y: x for x in "ab" for y in "cd"}
seen = [sorted(name for name in locals() if len(name) == 1) for x in range(1)]
after = x, y


class Class:
    x = "x of the class"
    squares = [x * x for x in range(4)]
    names = [sorted(name for name in dir() if len(name) == 1) for y in range(1)]
    after = x, y
    nested = [[x + y for x in range(y)] for y in range(4)]


def function(x):
    inside = [x for x in range(3)], {x for x in range(3)}, [lambda: x for x in range(3)]
    return x, inside[:2], [made() for made in inside[2]], sorted(locals())


RESULT = [squares, pairs, seen, after, Class.squares, Class.names, Class.after, Class.nested, function("argument"),
          sorted(globals())]
