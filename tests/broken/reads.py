"""Faults in what is found and in its order: as real adapters have had them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.session import Session
from adapters.memory.store import MemoryAuthoring
from adapters.memory.tables import Tables, Transaction
from domain.flows import Flow
from domain.identity import TenantId
from ports.criteria import And, Comparison, Criteria, Not, Operator, Or, Search
from ports.paging import Order, Position
from ports.reading import Context, Selection


class OffsetBeforeOrder(MemoryFlowRepository):
    """Sorts a page, not the list that it is cut from."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        page = await super()._select(evolve(selection, order=Order.of(None, self.schema)))
        return selection.order.sorted(page)


class NullsFirst(MemoryFlowRepository):
    """As some databases do when ordering descending."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        found = await super()._select(evolve(selection, limit=10_000, offset=0, after=None))
        name = selection.order.keys[0].field.name
        found = sorted(found, key=lambda flow: getattr(flow, name) is not None)
        places = [selection.order.position(flow) for flow in found]
        start = 0 if selection.after is None else places.index(selection.after) + 1
        return found[start + selection.offset :][: selection.limit]


class CursorsAreOffsets(MemoryFlowRepository):
    """A cursor stands for how many were read, so what comes before it shifts the rest."""

    offsets: ClassVar[dict[tuple[str, Position], int]] = {}

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        tenant = self._context.tenant
        start = 0 if selection.after is None else self.offsets[tenant, selection.after]
        found = await super()._select(evolve(selection, after=None, offset=start))
        for place, flow in enumerate(found, start + 1):
            self.offsets[tenant, selection.order.position(flow)] = place
        return found


class CountsEveryTenant(MemoryAuthoringStore):
    """Forgets the tenant when counting."""

    def _on(self, context: Context, session: Session) -> MemoryAuthoring:
        tenants = self._tenants

        class Everybodys(MemoryFlowRepository):
            async def _count(self, criteria: Criteria) -> int:
                return sum(
                    criteria.matches(flow)
                    for tables in tenants.values()
                    for flow in tables.tables[self._name].rows.values()
                )

        made = super()._on(context, session)
        vars(made)["flows"] = Everybodys(context, session)
        return made


class JoinsTenantNames(MemoryAuthoringStore):
    """Takes what follows a colon for a part of the key."""

    def _tables(self, tenant: TenantId) -> Tables:
        return super()._tables(TenantId(tenant.partition(":")[0]))


class IgnoresUnknownFields(MemoryFlowRepository):
    """Drops what it doesn't know of a filter."""

    async def count(self, criteria: Any = None) -> int:
        if isinstance(criteria, Mapping):
            criteria = {name: x for name, x in criteria.items() if name in self.schema.fields}
        return await super().count(criteria)


class Misreads(MemoryFlowRepository):
    """Gives some comparisons another meaning."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        return comparison.matches(entity)

    def _matching(self, view: Transaction, criteria: Criteria) -> Iterator[Flow]:
        for entity in super()._matching(view, And(schema=self.schema)):
            if self._holds(criteria, entity):
                yield entity

    def _holds(self, criteria: Criteria, entity: Flow) -> bool:
        parts: Iterable[bool] = (self._holds(part, entity) for part in criteria.parts)
        if isinstance(criteria, And):
            return all(parts)
        if isinstance(criteria, Or):
            return any(parts)
        if isinstance(criteria, Not):
            return not any(parts)
        if isinstance(criteria, Comparison):
            return self._means(criteria, entity)
        assert isinstance(criteria, Search)
        return criteria.matches(entity)


class LikeTakesWildcards(Misreads):
    """Hands `like` its text unescaped."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        value = getattr(entity, comparison.field.name)
        if comparison.operator is not Operator.CONTAINS or value is None:
            return super()._means(comparison, entity)
        signs = {"%": ".*", "_": "."}
        pattern = "".join(signs.get(sign) or re.escape(sign) for sign in comparison.operand)
        return re.search(pattern, value, re.DOTALL) is not None


class NullDiffers(Misreads):
    """Finds nulls with `ne`."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        if comparison.operator is Operator.NE:
            return bool(getattr(entity, comparison.field.name) != comparison.operand)
        return super()._means(comparison, entity)


class FoldsByLower(Misreads):
    """Takes lower case for folding."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        value = getattr(entity, comparison.field.name)
        if comparison.operator is Operator.ICONTAINS and value is not None:
            return comparison.operand.lower() in value.lower()
        return super()._means(comparison, entity)


class ComparesByUtf16(MemoryFlowRepository):
    """Orders text by UTF-16 units, as some languages do."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        found = await super()._select(selection)
        return sorted(found, key=lambda flow: (flow.category or "").encode("utf-16-be"))
