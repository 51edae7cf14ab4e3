"""The ninth chapter: how long things are kept, and what happens if they are not."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs

import bootstrap
from adapters.system import SystemClock
from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.health import checks
from bootstrap.interchange.tenant import (
    UnusableExportError,
    export_tenant,
    import_tenant,
)
from bootstrap.platform import Platform
from bootstrap.settings import Settings
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.identity import tenant_id
from domain.retention import Swept
from ports.archives import (
    ASSIGNMENTS,
    AUDIT_ENTRIES,
    EVENTS,
    FLOWS,
    INTEGRATIONS,
    MESSAGES,
    SESSIONS,
)
from ports.errors import ConflictError
from ports.time import Clock

_KEPT: Final = Settings(
    profile="memory",
    audit_retention_days=365,
    conversation_retention_days=90,
    conversation_idle_hours=24,
    integration_call_retention_days=300,
)
_HELD: Final = "live/ella"
_ENDING: Final = "samples/return"
_TALK: Final = "live/finn"
_DIGITS: Final = 12
_SHOWN: Final = (FLOWS, ASSIGNMENTS, INTEGRATIONS, AUDIT_ENTRIES, MESSAGES, EVENTS, SESSIONS)
_SAME: Final = "the same"
_BUT_FOR_CREDENTIALS: Final = "without credentials"
_DIFFERENT: Final = "DIFFERENT"


class KeepingChapter:
    """What becomes of all that the shop has by now. To be closed."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self._platform = platform
        self._tenant = tenant_id(tenant)
        self._acme = platform.for_tenant(tenant)
        self._opened = AsyncExitStack()
        self._copy: Platform | None = None
        self._calendar = _Calendar()

    def scenes(self) -> Sequence[Scene]:
        """In their order; the last one is about servers, which memory has none of."""
        scenes = (self._move, self._let_a_year_pass, self._lose)
        return (*scenes, self._look) if self._platform.settings.servers_needed else scenes

    async def close(self) -> None:
        """Let go of the copy, and remove the export."""
        await self._opened.aclose()

    async def _move(self) -> Step:
        temporary = TemporaryDirectory(prefix="dialogbase-")
        folder = Path(self._opened.enter_context(temporary))
        first, second = folder / "first", folder / "second"
        now = SystemClock().now()
        exported = await export_tenant(self._platform, self._tenant, first, at=now)
        copy = bootstrap.open(_KEPT, clock=self._calendar)
        self._copy = await self._opened.enter_async_context(copy)
        altered = first / "messages.jsonl"
        whole = altered.read_bytes()
        altered.write_bytes(whole.replace(b"kettle", b"bottle", 1))
        try:
            await import_tenant(self._copy, first)
            told = "nothing at all"
        except UnusableExportError as refused:
            told = str(refused).replace(f"{first}/", "")
        altered.write_bytes(whole)
        imported = await import_tenant(self._copy, first)
        again = await export_tenant(self._copy, self._tenant, second, at=now)
        compared = {one: _compared(first, second, one.name) for one in exported.files}
        same = sum(found == _SAME for found in compared.values())
        equal = _DIFFERENT not in compared.values() and not imported.refused
        lacking = ", ".join(f"“{name}”" for name in exported.without_credentials)
        return Step(
            title="Moving out, and in again",
            says=f"Everything of the shop, {exported.records} records, is exported into "
            f"{len(exported.files)} files, with a manifest of their checksums. Somebody turns a "
            "kettle into a bottle, and the import is refused before anything is written. As it "
            f"was, it comes in: into memory, another store altogether. Exported from there, {same} "
            f"of {len(again.files)} files are equal, byte by byte"
            f"{'' if equal else ', WHICH SHOULD BE MORE'}."
            + (f" No credentials leave without a key: those of {lacking} stay." if lacking else ""),
            quotes=(told,),
            table=Table(
                columns=("file (some of them)", "records", "bytes", "SHA-256", "from memory"),
                rows=tuple(
                    (one.name, one.records, one.bytes, f"{one.sha256[:_DIGITS]}…", found)
                    for one, found in compared.items()
                    if one.kind in _SHOWN
                ),
            ),
            figures={
                "records": exported.records,
                "altered_refused": "messages.jsonl was altered" in told,
                "imported": sum(kind.imported for kind in imported.kinds.values()),
                "refused": len(imported.refused),
                "equal": equal,
            },
        )

    async def _let_a_year_pass(self) -> Step:
        assert self._copy is not None
        copy, calendar = self._copy, self._calendar
        acme = copy.for_tenant(self._tenant, actor="grace")
        in_years = calendar.now() + timedelta(days=5 * 365)
        await acme.conversations.patch(_HELD, retain_until=in_years)
        in_days = calendar.now() + timedelta(days=100)
        await acme.conversations.patch(_ENDING, retain_until=in_days)
        swept: dict[str, dict[Swept, int]] = {}

        async def sweep(when: str) -> None:
            swept[when] = dict((await copy.maintenance.sweep()).counts)

        await sweep("today")
        trail = await acme.audit.verify()
        calendar.passed = timedelta(days=200)
        flow = await acme.flows.get_default()
        assert flow is not None
        await acme.flows.patch(flow.id, description="Says hello, in the new year too.")
        head = (await acme.audit.verify()).head
        await sweep("in 200 days")
        calendar.passed = timedelta(days=366)
        await sweep("in 366 days")
        after = await acme.audit.verify(head)
        held = await acme.conversations.get_by_id(_HELD)
        ended = await acme.conversations.get_by_id(_ENDING)
        kinds = [kind for kind in Swept if any(each.get(kind) for each in swept.values())]
        kept = "is still there" if held is not None else "IS GONE"
        return Step(
            title="A year passes",
            says="What is kept for how long is said in one place. A sweep goes by it, through all "
            "tenants; so let us have it in the copy, where time is ours. Ella's conversation is "
            f"held for five years, and {kept}. Of the audit trail, {after.anchor.sequence} of "
            f"{trail.entries + 1} entries were older than a year; what is left, Grace's change of "
            f"half a year ago, is {'sound' if after.sound else 'NOT SOUND'}: it goes on where the "
            "last one that went has left its digest.",
            table=Table(
                columns=("swept", *swept),
                rows=tuple(
                    (kind.replace("_", " "), *(each.get(kind, 0) for each in swept.values()))
                    for kind in kinds
                ),
            ),
            figures={
                "swept": {
                    when: {kind.value: n for kind, n in each.items()}
                    for when, each in swept.items()
                },
                "trail": trail.entries,
                "gone": after.anchor.sequence,
                "left": after.entries,
                "sound": after.sound,
                "held": held is not None,
                "past_its_time": ended is None,
            },
        )

    async def _lose(self) -> Step:
        settings = attrs.evolve(self._platform.settings, synchronise=True)
        platform = attrs.evolve(self._platform, settings=settings)
        acme = platform.for_tenant(self._tenant)
        await acme.conversations.create(Conversation.draft(id=_TALK, user_id="finn"))
        await acme.executions.save(ExecutionState.draft(_TALK, current_state="order"))
        await acme.executions.update_slots(_TALK, {"kettles": 2})
        saved = await acme.executions.enter_state(_TALK, "address")
        await platform.synchroniser().once()
        last = await acme.executions.update_slots(_TALK, {"colour": "blue"})
        sessions = len(await acme.sessions.for_user("ella"))
        await platform.maintenance.runtime.erase_tenant(self._tenant)
        left = len(await acme.sessions.for_user("ella"))
        back = await acme.executions.require(_TALK)
        refused, told = False, "nothing at all"
        try:
            await acme.executions.save(attrs.evolve(last, current_state="payment"))
        except ConflictError as conflict:
            refused, told = True, str(conflict)
        moved = await acme.executions.enter_state(_TALK, "payment")
        redis = "Redis" if settings.stores.runtime == "redis" else "The store of what lives briefly"
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (what, one.current_state, _slots(one), ", ".join(one.previous_states) or None)
            for what, one in (
                ("as it was synchronised", saved),
                ("a moment later", last),
                ("after the loss", back),
                ("and it goes on", moved),
            )
        )
        return Step(
            title="Everything hot is lost",
            says=f"{redis} loses all that it has of the shop: of Ella's sessions, {left} of "
            f"{sessions} are left. Finn's execution state is asked for, and comes back from its "
            "durable context, as it was synchronised last. What changed in the moment since is "
            "lost; and who still holds that is told, so that it isn't taken for the truth.",
            quotes=(told,),
            table=Table(columns=("Finn's order", "state", "slots", "was in"), rows=rows),
            figures={
                "sessions_left": left,
                "state": back.current_state,
                "slots": dict(back.slots),
                "as_synchronised": (back.current_state, back.slots, back.previous_states)
                == (saved.current_state, saved.slots, saved.previous_states),
                "stale_told": refused,
                "goes_on": moved.current_state,
            },
        )

    async def _look(self) -> Step:
        ready = await self._platform.ready()
        health = await checks(self._platform.settings)
        faults = tuple(
            f"{check.severity}: {check.store}, {check.subject}: {check.found}"
            for check in health.checks
            if not check.well
        )
        subjects: dict[str, list[str]] = {}
        for check in health.checks:
            subjects.setdefault(check.store, []).append(check.subject)
        names = ", ".join(dict.fromkeys(check.store for check in ready.checks))
        answer = "each is ready" if ready.ready else "NOT EACH IS READY"
        return Step(
            title="Is all well?",
            says=f"A readiness probe asks {names}, one round trip each: {answer}. `dialogbase "
            f"doctor` looks at {len(health.checks)} things, of which {len(faults) or 'none'} "
            f"{'is' if len(faults) < 2 else 'are'} to be told of, and ends with exit code "
            f"{0 if health.ready else 1}.",
            quotes=faults,
            table=Table(
                columns=("store", "checks", "of"),
                rows=tuple((store, len(all), ", ".join(all)) for store, all in subjects.items()),
            ),
            figures={
                "answering": ready.ready,
                "ready": health.ready,
                "well": health.well,
                "checks": len(health.checks),
                "faults": list(faults),
            },
        )


class _Calendar(Clock):
    """The present, and so much later."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.passed


def _compared(first: Path, second: Path, name: str) -> str:
    """What a file of an export is, compared with that of another."""
    one, other = ((folder / name).read_bytes() for folder in (first, second))
    if one == other:
        return _SAME
    alike = _without_credentials(one) == _without_credentials(other)
    return _BUT_FOR_CREDENTIALS if alike else _DIFFERENT


def _without_credentials(lines: bytes) -> list[dict[str, object]]:
    return [json.loads(line) | {"credentials": None} for line in lines.splitlines()]


def _slots(state: ExecutionState) -> str:
    return ", ".join(f"{name}: {value}" for name, value in state.slots.items())
