"""The server that is measured on."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.scale import Scale
from bootstrap.embedded import ServerKind, servers


@asynccontextmanager
async def server(kind: ServerKind, url: str | None, scale: Scale) -> AsyncIterator[str]:
    """The server named, or a private one of that kind: durable, as a service's is.

    Of PostgreSQL it is the URL of a role which may create databases and roles.
    """
    if url is not None:
        yield url
        return
    with ExitStack() as folder:
        data = None
        if scale.durable:
            made = tempfile.TemporaryDirectory(prefix="dialogbase-bench-")
            data = Path(folder.enter_context(made))
        async with servers({kind}, data=data) as urls:
            yield urls.owners.get(kind) or urls.by_kind[kind]
