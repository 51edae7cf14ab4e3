"""The first chapter: a small shop's conversation flows."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.interchange import import_flows, opened_file
from bootstrap.platform import Platform
from bootstrap.samples import FLOWS
from domain.definitions import FlowDefinition, State, StateType, Transition
from domain.errors import ValidationError
from domain.flows import ChangeType, Flow, FlowStatus, MetricIncrements, total_of
from ports.errors import ConflictError, TenantMismatchError
from ports.stores import TenantScope


class FlowChapter:
    """What the shop's people do with its flows."""

    def __init__(self, platform: Platform, tenant: str, now: datetime) -> None:
        self._platform = platform
        self._tenant = tenant
        self._now = now
        self._acme: TenantScope = platform.for_tenant(tenant, actor="ada")
        self._bobs = platform.for_tenant(tenant, actor="bob")
        self._graces = platform.for_tenant(tenant, actor="grace")

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return (
            self._import,
            self._publish,
            self._choose_default,
            self._count,
            self._version,
            self._search,
            self._refuse_stale_writer,
            self._roll_back_unit,
            self._isolate,
        )

    async def _named(self, name: str) -> Flow:
        found = await self._acme.flows.list({"name": name})
        return found.items[0]

    async def _import(self) -> Step:
        with opened_file(FLOWS) as file:
            first = await import_flows(self._acme, file, at=self._now)
            again = await import_flows(self._acme, file, at=self._now)
        flows = [flow async for flow in self._acme.flows.stream(order="created_at")]
        return Step(
            title="Import",
            says=f"{first.imported} flows of a small shop come in from JSON Lines. Importing them "
            f"once more changes nothing: {again.imported} imported, {again.unchanged} unchanged.",
            table=Table(
                columns=("flow", "version", "status", "states", "transitions", "tags"),
                rows=tuple(
                    (
                        flow.name,
                        flow.version,
                        flow.status.value,
                        len(flow.definition.states),
                        sum(len(state.transitions) for state in flow.definition.states.values()),
                        ", ".join(flow.tags),
                    )
                    for flow in flows
                ),
            ),
            figures={"imported": first.imported, "unchanged_on_second_run": again.unchanged},
        )

    async def _publish(self) -> Step:
        published = 0
        async for flow in self._acme.flows.stream({"status": "draft"}):
            await self._acme.flows.publish(flow.id, by="ada")
            published += 1
        draft = await self._acme.flows.create(Flow.draft(name="Half done", definition=_HALF_DONE))
        try:
            await self._acme.flows.publish(draft.id, by="ada")
            faults: tuple[str, ...] = ()
        except ValidationError as refused:
            faults = tuple(str(fault) for fault in refused.faults)
        await self._acme.flows.delete(draft.id)
        return Step(
            title="Publish",
            says=f"Ada publishes all {published}. A half-finished draft is refused, and every one "
            f"of its {len(faults)} faults is named at once:",
            quotes=faults,
            figures={"published": published, "faults_named": len(faults)},
        )

    async def _choose_default(self) -> Step:
        hours, welcome = await self._named("Opening hours"), await self._named("Welcome")
        await self._acme.flows.set_default(hours.id, by="ada")
        await self._acme.flows.set_default(welcome.id, by="ada")
        defaults = await self._acme.flows.count({"is_default": True})
        current = await self._acme.flows.get_default()
        name = current.name if current else None
        return Step(
            title="One default",
            says=f"First “{hours.name}” is made the default, then “{welcome.name}”. The swap is "
            f"one atomic step: the tenant has {defaults} default flow, “{name}”.",
            figures={"default_flows": defaults, "default": name},
        )

    async def _count(self) -> Step:
        flow = await self._named("Order status")
        today = self._now.astimezone(UTC).date()
        first = today - timedelta(days=_DAYS - 1)
        dice = random.Random(7)  # the same week at every run
        for day in (first + timedelta(days=n) for n in range(_DAYS)):
            for _ in range(dice.randint(30, 60)):
                await self._acme.flows.record_metrics(flow.id, day, _conversation(dice))
        metrics = await self._acme.flows.get_metrics(flow.id, first, today)
        total = total_of(daily.totals for daily in metrics)
        uses = await self._acme.flows.increment_usage(flow.id, total.executions)
        flow = await self._acme.flows.refresh_statistics(flow.id, first, today)
        return Step(
            title="Daily figures",
            says=f"{uses} conversations of “{flow.name}” in {len(metrics)} days, each counted by "
            "an atomic increment. Only sums are stored; rates and means are derived, so that none "
            f"of them can drift. Over the days: {_percent(flow.success_rate)} completed, "
            f"{_seconds(flow.avg_completion_time_ms)} each.",
            table=Table(
                columns=(
                    "day",
                    "conversations",
                    "completed",
                    "errors",
                    "mean time",
                    "satisfaction",
                ),
                rows=tuple(
                    (
                        daily.metric_date.isoformat(),
                        daily.totals.executions,
                        _percent(daily.success_rate),
                        _percent(daily.error_rate),
                        _seconds(daily.avg_duration_ms),
                        _score(daily.avg_satisfaction),
                    )
                    for daily in metrics
                ),
            ),
            figures={
                "conversations": uses,
                "days": len(metrics),
                "success_rate": flow.success_rate,
                "avg_completion_time_ms": flow.avg_completion_time_ms,
            },
        )

    async def _version(self) -> Step:
        flow = await self._named("Opening hours")
        extended = flow.definition.with_state(
            State(name="holiday", type=StateType.RESPONSE, transitions=[Transition(target="done")])  # type: ignore[arg-type]  # its rule makes a tuple
        )
        await self._graces.flows.create_version(
            flow.id,
            definition=extended,
            change_type=ChangeType.MINOR,
            change_description="Says when a holiday is near",
            by="grace",
        )
        changed = await self._acme.flows.require(flow.id)
        warnings = tuple(f"warning: {warning}" for warning in changed.definition.warnings)
        back = await self._acme.flows.rollback_to(flow.id, flow.version, by="ada")
        kept = await self._acme.flows.get_versions(flow.id)
        equal = back.definition == flow.definition
        return Step(
            title="Versions and rollback",
            says=f"Grace gives “{flow.name}” a new version, {changed.version}, and overlooks that "
            f"nothing leads to its new state. Ada rolls back to {back.version}: the definition "
            f"{'equals' if equal else 'DIFFERS FROM'} the first one, and both versions are kept.",
            quotes=warnings,
            table=Table(
                columns=("version", "states", "by", "what changed"),
                rows=tuple(
                    (
                        version.version,
                        len(version.definition.states),
                        version.created_by,
                        version.change_description or "—",
                    )
                    for version in kept
                ),
            ),
            figures={
                "versions_kept": len(kept),
                "rolled_back_to": back.version,
                "definition_equal": equal,
            },
        )

    async def _search(self) -> Step:
        found = {
            text: [flow.name for flow in (await self._acme.flows.search(text)).items]
            for text in ("REFUND", "order self", "ｈｏｕｒ", "100%")
        }
        return Step(
            title="Search",
            says="Every word must occur, in any case and form, full-width letters included; no "
            "character has a secret meaning.",
            table=Table(
                columns=("searched for", "found"),
                rows=tuple((text, ", ".join(names) or "nothing") for text, names in found.items()),
            ),
            figures={"found": found},
        )

    async def _refuse_stale_writer(self) -> Step:
        read_by_ada = read_by_bob = await self._named("Returns and refunds")
        saved = await self._acme.flows.update(
            read_by_ada.edited(by="ada", description="Takes back an item within thirty days.")
        )
        try:
            await self._bobs.flows.update(read_by_bob.edited(by="bob", description="Returns."))
            told = "nothing at all"
        except ConflictError as conflict:
            told = str(conflict)
        stored = await self._acme.flows.require(saved.id)
        return Step(
            title="A stale writer",
            says=f"Ada and Bob read “{saved.name}” at revision {read_by_bob.revision}. Ada saves "
            f"first. Bob is told, and the flow still says: “{stored.description}”",
            quotes=(told,),
            figures={"kept": stored == saved, "revision": stored.revision, "told": told},
        )

    async def _roll_back_unit(self) -> Step:
        before = await self._acme.flows.count({"status": "active"})
        seen = before
        try:
            async with self._bobs.authoring() as work:
                for flow in await work.flows.get_active():
                    await work.flows.archive(flow.id, by="bob")
                seen = await work.flows.count({"status": "active"})
                raise _ChangedMyMind
        except _ChangedMyMind:
            pass
        after = await self._acme.flows.count({"status": FlowStatus.ACTIVE})
        return Step(
            title="A unit of work, rolled back",
            says=f"In one unit of work Bob archives every flow, and within it {seen} are active. "
            f"Then an exception: {after} of {before} are active, as if nothing had happened.",
            figures={"active_before": before, "active_within": seen, "active_after": after},
        )

    async def _isolate(self) -> Step:
        globex = self._platform.for_tenant(f"{self._tenant}-globex")
        flow = await self._named("Welcome")
        seen: dict[str, Cell] = {
            "flows.get_by_id(…)": repr(await globex.flows.get_by_id(flow.id)),
            "flows.count()": await globex.flows.count(),
            'flows.search("order")': len((await globex.flows.search("order")).items),
            "flows.delete(…)": repr(await globex.flows.delete(flow.id)),
        }
        try:
            await globex.flows.update(flow)
            seen["flows.update(…)"] = "done"
        except TenantMismatchError as refused:
            seen["flows.update(…)"] = f"refused: {refused}"
        there = await self._acme.flows.get_by_id(flow.id) == flow
        return Step(
            title="Another tenant",
            says="Globex knows the id of our welcome flow and tries everything with it. The flow "
            f"is {'still there, untouched' if there else 'GONE'}.",
            table=Table(columns=("Globex calls", "and gets"), rows=tuple(seen.items())),
            figures={"untouched": there},
        )


class _ChangedMyMind(Exception):
    """Bob's."""


_DAYS: Final = 7
_HALF_DONE: Final = FlowDefinition(
    initial_state="start",
    states={
        "ask": State(
            name="ask", type=StateType.SLOT_FILLING, transitions=(Transition(target="thank"),)
        ),
        "done": State(
            name="done",
            type=StateType.END,
            is_final=True,
            transitions=(Transition(target="ask"),),
        ),
    },
)


def _conversation(dice: random.Random) -> MetricIncrements:
    """What one conversation adds to its day."""
    completed = dice.random() < 0.86
    failed = not completed and dice.random() < 0.4
    rated = dice.random() < 0.3
    return MetricIncrements(
        executions=1,
        completions=int(completed),
        errors=int(failed),
        abandonments=int(not completed and not failed),
        total_duration_ms=dice.randint(20_000, 140_000) if completed else 0,
        satisfaction_total=dice.choice((3, 4, 4, 5, 5)) if rated else 0,
        satisfaction_count=int(rated),
    )


def _percent(rate: float | None) -> str:
    return "—" if rate is None else f"{rate:.1%}"


def _seconds(milliseconds: float | None) -> str:
    return "—" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _score(score: float | None) -> str:
    return "—" if score is None else f"{score:.2f} of 5"
