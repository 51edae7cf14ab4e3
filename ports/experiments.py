"""Experiments: what their store promises."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from uuid import UUID

from domain.experiment_results import ExperimentAssignment
from domain.experiments import (
    EXPERIMENT_LIFECYCLE,
    UNIT,
    Allocation,
    Experiment,
    ExperimentStatus,
)
from domain.identity import UserId
from domain.rules import argument, checked, optional
from ports.errors import TransactionError
from ports.experiment_outcomes import ExperimentOutcomes, checked_unit
from ports.paging import CursorPage, check_limit
from ports.reading import back_off
from ports.schema import EntitySchema, FieldSchema, Kind, Unique

EXPERIMENT_SCHEMA = EntitySchema(
    entity=Experiment,
    name="experiment",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("name", Kind.TEXT, sortable=True, folded=True),
        FieldSchema("description", Kind.TEXT, nullable=True, folded=True),
        FieldSchema("status", Kind.ENUM, sortable=True, members=ExperimentStatus),
        FieldSchema("hypothesis", Kind.TEXT, nullable=True),
        FieldSchema("flow_id", Kind.UUID, nullable=True),
        FieldSchema("starts_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("ends_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("traffic_share", Kind.NUMBER, sortable=True),
        FieldSchema("created_at", Kind.INSTANT, sortable=True),
        FieldSchema("updated_at", Kind.INSTANT, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
    ],
    unique=(Unique(("name",)),),
    # Not what depends on the status, or on another field: a patch reads nothing.
    patchable=frozenset({"name", "description", "hypothesis", "metadata"}),
    lifecycle=EXPERIMENT_LIFECYCLE,
)
_UNIT = optional(UNIT)
_ATTEMPTS = 100


class ExperimentRepository(ExperimentOutcomes):
    """A tenant's experiments, who was assigned which variant, and what became of them.

    Unique: the name. Deleting an experiment deletes its assignments and outcomes. `flow_id` is not
    checked against existing flows. Assignments and outcomes are measurements: they raise no
    revision and leave no trace in the audit trail. What `Experiment.edited` refuses once an
    experiment was started isn't checked by `update`, which may store any whole entity that the
    lifecycle allows.
    """

    schema = EXPERIMENT_SCHEMA

    async def get_by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, or None; by index."""
        page = await self.scan(self.where("name").eq(name), limit=1)
        return page.items[0] if page.items else None

    async def running_for(self, flow_id: UUID, limit: int = 50) -> tuple[Experiment, ...]:
        """At most `limit` running experiments of a flow, those that began first, first; by index.

        One whose `ends_at` has passed is among them: it assigns nobody more, and who was assigned
        keeps the variant.
        """
        running = self.where("status").eq(ExperimentStatus.RUNNING)
        page = await self.scan(
            self.where("flow_id").eq(flow_id) & running, "starts_at", limit=limit
        )
        return page.items

    # Its life. One that is in that status already is returned as it is, unchanged.

    async def start(self, id: UUID, *, expected_revision: int | None = None) -> Experiment:
        """Begin, as `Experiment.start` says.

        Raises:
            ValidationError: if it is neither a draft nor running, or `ends_at` has passed.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        now = self._context.clock.now()
        return await self._move(
            id, ExperimentStatus.RUNNING, lambda it: it.start(at=now), expected_revision
        )

    async def pause(self, id: UUID, *, expected_revision: int | None = None) -> Experiment:
        """Assign nobody more for a while. Units that were assigned keep their variants.

        An `assign` that is under way meanwhile may come first.

        Raises:
            TransitionNotAllowedError: if it is a draft, or over.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        return await self._move(
            id, ExperimentStatus.PAUSED, lambda it: it.pause(), expected_revision
        )

    async def resume(self, id: UUID, *, expected_revision: int | None = None) -> Experiment:
        """Go on after a pause.

        Raises:
            ValidationError: if it is neither paused nor running.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        return await self._move(
            id, ExperimentStatus.RUNNING, lambda it: it.resume(), expected_revision
        )

    async def complete(self, id: UUID, *, expected_revision: int | None = None) -> Experiment:
        """End it, as `Experiment.complete` says: its figures stand still from now on.

        Raises:
            TransitionNotAllowedError: if it was never started, or is cancelled.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        now = self._context.clock.now()
        return await self._move(
            id, ExperimentStatus.COMPLETED, lambda it: it.complete(at=now), expected_revision
        )

    async def cancel(self, id: UUID, *, expected_revision: int | None = None) -> Experiment:
        """Give it up, as `Experiment.cancel` says.

        Raises:
            TransitionNotAllowedError: if it is completed.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        now = self._context.clock.now()
        return await self._move(
            id, ExperimentStatus.CANCELLED, lambda it: it.cancel(at=now), expected_revision
        )

    async def _move(
        self,
        id: UUID,
        status: ExperimentStatus,
        change: Callable[[Experiment], Experiment],
        expected_revision: int | None,
    ) -> Experiment:
        return await self.modify(
            id, lambda it: it if it.status is status else change(it), expected_revision
        )

    # Who gets what.

    async def assign(self, id: UUID, unit: str) -> ExperimentAssignment | None:
        """The unit's variant: the one that it was assigned first, or else what its draw gives it
        (`domain.bucketing`), kept from now on.

        Sticky: whatever becomes of weights, traffic, status and times, a unit that has a variant
        keeps it. Concurrent first assignments of a unit agree. None, and nothing is kept, if it has
        none yet and isn't part of the traffic, or the experiment isn't running or lies outside of
        `starts_at` and `ends_at`.

        One round trip if it has one, or gets none; else two (more only if others come between). It
        may be repeated without harm.

        Raises:
            EntityNotFoundError: if there is no such experiment.
            ValidationError: for a unit that isn't 1 to 256 characters without control characters.
            TransactionError: after 100 attempts in which the experiment changed each time.
        """
        checked_id, who = self.schema.check_id(id), checked_unit(unit)
        lost = 0
        while True:
            found = await self._allotted(checked_id, who)
            if isinstance(found, ExperimentAssignment):
                return found
            now = checked(ExperimentAssignment, "assigned_at", self._context.clock.now())
            variant = found.variant_for(who) if found.is_open(now) else None
            if variant is None:
                return None
            await self._context.gate.admit(self._context.tenant, (UserId(who),))
            made = ExperimentAssignment(
                tenant_id=self._context.tenant,
                experiment_id=checked_id,
                unit=who,
                variant=variant,
                assigned_at=now,
            )
            if await self._keep(made, found.revision):
                return made
            lost += 1
            if lost >= _ATTEMPTS:
                raise TransactionError("the experiment changed whenever a unit was to be assigned")
            await back_off(lost)

    async def assignment_of(self, id: UUID, unit: str) -> ExperimentAssignment | None:
        """The variant that the unit was assigned, or None; nothing is assigned.

        Raises:
            EntityNotFoundError: if there is no such experiment.
        """
        found = await self._allotted(self.schema.check_id(id), checked_unit(unit))
        return found if isinstance(found, ExperimentAssignment) else None

    async def assignments(
        self, id: UUID, after: str | None = None, limit: int = 50
    ) -> CursorPage[ExperimentAssignment]:
        """At most `limit` (1 to 1000) assignments by unit (code point), those after the unit
        `after`; `next` is where to go on. Any page costs what the first does. Empty without an
        experiment.
        """
        size = check_limit(limit)
        start: str | None = argument("Experiment", "after", after, _UNIT)
        items = await self._assignments(self.schema.check_id(id), start, size + 1)
        more = len(items) > size
        return CursorPage(items=tuple(items[:size]), next=items[size - 1].unit if more else None)

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        """The unit's assignment, or how it would be assigned; in one round trip.

        Raises:
            EntityNotFoundError: if there is no such experiment.
        """

    @abstractmethod
    async def _keep(self, assignment: ExperimentAssignment, revision: int) -> bool:
        """Store it if the unit has none and the experiment is at that revision, in one step;
        whether it was."""

    @abstractmethod
    async def _assignments(
        self, id: UUID, after: str | None, limit: int
    ) -> Sequence[ExperimentAssignment]: ...
