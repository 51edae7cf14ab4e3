"""Which entities the contracts of every repository are run on, and what is special about each.

A new aggregate is one more `Subject` here; what only it does has a module of contracts beside.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias
from uuid import UUID

import attrs
from hypothesis.strategies import SearchStrategy

from domain.definitions import FlowDefinition
from domain.flows import Flow, FlowStatus
from domain.identity import Draft, TenantId
from ports.contracts.strategies import FLOW_PATCHES, flow_drafts, whole_flows
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.repository import Repository
from ports.schema import EntitySchema
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringUnit

Holder: TypeAlias = TenantScope | AuthoringUnit
Entity: TypeAlias = Any
"""Contracts are for every entity; what they read of one is in its schema or its subject."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Subject:
    """A type of entity, as the contracts of every repository need it.

    `of`: its repository in a scope or unit. `draft`: a plain draft of that label; another label
    is another unique key. `note`: a nullable text field that may be patched; `remark`: another,
    which is also sortable. `drafts`, `entities` (whole ones, as an export holds them) and
    `patches` generate all that the domain admits. `misplaced`: a new entity in a status that can't
    follow its own. `use`: count something that the store maintains.
    """

    name: str
    schema: EntitySchema[Any]
    of: Callable[[Holder], Repository[Entity]]
    draft: Callable[..., Draft[Entity]]
    note: str
    remark: str
    drafts: SearchStrategy[Draft[Entity]]
    entities: Callable[[TenantId], SearchStrategy[Entity]]
    patches: SearchStrategy[dict[str, Any]]
    misplaced: Callable[[Entity], Entity]
    use: Callable[[Repository[Entity], Any], Coroutine[Any, Any, object]]

    def noted(self, entity: Entity, note: str | None) -> Entity:
        """The entity with another note."""
        return attrs.evolve(entity, **self.note_to(note))

    def note_to(self, note: str | None) -> dict[str, Any]:
        """The patch that changes its note."""
        return {self.note: note}

    def remark_to(self, remark: str | None) -> dict[str, Any]:
        """The patch that changes its remark."""
        return {self.remark: remark}

    def note_of(self, entity: Entity) -> str | None:
        """Its note."""
        note: str | None = getattr(entity, self.note)
        return note

    def __repr__(self) -> str:
        return f"<subject {self.name}>"

    @property
    def key(self) -> tuple[str, ...]:
        """How a `DuplicateEntityError` names the key that two drafts of one label share."""
        return self.schema.unique[0].key


def _flow_draft(label: str = "one", *, id: UUID | None = None) -> Draft[Flow]:
    return Flow.draft(name=label, definition=FlowDefinition.external({"label": label}), id=id)


def _flow_repository(holder: Holder) -> FlowRepository:
    return holder.flows


async def _use_flow(repository: Repository[Entity], id: UUID) -> None:
    assert isinstance(repository, FlowRepository)
    await repository.increment_usage(id, 3)


FLOWS = Subject(
    name="flow",
    schema=FLOW_SCHEMA,
    of=_flow_repository,
    draft=_flow_draft,
    note="description",
    remark="category",
    drafts=flow_drafts(),
    entities=whole_flows,
    patches=FLOW_PATCHES,
    misplaced=lambda flow: attrs.evolve(flow, status=FlowStatus.INACTIVE),
    use=_use_flow,
)

SUBJECTS = (FLOWS,)
