"""How much a store holds, and in what."""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class CollectionStatistics:
    """A collection, or a table. Sizes are in bytes, None where the store can't tell.

    `data_bytes`: its documents as they are; `storage_bytes`: what they take where they are kept,
    compressed and with what may be used again. `indexes`: what each takes, by its name. Numbers of
    documents may be off after a crash of the server.
    """

    name: str
    documents: int
    data_bytes: int | None = None
    storage_bytes: int | None = None
    indexes: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def index_bytes(self) -> int:
        """What all indexes take."""
        return sum(self.indexes.values())
