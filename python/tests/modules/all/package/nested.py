"""Functions in functions in classes."""

TABLE = (1, 2.5, b"bytes", "text with spaces")


class Outer:
    """Documented."""

    class Inner:
        def method(self, first, /, second, *rest, keyword=None, **others):
            """Documented, too."""
            captured = second

            def innermost():
                return self, captured, [captured for captured in rest if captured]

            return innermost

    attribute: int = 1


def generator(count):
    for number in range(count):
        try:
            yield number
        finally:
            with open(__file__) as file:
                file.read(0)


async def coroutine(values):
    async for value in values:
        await value
    return {key: [item async for item in value] async for key, value in values}
