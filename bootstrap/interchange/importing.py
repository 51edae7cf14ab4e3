"""Bringing records in, whatever they become: lines, batches, refusals, the report."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import IO, Any, ClassVar, Generic, TypeVar

import attrs

from bootstrap.interchange.lines import (
    MAX_LINE_BYTES,
    RefusedError,
    count_lines,
    json_object_of,
    lines_of,
)
from ports.stores import TenantScope

Progress = Callable[[int, int], None]
"""Is told how many lines of how many are done."""


def no_progress(done: int, total: int) -> None:
    """For nobody."""


@attrs.frozen
class Refusal:
    """A line that didn't come in, and why."""

    line: int
    reason: str


@attrs.frozen
class ImportReport:
    """What became of a file. Every line that isn't blank is counted once."""

    imported: int
    unchanged: int
    refused: tuple[Refusal, ...]


@attrs.frozen(kw_only=True)
class Candidate(ABC):
    """A record that could come in. `parts`: how many entries it brings along."""

    line: int
    parts: int = 0

    @property
    @abstractmethod
    def key(self) -> object:
        """What a second record with the same would collide in."""


C = TypeVar("C", bound=Candidate)


class Import(ABC, Generic[C]):
    """A file on its way into a tenant, in the order of its lines, batch by batch.

    A batch is settled before the next begins, so whoever is killed leaves whole batches behind,
    and possibly some of one. Memory for one batch.
    """

    max_line_bytes: ClassVar[int] = MAX_LINE_BYTES
    batch_records: ClassVar[int] = 100
    batch_parts: ClassVar[int] = 2_000
    batch_bytes: ClassVar[int] = 4 * 1024 * 1024
    """What a batch holds at most; a record that is larger is a batch by itself."""

    def __init__(self, scope: TenantScope) -> None:
        self.scope = scope
        self.imported = 0
        self.unchanged = 0
        self._refused: list[Refusal] = []

    @abstractmethod
    def candidate(self, line: int, record: dict[str, Any], created: datetime) -> C:
        """What the record on a line becomes, created then.

        Raises:
            RefusedError: saying all that is wrong with the record.
        """

    @abstractmethod
    async def settle(self, batch: list[C]) -> None:
        """Store, count or refuse each; their keys differ."""

    def refuse(self, line: int, reason: str) -> None:
        """Report a line that can't come in."""
        self._refused.append(Refusal(line, reason))

    async def run(self, file: IO[bytes], at: datetime, progress: Progress) -> ImportReport:
        """Read the file from its beginning to its end.

        A record is created at `at` less a millisecond for every line after it: the order of the
        file is the order of creation, and nothing is created in the future.
        """
        total = count_lines(file)
        batch: dict[object, C] = {}
        parts = size = done = 0
        progress(0, total)
        try:
            for line in lines_of(file, self.max_line_bytes):
                done = line.number
                if line.content is not None and not line.content.strip():
                    continue
                try:
                    created = at - timedelta(milliseconds=max(total - line.number, 0))
                    one = self.candidate(line.number, json_object_of(line), created)
                except RefusedError as refused:
                    self.refuse(line.number, str(refused))
                    continue
                length = len(line.content or b"")
                if (
                    one.key in batch
                    or len(batch) >= self.batch_records
                    or (batch and parts + one.parts > self.batch_parts)
                    or (batch and size + length > self.batch_bytes)
                ):
                    await self.settle(list(batch.values()))
                    progress(line.number - 1, total)
                    batch, parts, size = {}, 0, 0
                batch[one.key] = one
                parts += one.parts
                size += length
        except RefusedError as broken:
            self.refuse(done + 1, str(broken))
        if batch:
            await self.settle(list(batch.values()))
        progress(total, total)
        in_order = sorted(self._refused, key=lambda refusal: refusal.line)
        return ImportReport(self.imported, self.unchanged, tuple(in_order))
