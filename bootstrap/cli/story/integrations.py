"""The fifth chapter: somebody else's service, on which the shop depends."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from adapters.local.callbacks import CallbackConsumer
from bootstrap.cli.story.beneath import Beneath
from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.platform import Platform
from domain.integrations import CallReport, Integration, IntegrationHealth
from domain.outbox import ChangeEvent
from domain.secrets import Secret
from ports.errors import EncryptionKeyError

_NAME: Final = "Parcel tracking"
_KEY: Final = "pk-live-5f0c2b7e91"
_SHOWN: Final = 44
_OUTAGE: Final = 6
_PATIENCE: Final = 5.0
"""Seconds that an alert may take; another dispatcher may be at work on the same tenant."""


class IntegrationChapter:
    """What is done with the shop's integrations."""

    def __init__(self, platform: Platform, tenant: str, beneath: Beneath) -> None:
        self._platform = platform
        self._acme = platform.for_tenant(tenant, actor="grace")
        self._beneath = beneath
        self._id: UUID | None = None

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return self._hide, self._alert

    async def _made(self, credentials: Secret | None) -> Integration:
        drafted = Integration.draft(
            name=_NAME,
            type="rest_api",
            endpoint="https://parcels.example/v1",
            auth_type="api_key",
            credentials=credentials,
        )
        made = await self._acme.integrations.create(drafted)
        self._id = made.id
        return made

    async def _hide(self) -> Step:
        title = "Credentials that nobody sees"
        try:
            made = await self._made(Secret({"api_key": _KEY}))
        except EncryptionKeyError as lacking:
            await self._made(None)
            says = "There is no key to encrypt them with, so none are taken:"
            return Step(title=title, says=says, quotes=(str(lacking),), figures={"told": 0})
        failed = CallReport(success=False, latency_ms=212, error=f"401: unknown key {_KEY}")
        await self._acme.integrations.record_call(made.id, failed)
        kept = await self._acme.integrations.require(made.id)
        (entry,) = (await self._acme.audit.of_entity("integration", made.id)).items
        stored = await self._beneath.credentials(self._acme.tenant, made.id)
        change = entry.changes["credentials"]
        seen: dict[str, Cell] = {
            "repr, and so logs": f"credentials={kept.credentials!r}",
            "the audit trail": f"{change.before} → {change.after}",
            "the error of a call": kept.last_error,
            "the table's column": f"{stored[:_SHOWN]}…" if stored else "none: it is in memory",
        }
        everywhere = [repr(kept), repr(entry), str(kept.last_error), str(stored)]
        told = sum(_KEY in text for text in everywhere)
        opened = kept.credentials is not None and kept.credentials.reveal() == {"api_key": _KEY}
        return Step(
            title=title,
            says=f"Grace gives the shop's API key of “{_NAME}”. Whoever looks after that finds it "
            f"in {told} places. Only who asks by name, reveal(), gets it: "
            f"{'it is the same' if opened else 'ANOTHER ONE'}.",
            table=Table(columns=("where", "what stands there"), rows=tuple(seen.items())),
            figures={"told": told, "opened": opened, "encrypted": stored is not None},
        )

    async def _alert(self) -> Step:
        assert self._id is not None
        id = self._id
        integrations = self._acme.integrations
        alerts: list[str] = []

        async def alarm(events: Sequence[ChangeEvent]) -> None:
            if any(event.entity_id == id for event in events):
                alerts.append((await integrations.require(id)).health.value)

        consumer = CallbackConsumer(f"alarm of {self._acme.tenant}", alarm)
        dispatcher = self._platform.dispatcher([consumer])
        rows: list[tuple[Cell, ...]] = []

        async def call(what: str, report: CallReport) -> None:
            recorded = await integrations.record_call(id, report)
            told = len(alerts)
            if recorded.health_changed:
                async with asyncio.timeout(_PATIENCE):
                    while len(alerts) == told:
                        await dispatcher.once()
            rows.append(
                (
                    what,
                    recorded.consecutive_failures,
                    recorded.health.value,
                    ", ".join(alerts[told:]) or None,
                )
            )

        try:
            await dispatcher.once()  # what was before
            alerts.clear()
            for n in range(_OUTAGE + 2):
                if 0 < n <= _OUTAGE:
                    error = "503: down for maintenance"
                    await call("fails", CallReport(success=False, latency_ms=5_000, error=error))
                else:
                    await call("answers", CallReport(success=True, latency_ms=80))
        finally:
            await self._platform.maintenance.authoring.outbox.unsubscribe(consumer.name)
        kept = await integrations.require(id)
        calls = await integrations.calls(id)
        return Step(
            title="A partner that fails",
            says=f"“{_NAME}” is down for a while. Each call is counted, judged and logged in one "
            f"atomic step: {kept.call_count} calls, {kept.failure_count} failed, "
            f"{len(calls.items)} in the log. Whenever the health changes, the outbox tells the "
            f"shop's alarm, and not at every failure: {len(alerts)} alerts.",
            table=Table(columns=("a call", "in a row", "health", "alert"), rows=tuple(rows)),
            figures={
                "healths": list(dict.fromkeys(str(row[2]) for row in rows)),
                "alerts": alerts,
                "recovered": kept.health is IntegrationHealth.HEALTHY,
                "calls": kept.call_count,
                "logged": len(calls.items),
            },
        )
