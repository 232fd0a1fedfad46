"""Parameters of types: scopes and hidden locals that older versions do not have."""

type Pair[T] = tuple[T, T]


class Box[T: (int, str)]:
    def map[U](self, function: T, other: U) -> tuple[T, U]:
        return [function(item) for item in self]


HIDDEN = [f"{value!r:>{len(str(value))}}" for value in range(3)]
HIDDEN_CELLS = [(lambda: value)() for value in HIDDEN]
