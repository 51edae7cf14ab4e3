"""Which entities the contracts of every repository are run on, and what is special about each.

A new aggregate is one more `Subject` here; what only it does has a module of contracts beside.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from typing import Any, TypeAlias
from uuid import UUID

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus
from domain.identity import Draft, TenantId
from ports.contracts import entities
from ports.contracts.entities import Entity as Entity
from ports.contracts.flow_model import FLOW_COURSE
from ports.contracts.model import Course
from ports.contracts.strategies import definitions, text, valid_definitions
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.repository import Repository
from ports.schema import EntitySchema
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringUnit

Holder: TypeAlias = TenantScope | AuthoringUnit


@attrs.frozen(kw_only=True, eq=False, repr=False, slots=False)
class Subject:
    """A type of entity, as the contracts of every repository need it.

    `of`: its repository in a scope or unit. `draft`: a plain draft of that label; another label
    is another unique key. `note`: a text field that may be patched; `remark`: another, which is
    also sortable and may be part of the unique key. `ranked`: a nullable, sortable field and four
    of its values in their order. `use`: count something that the store maintains.

    `own`: what those fields may hold whose type doesn't say it, for all that the domain admits is
    generated. `variants`: sets of fields that belong together, each in place of some of `own` in
    whole entities; needed where what is drawn field by field would hardly ever be admitted.
    `course`: how the state machine takes it through its life.
    """

    schema: EntitySchema[Any]
    of: Callable[[Holder], Repository[Entity]]
    draft: Callable[..., Draft[Entity]]
    note: str
    remark: str
    ranked: tuple[str, Sequence[Any]]
    use: Callable[[Repository[Entity], Any], Coroutine[Any, Any, object]]
    own: entities.Fields
    course: Course
    variants: Sequence[entities.Fields] = ({},)

    @property
    def name(self) -> str:
        """How the tests' ids show it."""
        return self.schema.name

    @cached_property
    def _fields(self) -> entities.Fields:
        return entities.fields(self.schema, self.own)

    @cached_property
    def drafts(self) -> SearchStrategy[Draft[Entity]]:
        """Every draft that the domain admits."""
        minted = {name: held for name, held in self._fields.items() if name != "id"}
        return entities.drafts(self.schema, minted)

    def entities(self, tenant: TenantId) -> SearchStrategy[Entity]:
        """Every entity that the domain admits, as an export holds them."""
        ways = [{**self._fields, **variant} for variant in self.variants]
        return st.one_of([entities.entities(self.schema, way, tenant) for way in ways])

    @cached_property
    def patches(self) -> SearchStrategy[dict[str, Any]]:
        """Every patch that the domain admits."""
        return entities.patches(self.schema, self._fields)

    @property
    def note_is_optional(self) -> bool:
        """Whether it may be None; then it is that of a plain draft."""
        return self.schema.fields[self.note].nullable

    def misplaced(self, entity: Entity) -> Entity:
        """The entity in a status that can't follow its own."""
        lifecycle = self.schema.lifecycle
        if lifecycle is None:
            pytest.skip(f"any status of a {self.name} may follow any other")
        for status in lifecycle.table:
            if not lifecycle.allows(entity.status, status):
                try:
                    return attrs.evolve(entity, status=status)
                except ValidationError:
                    continue
        raise ValueError(f"any status may follow {entity.status}")

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


async def _use_flow(repository: Repository[Entity], id: UUID) -> None:
    assert isinstance(repository, FlowRepository)
    await repository.increment_usage(id, 3)


_RATES = st.none() | st.sampled_from([0.0, -0.0, 1.0, 5e-324, 0.1 + 0.2]) | st.floats(0, 1)
_DURATIONS = st.none() | st.sampled_from([0.0, 1e15, 5e-324, 1 / 3]) | st.floats(0, 1e15)

FLOWS = Subject(
    schema=FLOW_SCHEMA,
    of=lambda holder: holder.flows,
    draft=_flow_draft,
    note="description",
    remark="category",
    ranked=("category", ("B", "a", "b", "é")),
    use=_use_flow,
    own={
        "name": text(255, 1),
        "version": text(50, 1),
        "description": st.none() | text(10_000),
        "definition": definitions(),
        "category": st.none() | text(100, 1),
        "success_rate": _RATES,
        "avg_completion_time_ms": _DURATIONS,
    },
    course=FLOW_COURSE,
    variants=[
        {
            "status": st.just(status),
            "is_default": st.booleans() if status is FlowStatus.ACTIVE else st.just(False),
            "definition": valid_definitions() if status is FlowStatus.ACTIVE else definitions(),
        }
        for status in FlowStatus
    ],
)

SUBJECTS = (FLOWS,)
