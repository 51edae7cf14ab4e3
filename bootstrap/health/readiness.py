"""Whether stores that are open can be used now: what a probe asks every few seconds."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from bootstrap.health.findings import Check, Health
from ports.errors import RepositoryError
from ports.stores import Store

READY_WITHIN: Final = 0.9
"""Seconds: Kubernetes' probes wait for one, unless they are told otherwise."""


async def answering(stores: Iterable[Store[Any, Any]], *, within: float = READY_WITHIN) -> Health:
    """Ask all stores at once, and wait no longer than `within` seconds for any of them."""
    checks = await asyncio.gather(*(_answering(store, within) for store in stores))
    # Groups of ports in one store have the same to tell.
    return Health(tuple(dict.fromkeys(checks)))


async def _answering(store: Store[Any, Any], within: float) -> Check:
    try:
        async with asyncio.timeout(within):
            await store.check()
    except TimeoutError:
        return Check(store.name, "answers", False, f"no answer within {within:g} s")
    except RepositoryError as error:
        return Check(store.name, "answers", False, str(error))
    return Check(store.name, "answers", True, "ready")
