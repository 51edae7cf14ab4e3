"""Whatever a store comes to keep of a tenant is exported, or is known not to be."""

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore
from adapters.memory.archives import TABLES
from adapters.mongo.collections import every
from adapters.postgres.archive_statements import SHELVES
from adapters.postgres.row_security import protected
from bootstrap.interchange.tenant.manifest import KINDS
from domain.identity import TenantId
from ports.archives import AUTHORING_KINDS

LEFT_OUT = {
    "outbox",
    "outbox_deliveries",
    "tombstones",
    "flow_metric_keys",
}
"""Tables of PostgreSQL whose rows stay where they are: `ports.archives` says why."""


def test_every_table_of_postgresql_is_exported_or_left_out() -> None:
    """A new one has to be one or the other."""
    exported = {shelf.table.name for shelf in SHELVES.values()}
    assert {table.name for table in protected()} == exported | LEFT_OUT
    assert set(SHELVES) == set(AUTHORING_KINDS)
    for shelf in SHELVES.values():
        assert {column.name for column in shelf.table.primary_key} == {*shelf.key, "tenant_id"}


def test_every_collection_is_exported_or_left_out() -> None:
    """By the ports that read and restore it."""
    found = {collection.name for collection in every(None)}
    left = {"tombstones", "event_tombstones"}
    assert found - left == {"conversations", "messages", "contexts", "events"}


def test_every_table_in_memory_is_exported_or_left_out() -> None:
    """The unsealed entries are entries, and replays are idempotency keys."""
    authoring = set(MemoryAuthoringStore()._tables(TenantId("acme")).tables)
    left = {"outbox event", "outbox delivery", "unsealed audit entry", "flow metric key"}
    assert authoring - left == set(TABLES.values())
    dialogue = set(MemoryDialogueStore()._tables(TenantId("acme")).tables)
    assert dialogue - {"replay"} == {"conversation", "message", "execution_context"}


def test_kinds_have_names_of_their_own() -> None:
    """They are the names of files."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
