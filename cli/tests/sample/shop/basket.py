"""A basket of goods."""

from typing import overload

TAX = 0.19


class Basket:
    """What a customer buys."""

    def __init__(self, *goods: str, limit: int = 10, **notes):
        self.goods = list(goods)
        self.limit = limit

    @property
    def total(self) -> int:
        """The number of goods.

        Free gifts count.
        """
        return len(self.goods)

    @total.setter
    def total(self, value: int):
        raise AttributeError(f"{value} is not the total")

    def each(self, change):
        def changed(good):
            try:
                return change(good)
            except ValueError:
                return good

        return [changed(good) for good in self.goods]


double = lambda n, /: 2 * n


async def deliver(basket, *, express=False):
    async with basket:
        return 1.5, 2j, b"\0x", ("a", None), express
