"""What a run gives: figures, JSON, a picture. No time is asserted."""

import asyncio
import json
import os
from pathlib import Path

import orjson
import pytest
from rich.console import Console

import benchmarks
from adapters.mapping import definition_json
from adapters.mongo.collections import CONVERSATIONS, MESSAGES
from benchmarks import Scale, content, dialogues, handwritten, handwritten_dialogues
from benchmarks.content import definition_document, definitions
from benchmarks.mongo.mapping import as_read
from benchmarks.suite import LOCAL
from domain.identity import tenant_id
from tests.servers import MONGO_URL, POSTGRES_URL, REDIS_URL

TINY = Scale(
    rounds=2,
    many_rows=2_000,
    bulk_rows=40,
    streamed=(600, 1_200),
    in_memory=(10, 20),
    batch=0.2,
    callers=4,
    durable=False,
)


def _run(only: list[str], folder: Path) -> list[dict[str, object]]:
    target = folder / "figures.json"
    with (folder / "table.txt").open("w") as shown:
        benchmarks.run(
            only=only,
            scale=TINY,
            url=os.environ.get(POSTGRES_URL),
            mongo_url=os.environ.get(MONGO_URL),
            redis_url=os.environ.get(REDIS_URL),
            json_to=target,
            plot_to=folder / "figures.svg",
            console=Console(file=shown, width=150),
        )
    found: list[dict[str, object]] = json.loads(target.read_text())
    return found


def _check(found: list[dict[str, object]]) -> None:
    for figure in found:
        assert {"name", "ratio", "against", "goal", "met"} <= figure.keys()
        assert isinstance(figure["name"], str)
        assert isinstance(figure["against"], str)
        ratio, goal = figure["ratio"], figure["goal"]
        assert isinstance(ratio, float)
        assert ratio > 0
        if goal is None:
            assert figure["met"] is None
        else:
            assert isinstance(goal, float)
            assert isinstance(figure["met"], bool)
    assert len({(figure["name"], figure["against"]) for figure in found}) == len(found)


def test_rows_without_a_server_give_json_and_a_picture(tmp_path: Path) -> None:
    """Every figure has name, ratio, against, goal and met; table and plot name them all."""
    found = _run([*LOCAL], tmp_path)
    _check(found)
    assert len(found) == 56
    picture = (tmp_path / "figures.svg").read_text()
    assert picture.lstrip().startswith("<?xml")
    table = (tmp_path / "table.txt").read_text()
    assert "mapping: structure" in table
    assert "goals met" in table


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # the peer's own
def test_rows_on_postgres_give_json_and_a_picture(tmp_path: Path) -> None:
    """All of them, the peer's included, on a few rows."""
    found = _run([*benchmarks.POSTGRES], tmp_path)
    _check(found)
    compared = {(figure["name"], figure["against"]) for figure in found}
    for name in ("get", "insert", "compare-and-set", "list 50"):
        assert {(name, "bare asyncpg"), (name, "advanced-alchemy")} <= compared
    assert ("bulk create 40", "bare COPY") in compared
    assert ("page 40 of 2000 rows, by id", "page 1") in compared
    untold = "ours, without audit and outbox"
    for name in ("insert", "compare-and-set", "patch", "delete"):
        assert {(f"audited {name}", untold), (f"audited {name}", "bare asyncpg")} <= compared
    for name in ("get", "insert", "compare-and-set", "list 50", "unit of work of four statements"):
        assert (f"row-security: {name}", "ours, without row-level security") in compared
    for crowd in ("", ", 4 callers"):
        for other in ("bare, one statement", "bare, a transaction of two"):
            assert (f"integration-calls: record{crowd}", other) in compared
        for name in ("assign a known unit", "assign a new unit", "record an outcome"):
            assert (f"experiments: {name}{crowd}", "bare asyncpg") in compared
    assert ("sealing: 20 writers of one tenant", "of 20 tenants") in compared
    assert ("dispatch: 40 events of one entity", "of 40 entities") in compared


def test_rows_of_the_flow_cache_give_json_and_a_picture(tmp_path: Path) -> None:
    """From both caches, on a few flows."""
    found = _run([*benchmarks.CACHED], tmp_path)
    _check(found)
    compared = {(figure["name"], figure["against"]) for figure in found}
    for read in ("get by id", "get the default"):
        for crowd in ("", ", 4 callers"):
            for cache in ("memory", "the shared cache"):
                row = f"flow-cache: {read}{crowd}, from {cache}"
                assert (row, "ours, uncached") in compared


def test_rows_on_mongo_give_json_and_a_picture(tmp_path: Path) -> None:
    """All of them, on each driver, the peer's included, on a few documents."""
    found = _run([*benchmarks.MONGO], tmp_path)
    _check(found)
    compared = {(figure["name"], figure["against"]) for figure in found}
    for driver in ("motor", "pymongo"):
        for name in ("get", "insert", "compare-and-set", "list 50", "history 50"):
            for crowd in ("", ", 4 callers"):
                row = f"{driver}: {name}{crowd}"
                assert {(row, f"bare {driver}"), (row, "Beanie")} <= compared
        for name in ("append one", "append 50", "append one, 4 callers", "bulk create 40"):
            assert (f"{driver}: {name}", f"bare {driver}") in compared
        assert (f"{driver}: history page 40 of 2000 messages, backwards", "page 1") in compared
    trips = [figure for figure in found if figure["unit"] == "our round trips / theirs"]
    assert [figure["ratio"] for figure in trips] == [1.0, 1.0]


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # the peers' own
def test_rows_on_redis_give_json_and_a_picture(tmp_path: Path) -> None:
    """All of them, the peers' included, on a few keys."""
    found = _run([*benchmarks.REDIS], tmp_path)
    _check(found)
    compared = {(figure["name"], figure["against"]) for figure in found}
    expected = {
        "session get": ("redis-py", "redis-py, decoded"),
        "session patch": ("redis-py",),
        "20 sessions of a user": ("redis-py", "redis-py, one MGET"),
        "limiter, gcra": ("redis-py", "limits, moving window"),
        "limiter, sliding window": ("limits, moving window", "limits, sliding counter"),
        "limiter, fixed window": ("redis-py", "limits, fixed window"),
        "cache get": ("redis-py", "cashews", "aiocache"),
        "cache get_or_load": ("redis-py", "cashews, decorated", "aiocache, decorated"),
        "lock": ("redis-py",),
    }
    for name, others in expected.items():
        for crowd in ("", ", 4 callers"):
            assert {(f"redis: {name}{crowd}", other) for other in others} <= compared


def test_a_name_that_no_row_has_is_refused() -> None:
    """And the message tells which there are."""
    with pytest.raises(benchmarks.UnknownRowsError, match="compare-and-set"):
        benchmarks.run(only=["get", "gets"])


def test_the_handwritten_mapping_does_the_same_work() -> None:
    """Else the comparison with it would mean nothing."""
    for seed, definition in enumerate(definitions()):
        document = definition_document(seed)
        assert handwritten.structure(document) == definition
        written = orjson.dumps(handwritten.unstructure(definition)).decode()
        assert written == definition_json(definition)


def test_the_handwritten_documents_are_the_same() -> None:
    """Of what is imported, too: real or made up, with whatever is in it."""
    for whole in dialogues.dialogues(tenant_id("acme"), 500):
        document = CONVERSATIONS.mapper.document(whole.conversation)
        assert handwritten_dialogues.conversation_document(whole.conversation) == document
        assert handwritten_dialogues.conversation(as_read(document)) == whole.conversation
        for message in whole.messages:
            document = MESSAGES.mapper.document(message)
            assert handwritten_dialogues.message_document(message) == document
            assert handwritten_dialogues.message(as_read(document)) == message


def test_measured_definitions_are_realistic() -> None:
    """Ten states that could be published as they are."""
    for definition in definitions():
        assert len(definition.states) == 10
        assert not definition.faults
        assert not definition.warnings


def test_real_data_that_is_not_there_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A checkout without the data can be measured too: dialogues are made up."""
    monkeypatch.setenv(content.SHARED_DATA, str(tmp_path))
    content.real_documents.cache_clear()
    try:
        assert content.real_definitions(5) == ()
        made_up = dialogues.dialogues(tenant_id("acme"), 100)
    finally:
        content.real_documents.cache_clear()
    assert 100 <= sum(len(one.messages) for one in made_up) <= 125


def test_series_of_flows_have_names_of_their_own() -> None:
    """So that none of them breaks a unique key."""

    async def names() -> set[str]:
        from adapters.memory import MemoryAuthoringStore

        flows = MemoryAuthoringStore().repositories(tenant_id("acme")).flows
        await flows.create_many(content.drafts(5))
        await flows.create_many(content.drafts(5, kind="other"))
        return {flow.name async for flow in flows.stream()}

    assert len(asyncio.run(names())) == 10
