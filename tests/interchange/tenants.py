"""Tenants with something of everything, and what is to be seen of one."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from adapters.system import SystemClock
from bootstrap.platform import Platform
from domain.rules import instant
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group
from ports.contracts.tenant_contents import FILLING, Contents, contents
from ports.stores import TenantScope

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class _Passing:
    """A clock that passes by itself."""

    @property
    def kept(self) -> datetime:
        return instant(SystemClock().now())

    def advance(self, **by: float) -> None:
        timedelta(**by)


class _Surroundings:
    """What filling a tenant needs of a backend."""

    clock = _Passing()


async def filled(platform: Platform, tenant: str) -> TenantScope:
    """A tenant with something of every kind."""
    scope = platform.for_tenant(tenant, actor="ada", reason="to be moved")
    for group in Group:
        await FILLING[group](cast("Backend", _Surroundings()), scope)
    return scope


async def archived(platform: Platform, tenant: str) -> Contents:
    """All records of a tenant, of every store."""
    scope, found = platform.for_tenant(tenant), dict[Any, Any]()
    for group in Group:
        found |= await contents(getattr(platform.maintenance, group).archive, scope.tenant)
    return found


async def shown(scope: TenantScope) -> Mapping[Any, Any]:
    """All that a tenant's ports show, entity by entity, to the letter."""
    flows = [flow async for flow in scope.flows.stream()]
    experiments = [one async for one in scope.experiments.stream()]
    integrations = [one async for one in scope.integrations.stream()]
    conversations = [one async for one in scope.conversations.stream()]
    seen: dict[str, Any] = {
        "flows": flows,
        "default": await scope.flows.get_default(),
        "versions": [await scope.flows.get_versions(flow.id) for flow in flows],
        "figures": [
            await scope.flows.get_metrics(flow.id, date(2020, 1, 1), date(2040, 1, 1))
            for flow in flows
        ],
        "experiments": experiments,
        "assignments": [(await scope.experiments.assignments(one.id)).items for one in experiments],
        "outcomes": [await scope.experiments.outcomes(one.id) for one in experiments],
        "calls": [(await scope.integrations.calls(one.id)).items for one in integrations],
        "entries": [one async for one in scope.audit.stream(order=["entity_id", "position"])],
        "head": await scope.audit.head(),
        "conversations": conversations,
        "messages": [
            (await scope.messages.history(one.id, limit=1000)).items for one in conversations
        ],
        "contexts": [one async for one in scope.contexts.stream()],
        "events": [one async for one in scope.analytics.stream()],
        "sessions": await scope.sessions.for_user("ada"),
        "executions": [await scope.executions.get(id) for id in ("one", "two")],
    }
    return {name: exact(value) for name, value in seen.items()} | {
        "integrations": exact(integrations, without=["credentials"])
    }


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of an export but the manifest, to the byte."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"
    }


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of an export."""
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return document


def forged(folder: Path, name: str, content: bytes, *, records: int | None = None) -> None:
    """The file has that content, and the manifest says so."""
    (folder / name).write_bytes(content)
    document = manifest_of(folder)
    for file in document["files"]:
        if file["file"] == name:
            lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
            file["records"] = lines if records is None else records
            file["bytes"] = len(content)
            file["sha256"] = sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(document))
