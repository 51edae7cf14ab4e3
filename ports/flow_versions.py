"""The kept versions of flows: what their store promises."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.definitions import FlowDefinition
from domain.flows import ChangeType, Flow, FlowVersion, next_version
from domain.identity import UserId
from domain.rules import checked
from ports.errors import EntityNotFoundError
from ports.repository import Repository


class FlowVersions(Repository[Flow]):
    """The part of `FlowRepository` that keeps definitions for ever."""

    async def create_version(
        self,
        id: UUID,
        *,
        definition: FlowDefinition | None = None,
        version: str | None = None,
        change_type: ChangeType = ChangeType.MINOR,
        change_description: str = "",
        by: str | None = None,
        expected_revision: int | None = None,
    ) -> FlowVersion:
        """Give the flow a new version and keep it for ever, in one atomic step.

        The flow gets `version` (by default the next one, by `change_type`) and `definition` (by
        default the one it has), and both are kept. The version that it leaves is kept first, if it
        wasn't yet. Concurrent calls get different versions. A read and a transaction: up to six
        round trips an attempt.

        Raises:
            DuplicateEntityError: if that version of the flow was kept already, or another flow of
                the name has it.
            ValidationError: if the flow is active and the definition has faults.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        change = _change_type(change_type)

        async def stored(flow: Flow) -> FlowVersion:
            target = next_version(flow.version, change) if version is None else version
            changed = flow.at_version(target, definition or flow.definition, by=by)
            left = self._version_of(flow, "", change, flow.updated_by)
            new = self._version_of(changed, change_description, change, by)
            await self._admit()
            await self._store_version(changed, left, new, self._context.clock.now())
            return new

        return await self._contended(id, expected_revision, stored)

    async def get_versions(self, id: UUID) -> tuple[FlowVersion, ...]:
        """Every kept version of the flow, oldest first; empty if there is no such flow."""
        return tuple(await self._versions(self.schema.check_id(id), None))

    async def get_version(self, id: UUID, version: str) -> FlowVersion | None:
        """A kept version, or None."""
        checked = self.schema.field("version").operand(version)
        found = await self._versions(self.schema.check_id(id), checked)
        return found[0] if found else None

    async def rollback_to(
        self,
        id: UUID,
        version: str,
        *,
        by: str | None = None,
        expected_revision: int | None = None,
    ) -> Flow:
        """Give the flow the version and definition of a kept version; no version is lost by it.

        Raises:
            EntityNotFoundError: if there is no such flow, or no such version of it.
            DuplicateEntityError: if another flow of the name has that version.
            ConflictError: as `modify`.
        """
        kept = await self.get_version(id, version)
        if kept is None:
            await self.require(id)
            raise EntityNotFoundError("flow version", version)
        return await self.modify(
            id,
            lambda flow: flow.at_version(kept.version, kept.definition, by=by),
            expected_revision,
        )

    def _version_of(
        self, flow: Flow, change_description: str, change_type: ChangeType, by: str | None
    ) -> FlowVersion:
        return FlowVersion(
            id=self._context.ids.new_uuid(),
            tenant_id=flow.tenant_id,
            flow_id=flow.id,
            version=flow.version,
            definition=flow.definition,
            change_description=change_description,
            change_type=change_type,
            created_by=None if by is None else UserId(by),
            created_at=self._context.clock.now(),
        )

    @abstractmethod
    async def _store_version(
        self, changed: Flow, left: FlowVersion, new: FlowVersion, now: datetime
    ) -> Flow:
        """Atomically: `update(changed)`, keep `left` unless its version is kept, keep `new`."""

    @abstractmethod
    async def _versions(self, id: UUID, version: str | None) -> Sequence[FlowVersion]:
        """All, or the one, by `created_at` and id."""


def _change_type(candidate: object) -> ChangeType:
    kept: ChangeType = checked(FlowVersion, "change_type", candidate)
    return kept
