"""A database is brought to what is declared, by whoever comes first, and compared with it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import IndexModel

from adapters.mongo.collections import CONTEXTS, CONVERSATIONS, MESSAGES, every
from adapters.mongo.errors import DuplicateKey
from adapters.mongo.inspection import Inspection, inspect
from adapters.mongo.migrations import migrate, state
from ports.errors import RepositoryError, StoreUnavailableError
from tests.mongo.server import Mongo, conversation, database, message, new_tenant, stored


@pytest.fixture
def bare(server: str) -> Iterator[tuple[str, Mongo]]:
    """A database that was never migrated."""
    with database(server, migrated=False) as found:
        yield found


@pytest.fixture
def opened(server: str) -> Iterator[tuple[str, Mongo]]:
    """A migrated database."""
    with database(server) as found:
        yield found


def _inspected(url: str) -> Inspection:
    return asyncio.run(inspect(url, datetime.now(UTC)))


def test_an_empty_database_lacks_everything(bare: tuple[str, Mongo]) -> None:
    """Then `migrate` says what it did, and nothing is left to do."""
    url, _ = bare
    lacking = tuple(f"collection {each.name}" for each in every(None))
    for asked in (state, migrate):
        found = asyncio.run(asked(url))
        assert (found.current, found.pending) == (None, lacking)
    for asked in (state, migrate):
        found = asyncio.run(asked(url))
        assert found.current is not None
        assert found.pending == ()
    assert _inspected(url).sound


def test_several_may_migrate_at_once(bare: tuple[str, Mongo]) -> None:
    """All come out of it well."""
    url, opened = bare

    async def together() -> None:
        await asyncio.gather(*(migrate(url) for _ in range(6)))

    asyncio.run(together())
    assert _inspected(url).sound
    opened["conversations"].drop_index("ix_conversations_started")
    opened["messages"].drop_indexes()
    opened.command({"collMod": "contexts", "validator": {}})
    asyncio.run(together())
    assert _inspected(url).sound


def test_what_differs_is_told_and_mended(opened: tuple[str, Mongo]) -> None:
    """An index that is missing, one with another definition, one that is hidden, a validator."""
    url, kept = opened
    kept["conversations"].drop_index("ix_conversations_started")
    kept["contexts"].drop_index("ix_contexts_user")
    kept["contexts"].create_index([("user_id", 1)], name="ix_contexts_user")
    kept.command({"collMod": "messages", "index": {"name": "ix_messages_at", "hidden": True}})
    kept.command({"collMod": "messages", "validationLevel": "moderate"})
    found = {each.name: each for each in _inspected(url).differences}
    assert found.keys() == {
        "index conversations.ix_conversations_started",
        "index contexts.ix_contexts_user",
        "index messages.ix_messages_at",
        "validator messages",
    }
    assert found["index conversations.ix_conversations_started"].actual is None
    user = found["index contexts.ix_contexts_user"]
    assert user.expected == "(tenant_id ascending, user_id ascending)"
    assert user.actual == "(user_id ascending)"
    assert "hidden" in str(found["index messages.ix_messages_at"].actual)
    assert set(asyncio.run(migrate(url)).pending) == found.keys()
    assert _inspected(url).sound


def test_an_index_that_is_not_ours_is_told_and_left_alone(opened: tuple[str, Mongo]) -> None:
    """Whoever made it may need it; other collections are nobody's business."""
    url, kept = opened
    kept["messages"].create_index([("sender", 1)], name="by_hand", unique=True, sparse=True)
    kept["others"].create_index([("x", 1)])
    before = _inspected(url)
    (extra,) = before.differences
    assert (extra.name, extra.expected) == ("index messages.by_hand", None)
    assert extra.actual == "unique (sender ascending) with {'sparse': True}"
    assert (before.sound, before.migrations.pending) == (False, ())
    asyncio.run(migrate(url))
    assert _inspected(url).differences == before.differences


def test_a_unique_index_over_what_is_not_unique_is_a_clear_failure(
    opened: tuple[str, Mongo],
) -> None:
    """It names the fields, and no value."""
    url, kept = opened
    kept["messages"].drop_index("uq_messages_sequence")
    tenant = new_tenant()
    stored(kept, MESSAGES, [message(tenant, "a"), message(tenant, "b")])
    with pytest.raises(RepositoryError, match="sequence") as told:
        asyncio.run(migrate(url))
    assert tenant not in str(told.value)
    assert told.value.__context__ is None


def test_an_index_in_the_way_is_a_clear_failure(bare: tuple[str, Mongo]) -> None:
    """One of the same keys under another name."""
    url, kept = bare
    kept["contexts"].create_indexes([IndexModel([("tenant_id", 1), ("user_id", 1)], name="mine")])
    with pytest.raises(RepositoryError, match="contexts"):
        asyncio.run(migrate(url))


def test_how_long_events_are_kept_can_be_changed(opened: tuple[str, Mongo]) -> None:
    """An index makes the server remove what is older, is changed in place, and goes again."""
    url, kept = opened

    def expiry() -> object:
        found = kept["events"].index_information().get("ix_events_expiry", {})
        return found.get("expireAfterSeconds")

    day, name = timedelta(days=1), "index events.ix_events_expiry"
    assert expiry() is None
    for retention, seconds in (
        (90 * day, 90 * 86_400),
        (day, 86_400),
        (24_000 * day, 2_073_600_000),
    ):
        assert asyncio.run(state(url, retention=retention)).pending == (name,)
        assert asyncio.run(migrate(url, retention=retention)).pending == (name,)
        assert expiry() == seconds
        assert asyncio.run(inspect(url, datetime.now(UTC), retention=retention)).sound
    (extra,) = _inspected(url).differences
    assert (extra.name, extra.expected) == (name, "gone")
    assert asyncio.run(migrate(url)).pending == (name,)
    assert expiry() is None
    assert _inspected(url).sound


def test_data_stays_as_it_is(opened: tuple[str, Mongo]) -> None:
    """Whatever is rebuilt around it."""
    url, kept = opened
    tenant = new_tenant()
    stored(kept, CONVERSATIONS, [conversation(tenant)])
    before = kept["conversations"].find().to_list()
    kept["conversations"].drop_indexes()
    asyncio.run(migrate(url))
    assert kept["conversations"].find().to_list() == before


def test_clocks_and_version_are_told(opened: tuple[str, Mongo]) -> None:
    """The skew is how far the server's clock is ahead."""
    url, _ = opened
    seen = asyncio.run(inspect(url, datetime.now(UTC) - timedelta(hours=1)))
    assert 3_590 < seen.clock_skew < 3_700
    assert int(seen.server_version.partition(".")[0]) >= 6


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Within the deadline."""
    url = "mongodb://127.0.0.1:1/x"
    for asked in (state(url, deadline=0.2), migrate(url, deadline=0.2)):
        with pytest.raises(StoreUnavailableError):
            asyncio.run(asked)


def test_a_duplicate_is_named_by_the_entitys_fields() -> None:
    """Not by the index's."""
    for key, named in (
        (("_id",), ("id",)),
        (("tenant_id", "conversation_id", "sequence"), ("conversation_id", "sequence")),
        (
            ("tenant_id", "conversation_id", "replay.key"),
            ("conversation_id", "idempotency_key"),
        ),
    ):
        assert MESSAGES.unique_key(DuplicateKey("messages", key)) == named
    assert CONTEXTS.unique_key(DuplicateKey("contexts", ())) == ("id",)
