"""The reference: what a repository must answer, in the plainest way there is.

It shares nothing with any adapter but the domain, the schema and the definitions of criteria and
orders. It keeps entities in a dict and reads the whole of it each time. An aggregate's own model
adds what only it does; its `Course` says how the state machine takes it through its life.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeAlias
from uuid import UUID

import attrs
from hypothesis.strategies import SearchStrategy

from domain.identity import Draft, TenantId
from ports.contracts.entities import Entity, Fields
from ports.contracts.harness import ContractClock
from ports.criteria import Criteria
from ports.errors import ConflictError, DuplicateEntityError, EntityNotFoundError
from ports.paging import Order, PaginatedResult, Pagination
from ports.schema import EntitySchema

NEVER = UUID(int=0)
"""Stands for ids that the store mints; comparisons leave them out."""


@attrs.define(slots=False)
class RepositoryModel:
    """One tenant's entities. Its methods are named as the repository's, and answer as it must."""

    schema: EntitySchema[Any]
    tenant: TenantId
    clock: ContractClock
    entities: dict[Any, Entity] = attrs.field(factory=dict)
    doomed: bool = False
    """Whether a write failed in the store itself, which within a unit of work dooms it."""

    def copy(self) -> Self:
        """Another one that begins as this one is."""
        return attrs.evolve(self, entities=dict(self.entities), doomed=False)

    @contextmanager
    def _in_store(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.doomed = True
            raise

    def _refuse_duplicates(self, entities: Mapping[Any, Entity]) -> None:
        for unique in self.schema.unique:
            held = [
                tuple(getattr(entity, name) for name in unique.fields)
                for entity in entities.values()
                if unique.where is None or getattr(entity, unique.where)
            ]
            if len(held) > len(set(held)):
                raise DuplicateEntityError(self.schema.name, unique.key)

    def _standing(self, id: Any, expected: int | None) -> Entity:
        if id not in self.entities:
            raise EntityNotFoundError(self.schema.name, id)
        entity = self.entities[id]
        if expected is not None and entity.revision != expected:
            raise ConflictError(self.schema.name, id, expected, entity.revision)
        return entity

    def _written(self, entity: Entity) -> Entity:
        return attrs.evolve(entity, updated_at=self.clock.kept, revision=entity.revision + 1)

    def _put(self, *changed: Entity) -> None:
        entities = self.entities | {entity.id: entity for entity in changed}
        self._refuse_duplicates(entities)
        self.entities = entities

    def create(self, entity: Entity | Draft[Entity]) -> Entity:
        return self.create_many([entity])[0]

    def create_many(self, entities: Iterable[Entity | Draft[Entity]]) -> tuple[Entity, ...]:
        made = tuple(
            entity.assigned(tenant=self.tenant, new_id=NEVER, at=self.clock.now())
            if isinstance(entity, Draft)
            else entity
            for entity in entities
        )
        with self._in_store():
            known = dict(self.entities)
            for entity in self.schema.in_writing_order(made):
                if entity.id in known:
                    raise DuplicateEntityError(self.schema.name, ("id",))
                known[entity.id] = entity
                self._refuse_duplicates(known)
            self.entities = known
        return made

    def get_by_id(self, id: Any) -> Entity | None:
        return self.entities.get(id)

    def get_many(self, ids: Sequence[Any]) -> tuple[Entity, ...]:
        return tuple(self.entities[id] for id in dict.fromkeys(ids) if id in self.entities)

    def update(self, entity: Entity) -> Entity:
        with self._in_store():
            standing = self._standing(entity.id, entity.revision)
            if self.schema.lifecycle is not None:
                self.schema.lifecycle.check(standing.status, entity.status)
            kept = {name: getattr(standing, name) for name in self.schema.maintained}
            changed = self._written(attrs.evolve(entity, created_at=standing.created_at, **kept))
            self._put(changed)
        return changed

    def patch(self, id: Any, expected_revision: int | None = None, **changes: Any) -> Entity:
        with self._in_store():
            standing = self._standing(id, expected_revision)
            changed = self._written(attrs.evolve(standing, **changes))
            self._put(changed)
        return changed

    def modify(
        self, id: Any, change: Callable[[Entity], Entity], expected: int | None = None
    ) -> Entity:
        standing = self._standing(id, expected)
        changed = change(standing)
        return standing if changed is standing else self.update(changed)

    def delete(self, id: Any, expected_revision: int | None = None) -> bool:
        if id not in self.entities:
            return False
        with self._in_store():
            self._standing(id, expected_revision)
        self._forget([id])
        return True

    def _forget(self, ids: Iterable[Any]) -> None:
        for id in ids:
            del self.entities[id]

    def _matching(self, criteria: Criteria) -> list[Entity]:
        return [entity for entity in self.entities.values() if criteria.matches(entity)]

    def count(self, criteria: Criteria) -> int:
        return len(self._matching(criteria))

    def list(
        self, criteria: Criteria, page: Pagination, order: list[str]
    ) -> PaginatedResult[Entity]:
        found = Order.of(order, self.schema).sorted(self._matching(criteria))
        end = page.offset + page.page_size
        return PaginatedResult(
            items=tuple(found[page.offset : end]),
            total=len(found) if page.with_total else None,
            page=page.page,
            page_size=page.page_size,
            has_next=len(found) > end,
        )

    def update_where(self, criteria: Criteria, **changes: Any) -> int:
        matches = self._matching(criteria)
        with self._in_store():
            self._put(*(self._written(attrs.evolve(entity, **changes)) for entity in matches))
        return len(matches)

    def delete_where(self, criteria: Criteria) -> int:
        matches = self._matching(criteria)
        self._forget(entity.id for entity in matches)
        return len(matches)


@attrs.frozen
class Operation:
    """A call that the store and the model both get; in what it returns, `minted` fields differ."""

    name: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = attrs.field(factory=dict)
    minted: frozenset[str] = frozenset()


Draw: TypeAlias = Callable[[SearchStrategy[Any]], Any]
Ways: TypeAlias = Mapping[str, Callable[[], Operation]]


@attrs.frozen(kw_only=True)
class Course:
    """How the state machine takes a type of entity through its life.

    `few`: values of some fields, so few that entities meet each other; those that a draft can't do
    without among them. `model`: the reference, made of schema, tenant and clock. `operations`: the
    named operations, on one of few ids; those called `often` are drawn more often.
    """

    few: Fields
    model: Callable[[EntitySchema[Any], TenantId, ContractClock], RepositoryModel]
    operations: Callable[[Draw, Any], Ways]
    often: tuple[str, ...] = ()
