"""Any tenant that the domain admits comes back equal."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import bootstrap
from adapters.encryption import KeyRing
from bootstrap import Settings
from bootstrap.interchange.tenant import export_tenant, import_tenant
from bootstrap.platform import Platform
from domain.identity import TenantId
from domain.messages import Message
from ports.contracts.event_strategies import drafts
from ports.contracts.exact import exact
from ports.contracts.harness import examples
from ports.contracts.message_strategies import whole
from ports.contracts.strategies import DATES, increments
from ports.contracts.subject import Subject
from ports.contracts.subjects import SUBJECTS
from ports.errors import DuplicateEntityError
from tests.interchange.tenants import NOW, archived, files_of

TENANT = TenantId("acme")
BOX = KeyRing.generated()


async def moved(platform: Platform) -> None:
    """What there is comes to another platform as it is here, and gives the same files there."""
    async with bootstrap.open(Settings.memory()) as other:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            await export_tenant(platform, TENANT, Path(one), at=NOW, secrets=BOX)
            report = await import_tenant(other, Path(one), secrets=BOX)
            assert report.refused == ()
            assert not any(kind.expired for kind in report.kinds.values())
            expected = exact(await archived(platform, TENANT))
            assert exact(await archived(other, TENANT)) == expected
            await export_tenant(other, TENANT, Path(two), at=NOW, secrets=BOX)
            assert files_of(Path(one)) == files_of(Path(two))


@given(data=st.data())
@examples(0.08)
def test_any_entity_comes_back_equal(subject: Subject, data: st.DataObject) -> None:
    """Whatever its fields hold, times and revisions included."""

    async def stored() -> None:
        async with bootstrap.open(Settings.memory()) as platform:
            repository = subject.of(platform.for_tenant(TENANT))
            for entity in data.draw(st.lists(subject.entities(TENANT), min_size=1, max_size=3)):
                with suppress(DuplicateEntityError):
                    await repository.create(entity)
            await moved(platform)

    asyncio.run(stored())


@given(messages=whole(TENANT, "talk"), events=st.lists(drafts(), max_size=3))
@examples(0.1)
def test_any_message_and_event_comes_back_equal(messages: list[Message], events: list[Any]) -> None:
    """Analysis, redaction, attachments; dimensions, measures, zeros with a sign."""

    async def stored() -> None:
        async with bootstrap.open(Settings.memory()) as platform:
            scope = platform.for_tenant(TENANT)
            draft = next(one for one in SUBJECTS if one.name == "conversation").draft(id="talk")
            conversation = draft.assigned(tenant=TENANT, new_id=None, at=NOW)
            fields = {**vars(conversation), "last_sequence": len(messages)}
            async with scope.dialogue() as work:
                await work.conversations.create(type(conversation)(**fields))
                await work.messages.restore(messages)
            await scope.analytics.record_many(events)
            await moved(platform)

    asyncio.run(stored())


@given(figures=st.lists(st.tuples(DATES, increments()), max_size=4))
@examples(0.08)
def test_any_figures_come_back_equal(figures: list[Any]) -> None:
    """Sums, names and dates."""

    async def stored() -> None:
        async with bootstrap.open(Settings.memory()) as platform:
            flows = platform.for_tenant(TENANT).flows
            draft = next(one for one in SUBJECTS if one.name == "flow").draft()
            flow = await flows.create(draft)
            for day, added in figures:
                await flows.record_metrics(flow.id, day, added)
            await moved(platform)

    asyncio.run(stored())
