"""Our store without audit and outbox: the same statements, but nothing tells of what they change.

It is there to be measured against, and for nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from adapters.postgres.executor import Executor
from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.flows import PostgresFlowRepository
from adapters.postgres.relation import Relation
from adapters.postgres.store import PostgresRepositories, PostgresStore
from adapters.postgres.trail import Trail
from domain.flows import Flow
from domain.identity import Author, TenantId
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.gate import Gate


class Untold(Trail):
    """Statements of one table that change it, and that is all."""

    def inserted(self, insert: Any, *returning: Any, many: bool = False) -> Any:
        return insert.returning(*returning) if returning else insert.inline()

    def updated(
        self,
        matches: sa.Select[Any],
        conditions: Sequence[Any],
        values: Mapping[str, Any],
        *returning: Any,
        many: bool = False,
    ) -> Any:
        # Nobody asks what the row held before, so it needn't be read first.
        assert matches.whereclause is not None
        update = sa.update(self._table).values(values).where(matches.whereclause)
        return update.returning(*returning) if returning else update

    def deleted(self, delete: Any, *, many: bool = False) -> Any:
        return delete


class _UntoldRelation(Relation[Flow]):
    @cached_property
    def trail(self) -> Trail:
        return Untold(self.schema, self.table)


_FLOWS = _UntoldRelation(FLOW_SCHEMA, FLOWS)


class _UntoldFlows(PostgresFlowRepository):
    relation = _FLOWS

    def _told(self, at: datetime) -> dict[str, Any]:
        return {}

    def _told_of_all(self, at: datetime) -> dict[str, Any]:
        return {}


class _UntoldRepositories(PostgresRepositories):
    @cached_property
    def flows(self) -> FlowRepository:
        return _UntoldFlows(self._context, self._executor)


class UntoldStore(PostgresStore):
    """Ours, but that flows are changed without a word."""

    def _repositories(
        self, tenant: TenantId, author: Author, executor: Executor, gate: Gate
    ) -> PostgresRepositories:
        told = super()._repositories(tenant, author, executor, gate)
        return _UntoldRepositories(told._context, executor)
