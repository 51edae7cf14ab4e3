"""The sixth chapter: who did what, and whether that can be believed."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any, Final

import bootstrap
from bootstrap.cli.story.beneath import Beneath, InPostgres
from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.platform import Platform
from domain.audit import AuditAction, AuditEntry, FieldChange
from domain.flows import Flow
from domain.identity import tenant_id

_READS: Final = 5_000
_ASKED: Final = 200
_REASON: Final = "Opens at nine from Monday."
_WIDTH: Final = 16
_FIELDS: Final = 2


class TrustChapter:
    """What is kept at hand of the shop's flows, and what is told of those who changed them."""

    def __init__(self, platform: Platform, tenant: str, beneath: Beneath) -> None:
        self._platform = platform
        self._tenant = tenant_id(tenant)
        self._acme = platform.for_tenant(tenant)
        self._grace = platform.for_tenant(tenant, actor="grace", reason=_REASON)
        self._beneath = beneath

    def scenes(self) -> Sequence[Scene]:
        """In their order; the last one is about SQL, which memory has none of."""
        scenes = (self._keep_at_hand, self._tell, self._tamper)
        return (*scenes, self._lock_twice) if isinstance(self._beneath, InPostgres) else scenes

    async def _default(self) -> Flow:
        found = await self._acme.flows.get_default()
        assert found is not None
        return found

    async def _keep_at_hand(self) -> Step:
        flow = await self._default()
        cache = self._platform.flow_cache
        hits = cache.stats().hits if cache else 0
        began = time.perf_counter()
        for _ in range(_READS):
            await self._acme.flows.get_default()
        near = (time.perf_counter() - began) / _READS
        hits = cache.stats().hits - hits if cache else 0
        async with self._acme.authoring() as work:
            began = time.perf_counter()
            for _ in range(_ASKED):
                await work.flows.get_default()
            far = (time.perf_counter() - began) / _ASKED
        description = "Says hello, and when the shop is open."
        changed = await self._grace.flows.update(flow.edited(by="grace", description=description))
        seen = (await self._default()).revision == changed.revision
        says = f"The default flow is read {_READS} times, as a busy service does"
        in_memory = self._platform.settings.stores.authoring == "memory"
        if cache is None and in_memory:
            says += ": from memory, where a cache would gain nothing and is off. "
        elif cache is None:
            says += f": each time from the store, {near * 1e6:.0f} µs, since the cache is off. "
        else:
            says += (
                f": {hits} times from the process' own memory, {near * 1e6:.1f} µs each. The "
                f"store takes {far * 1e6:.0f} µs, and is asked where it must be: in a unit of "
                "work, for one. "
            )
        says += f"Then Grace changes the flow, and the next read is {_yes(seen)} her change."
        figures: dict[str, Any] = {"reads": _READS, "hits": hits, "seen_at_once": seen}
        if cache is not None and not in_memory:
            late = await self._seen_elsewhere(changed)
            bound = self._platform.settings.flow_cache_staleness_seconds
            says += (
                " A second platform, as another process has it, read the flow a moment ago, and "
                f"sees the next change after {late:.2f} s; the bound is {bound:g} s."
            )
            figures["late"] = late
        return Step(title="Flows at hand", says=says, figures=figures)

    async def _seen_elsewhere(self, flow: Flow) -> float:
        """After how many seconds a second platform sees a change of the first."""
        async with bootstrap.open(self._platform.settings) as other:
            elsewhere = other.for_tenant(self._tenant).flows
            await elsewhere.get_by_id(flow.id)
            changed = await self._grace.flows.patch(flow.id, description="Says hello.")
            began = time.perf_counter()
            # Nobody tells it: that is the point.
            while (await elsewhere.require(flow.id)).revision < changed.revision:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return time.perf_counter() - began

    async def _tell(self) -> Step:
        flow = await self._default()
        entries = (await self._acme.audit.of_entity("flow", flow.id)).items
        bobs = len((await self._acme.audit.by_actor("bob")).items)
        return Step(
            title="Who did it",
            says=f"Every change of “{flow.name}” stands in the audit trail, written in the "
            "transaction of the change itself and asked for by nobody. Bob's changes were refused "
            f"or rolled back: there are {bobs} entries of his.",
            table=Table(
                columns=("revision", "who", "did", "what", "why"),
                rows=tuple(
                    (
                        entry.revision,
                        entry.actor,
                        entry.action.value,
                        _told(entry),
                        entry.reason,
                    )
                    for entry in reversed(entries)
                ),
            ),
            figures={
                "entries": len(entries),
                "actors": [entry.actor for entry in reversed(entries)],
                "published_by": _publisher(entries),
                "bobs": bobs,
            },
        )

    async def _tamper(self) -> Step:
        flow = await self._default()
        audit = self._acme.audit
        before = await audit.verify()
        entries = (await audit.of_entity("flow", flow.id)).items
        publishing = next(entry for entry in entries if _publishes(entry))
        tried = await self._beneath.change_trail(self._tenant)
        refused = sum(answer.startswith("refused") for _, answer in tried)
        actor = publishing.actor or "ada"
        says = (
            f"{before.entries} entries of the tenant are chained by their hashes, and "
            f"{'sound' if before.sound else 'NOT SOUND'}. "
        )
        if tried:
            says += f"The service's own login is refused {refused} of {len(tried)} attempts. "
            if refused < len(tried):
                says += (
                    "What it was not is taken back: it owns the tables, as no service's should. "
                )
        quotes: tuple[str, ...] = ()
        figures: dict[str, Any] = {"sound": before.sound, "tried": len(tried), "refused": refused}
        if await self._beneath.blame(self._tenant, publishing, "bob"):
            try:
                found = (await audit.verify(before.head)).finding
            finally:
                await self._beneath.blame(self._tenant, publishing, actor)
            after = await audit.verify(before.head)
            named = found is not None and found.entry_id == publishing.id
            quotes = () if found is None else (f"{found.fault}: {found.says}",)
            who = "Who owns the tables" if tried else "Another in this process"
            says += (
                f"{who} makes it say that Bob published the flow. The check "
                f"{'names that entry' if named else 'MISSES IT'}. It is put back, and the trail is "
                f"{'sound' if after.sound else 'NOT SOUND'} again."
            )
            figures |= {"named": named, "sound_again": after.sound}
        else:
            says += "Who owns the tables could, and isn't known here (postgres_owner_url)."
        rows = tuple((statement, answer) for statement, answer in tried)
        table = Table(columns=("the service runs", "and gets"), rows=rows) if rows else None
        return Step(
            title="A trail that was altered", says=says, table=table, quotes=quotes, figures=figures
        )

    async def _lock_twice(self) -> Step:
        globex = tenant_id(f"{self._tenant}-globex")
        count = "SELECT count(*) FROM flows"
        off = "SET LOCAL row_security = off"
        own = await self._beneath.count("flows", self._tenant)
        nobody = await self._beneath.count("flows", None)
        others = await self._beneath.count("flows", globex)
        forced = await self._beneath.count("flows", None, first=off)
        rows: tuple[tuple[Cell, ...], ...] = (
            (self._tenant, count, own),
            ("none", count, nobody),
            (globex, count, others),
            ("none", f"{off}; {count}", forced),
        )
        closed = nobody == "0" and others == "0" and forced.startswith("refused")
        says = (
            "Somebody forgets the tenant in a statement of their own, without any condition and "
            "past all ports. The database has a lock of its own, row-level security: "
        )
        says += (
            "what isn't the tenant's that is set for the transaction isn't there."
            if closed
            else "but this login is not bound by it, as `dialogbase doctor` tells."
        )
        return Step(
            title="The second lock",
            says=says,
            table=Table(columns=("tenant that is set", "statement", "answer"), rows=rows),
            figures={"own": own, "nobody": nobody, "others": others, "closed": closed},
        )


def _yes(seen: bool) -> str:
    return "already" if seen else "NOT YET"


def _publishes(entry: AuditEntry) -> bool:
    status = entry.changes.get("status")
    return entry.action is AuditAction.UPDATED and status is not None and status.after == "active"


def _publisher(entries: Sequence[AuditEntry]) -> str | None:
    return next((entry.actor for entry in entries if _publishes(entry)), None)


def _told(entry: AuditEntry) -> str:
    if entry.action is not AuditAction.UPDATED:
        return f"{len(entry.changes)} fields"
    return "\n".join(
        _change(name, change) for name, change in list(entry.changes.items())[:_FIELDS]
    )


def _change(name: str, change: FieldChange) -> str:
    return f"{name}: {_short(change.before)} → {_short(change.after)}"


def _short(value: object) -> str:
    if value is None:
        return "—"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
