"""What the contracts of every repository need to know about a type of entity."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.errors import ValidationError
from domain.identity import Draft, TenantId
from ports.contracts import entities
from ports.contracts.entities import Entity
from ports.contracts.groups import Group
from ports.contracts.ids import IDS, Ids
from ports.contracts.model import Course
from ports.repository import Repository
from ports.schema import EntitySchema, FieldSchema, Kind
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringUnit, DialogueUnit

Holder: TypeAlias = Any
"""A scope, or a unit of work of the subject's group."""

MADE = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When entities were made that no store made."""


@attrs.frozen(kw_only=True, eq=False, repr=False, slots=False)
class Subject:
    """A type of entity, as the contracts of every repository need it.

    `group`: which unit of work it joins. `of`: its repository in a scope or unit. `draft`: a plain
    draft of that label, with an id unless they are minted; where there is a unique key beside the
    id, another label is another key, and otherwise a later draft has a greater id.

    `note`: a text field that may be patched, is kept folded, and takes any text of up to 100
    characters. `remark`: another, sortable, which may be part of the unique key, and takes any of
    up to 50 but the empty one. `document`: a JSON object of up to 1 MiB that may be patched.
    `ranked`: a nullable, sortable field and four of its values in their order. `use`: count
    something that the store maintains, or patch it where it maintains nothing.

    `own`: what those fields may hold whose type doesn't say it, for all that the domain admits is
    generated. `variants`: sets of fields that belong together, each in place of some of `own` in
    whole entities; needed where what is drawn field by field would hardly ever be admitted.
    `course`: how the state machine takes it through its life. `mints`: whether a store gives ids to
    drafts that have none.
    """

    group: Group
    schema: EntitySchema[Any]
    of: Callable[[Holder], Repository[Entity]]
    draft: Callable[..., Draft[Entity]]
    note: str
    remark: str
    document: str
    ranked: tuple[str, Sequence[Any]]
    use: Callable[[Repository[Entity], Any], Coroutine[Any, Any, object]]
    own: entities.Fields
    course: Course
    variants: Sequence[entities.Fields] = ({},)
    mints: bool = True

    @property
    def name(self) -> str:
        """How the tests' ids show it."""
        return self.schema.name

    def unit(self, scope: TenantScope) -> AbstractAsyncContextManager[AuthoringUnit | DialogueUnit]:
        """A unit of work that its repository joins."""
        return scope.authoring() if self.group is Group.AUTHORING else scope.dialogue()

    # What it is made of.

    @cached_property
    def ids(self) -> Ids:
        """Ids of the kind that it has."""
        return IDS[self.schema.fields["id"].kind]

    @cached_property
    def _fields(self) -> entities.Fields:
        return entities.fields(self.schema, {"id": self.ids.anything, **self.own})

    @cached_property
    def drafts(self) -> SearchStrategy[Draft[Entity]]:
        """Every draft that the domain admits, without ids if these are minted."""
        minted = {"id"} if self.mints else set()
        held = {name: values for name, values in self._fields.items() if name not in minted}
        return entities.drafts(self.schema, held)

    def entities(self, tenant: TenantId) -> SearchStrategy[Entity]:
        """Every entity that the domain admits, as an export holds them."""
        ways: list[entities.Fields] = [{**self._fields, **variant} for variant in self.variants]
        return st.one_of([entities.entities(self.schema, way, tenant) for way in ways])

    @cached_property
    def patches(self) -> SearchStrategy[dict[str, Any]]:
        """Every patch that the domain admits."""
        return entities.patches(self.schema, self._fields)

    def entity(self, tenant: TenantId, n: int, **fields: Any) -> Entity:
        """A plain one that no store has seen, the n-th in the order of ids, with these fields."""
        draft = self.draft(f"label {n}", id=self.ids.nth(n))
        return attrs.evolve(draft.assigned(tenant=tenant, new_id=None, at=MADE), **fields)

    # What must be unique.

    @property
    def key(self) -> tuple[str, ...]:
        """How a `DuplicateEntityError` names the key that two keyed drafts of one label share."""
        return self.schema.unique[0].key if self.schema.unique else ("id",)

    def keyed(self, label: str) -> Draft[Entity]:
        """A draft whose unique key is another's of that label: the id, if there is no other."""
        return self.draft(label) if self.schema.unique else self.draft(label, id=label)

    def same_key(self, entity: Entity) -> dict[str, Any]:
        """The fields by which another entity would have its unique key."""
        if not self.schema.unique:
            pytest.skip(f"nothing of a {self.name} but its id is unique")
        return {name: getattr(entity, name) for name in self.schema.unique[0].fields}

    # What it says.

    @property
    def note_is_optional(self) -> bool:
        """Whether it may be None; then it is that of a plain draft."""
        return self.schema.fields[self.note].nullable

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

    def field(self, kind: Kind, *, patchable: bool = False) -> FieldSchema:
        """Its first field of a kind; a contract of that kind says nothing where there is none."""
        for field in self.schema.fields.values():
            if field.kind is kind and (not patchable or field.name in self.schema.patchable):
                return field
        pytest.skip(f"no {kind} of a {self.name} can be {'patched' if patchable else 'asked for'}")

    # Where it is in its life.

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

    def __repr__(self) -> str:
        return f"<subject {self.name}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """As hypothesis shows it, which would write all of it out."""
        printer.text(repr(self))
