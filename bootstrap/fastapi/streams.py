"""Answers of any length, in constant memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, TypeVar

from fastapi.responses import StreamingResponse

T = TypeVar("T")
MEDIA_TYPE: Final = "application/x-ndjson"
_CHUNK: Final = 32 * 1024


async def json_lines(items: AsyncIterator[T], write: Callable[[T], bytes]) -> StreamingResponse:
    """A line of JSON for each item, as `write` makes it, written as the items come.

    The first is waited for, so that what fails from the start is answered as any other error is.
    What fails later breaks the connection off: the client sees that the body isn't whole. Lines
    are sent some tens of kilobytes at a time; a client that reads slowly is waited for.
    """
    first = await anext(items, None)

    async def body() -> AsyncIterator[bytes]:
        try:
            if first is None:
                return
            waiting = bytearray(write(first) + b"\n")
            async for item in items:
                if len(waiting) >= _CHUNK:
                    yield bytes(waiting)
                    waiting.clear()
                waiting += write(item) + b"\n"
            yield bytes(waiting)
        finally:
            # Whoever reads no further lets go of what it reads from at once, a connection say.
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    return StreamingResponse(body(), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
