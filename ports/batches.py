"""What is done in batches, up to a limit."""

from collections.abc import Awaitable, Callable

from ports.errors import InvalidQueryError


async def in_batches(
    batch: Callable[[int], Awaitable[tuple[int, bool]]], limit: int | None, size: int
) -> int:
    """Call `batch(n)`, which tells how many it did and whether there may be more, until done.

    Raises:
        InvalidQueryError: for a limit that isn't a positive integer.
    """
    check_total(limit)
    total = 0
    while True:
        done, more = await batch(size if limit is None else min(size, limit - total))
        total += done
        if not more or (limit is not None and total >= limit):
            return total


def check_total(limit: int | None) -> None:
    """Check how many something may be done with in all.

    Raises:
        InvalidQueryError: for a limit that isn't a positive integer.
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidQueryError("a limit is a positive integer, or None")
