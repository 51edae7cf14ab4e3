"""How much collections hold, as the server tells."""

from collections.abc import Sequence

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import Collection
from ports.statistics import CollectionStatistics


async def statistics(
    executor: ClientExecutor, collections: Sequence[Collection]
) -> tuple[CollectionStatistics, ...]:
    """Of each, all tenants' together. A round trip for each."""
    return tuple([await _statistics(executor, each.name) for each in collections])


async def _statistics(executor: ClientExecutor, name: str) -> CollectionStatistics:
    told = await executor.command({"collStats": name})
    return CollectionStatistics(
        name=name,
        documents=int(told["count"]),
        data_bytes=int(told["size"]),
        storage_bytes=int(told["storageSize"]),
        indexes={index: int(size) for index, size in told["indexSizes"].items()},
    )
