"""Bringing flows in: idempotent, resumable, and with a reason for everything that is refused."""

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import IO, Any, Final

import attrs

from bootstrap.interchange.flows.records import flow_of, same_content
from bootstrap.interchange.importing import (
    Candidate,
    Import,
    ImportReport,
    Progress,
    no_progress,
)
from domain.flows import Flow
from ports.errors import DuplicateEntityError, OutcomeUnknownError, RepositoryError
from ports.stores import TenantScope

_ATTEMPTS: Final = 100


async def import_flows(
    scope: TenantScope, file: IO[bytes], *, at: datetime, progress: Progress = no_progress
) -> ImportReport:
    """Store the flows of a file that the tenant doesn't have yet, in the order of the file.

    Killed at any moment and run again, it completes with the same result. A record whose flow is
    there with the same content is `unchanged`; with other content it is refused, and never
    overwritten. The k-th flow of a name without a version of its own gets the lowest free one of
    1.0, 2.0, …; the name is taken to the letter.

    `created_at` is a millisecond apart from line to line and `at` for the last one: the order of
    the file is the order of creation, and nothing is created in the future. Batches of at most
    100 records are each stored at once; two or three round trips a batch.

    Raises:
        RepositoryError: if the store can't go on; what was stored stays, and a new run goes on.
    """
    return await _FlowImport(scope).run(file, at, progress)


@attrs.frozen(kw_only=True)
class _Candidate(Candidate):
    """Unless the record names its version, one is found for it."""

    flow: Flow
    names_version: bool

    @property
    def key(self) -> object:
        return self.flow.id


class _FlowImport(Import[_Candidate]):
    def candidate(self, line: int, record: dict[str, Any], created: datetime) -> _Candidate:
        flow = flow_of(record, tenant=self.scope.tenant, at=created)
        return _Candidate(line=line, flow=flow, names_version=record.get("version") is not None)

    async def settle(self, batch: list[_Candidate]) -> None:
        found_flows = await self.scope.flows.get_many(candidate.flow.id for candidate in batch)
        stored = {flow.id: flow for flow in found_flows}
        new: list[_Candidate] = []
        for candidate in batch:
            if found := stored.get(candidate.flow.id):
                self._compare(candidate, found)
            else:
                new.append(candidate)
        try:
            await self.scope.flows.create_many(await self._versioned(new))
        except RepositoryError as error:
            if error.retryable:
                raise
            for candidate in new:
                await self._settle_alone(candidate)
        else:
            self.imported += len(new)

    async def _settle_alone(self, candidate: _Candidate) -> None:
        """One that another in its batch, or another writer, got into trouble."""
        for _ in range(_ATTEMPTS):
            if found := await self.scope.flows.get_by_id(candidate.flow.id):
                self._compare(candidate, found)
                return
            try:
                await self.scope.flows.create_many(await self._versioned([candidate]))
            except OutcomeUnknownError:
                continue
            except DuplicateEntityError as error:
                if candidate.names_version and error.key == ("name", "version"):
                    self.refuse(candidate.line, str(error))
                    return
            except RepositoryError as error:
                if error.retryable:
                    raise
                self.refuse(candidate.line, str(error))
                return
            else:
                self.imported += 1
                return
        self.refuse(candidate.line, "lost to other writers each time; import it again")

    def _compare(self, candidate: _Candidate, found: Flow) -> None:
        if same_content(candidate.flow, found, but_version=not candidate.names_version):
            self.unchanged += 1
        else:
            self.refuse(
                candidate.line,
                "a flow of this id is stored with other content; it was left as it is",
            )

    async def _versioned(self, candidates: list[_Candidate]) -> list[Flow]:
        """Their flows, with versions. Only what stands before a record has a say in its version:
        where batches end, and where an earlier run was killed, makes no difference.
        """
        names = {one.flow.name for one in candidates if not one.names_version}
        taken = await self._versions_taken(names) if names else {}
        flows: list[Flow] = []
        for one in candidates:
            flow, versions = one.flow, taken.setdefault(one.flow.name, set())
            if not one.names_version:
                free = next(f"{n}.0" for n in count(1) if f"{n}.0" not in versions)
                flow = attrs.evolve(flow, version=free)
            versions.add(flow.version)
            flows.append(flow)
        return flows

    async def _versions_taken(self, names: Iterable[str]) -> dict[str, set[str]]:
        flows = self.scope.flows
        taken: dict[str, set[str]] = {name: set() for name in names}
        criteria = flows.where("name").in_(list(taken))
        after: str | None = None
        while True:
            page = await flows.summaries(criteria, after=after, limit=1_000)
            for summary in page.items:
                taken[summary.name].add(summary.version)
            after = page.next
            if after is None:
                return taken
