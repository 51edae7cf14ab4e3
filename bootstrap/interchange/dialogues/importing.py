"""Bringing dialogues in: idempotent, resumable, and with a reason for all that is refused."""

import asyncio
import random
from datetime import datetime
from time import monotonic
from typing import IO, Any, ClassVar, Final

import attrs

from bootstrap.interchange.dialogues.reading import dialogues_of
from bootstrap.interchange.dialogues.records import Dialogue, dialogue_of, same_content
from bootstrap.interchange.importing import (
    Candidate,
    Import,
    ImportReport,
    Progress,
    no_progress,
)
from ports.errors import OutcomeUnknownError, RepositoryError, TransactionError
from ports.stores import TenantScope

PATIENCE_SECONDS: Final = 180.0
"""How long others are waited for who store the same. MongoDB doesn't notice that one of them was
killed: what it had begun is held until its transaction is too old, 60 s by default, and is then
ended by a job that comes by every 30 s (`transactionLifetimeLimitSeconds`)."""

_OTHER: Final = "a conversation of this id is stored with other content; it was left as it is"


async def import_dialogues(
    scope: TenantScope, file: IO[bytes], *, at: datetime, progress: Progress = no_progress
) -> ImportReport:
    """Store the dialogues of a file that the tenant doesn't have yet, in the order of the file.

    A conversation and all of its messages are stored in one step, so that one which is there is
    complete. Killed at any moment and run again, or run by several at once, it completes with the
    same result; after a kill it may have to wait for what was begun (see `PATIENCE_SECONDS`). A
    record whose conversation is there with the same content is `unchanged`; with
    other content it is refused, and never overwritten.

    `created_at` is a millisecond apart from line to line and `at` for the last one. Batches of at
    most 100 records, 2 000 turns and 4 MB (a larger record is one by itself) are each one unit of
    work: two round trips beside its end. What is there already is read, to be compared.

    Raises:
        RepositoryError: if the store can't go on; what was stored stays, and a new run goes on.
    """
    return await _DialogueImport(scope).run(file, at, progress)


@attrs.frozen(kw_only=True)
class _Candidate(Candidate):
    dialogue: Dialogue

    @property
    def key(self) -> object:
        return self.dialogue.conversation.id


class _DialogueImport(Import[_Candidate]):
    max_line_bytes: ClassVar[int] = 64 * 1024 * 1024
    """A line is read whole, and a dialogue has any number of turns."""

    def candidate(self, line: int, record: dict[str, Any], created: datetime) -> _Candidate:
        dialogue = dialogue_of(record, tenant=self.scope.tenant, at=created)
        return _Candidate(line=line, parts=len(dialogue.messages), dialogue=dialogue)

    async def settle(self, batch: list[_Candidate]) -> None:
        new = await self._unknown(batch)
        attempt = 0
        given_up = monotonic() + PATIENCE_SECONDS
        while new:
            try:
                await self._store(new)
            except OutcomeUnknownError:
                pass
            except TransactionError:  # another writes some of the same
                if monotonic() > given_up:
                    break
                await _stand_back(attempt)
            except RepositoryError as error:
                if error.retryable:
                    raise
                left = await self._unknown(new)
                if len(left) == len(new):  # it wasn't that another stored some of them
                    await self._store_one_by_one(new, error)
                    return
                new = left
                continue
            else:
                self.imported += len(new)
                return
            attempt += 1
            new = await self._unknown(new)
        for one in new:
            self.refuse(one.line, "another importer holds it and doesn't end; import it again")

    async def _store(self, candidates: list[_Candidate]) -> None:
        async with self.scope.dialogue() as work:
            await work.conversations.create_many(one.dialogue.conversation for one in candidates)
            await work.messages.restore(
                message for one in candidates for message in one.dialogue.messages
            )

    async def _store_one_by_one(self, candidates: list[_Candidate], error: RepositoryError) -> None:
        """One of them, or all together, can't be stored: so it is found which."""
        if len(candidates) == 1:
            self.refuse(candidates[0].line, str(error))
            return
        for one in candidates:
            await self.settle([one])

    async def _unknown(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Those that aren't stored yet; the others are compared with what is."""
        conversations = self.scope.conversations
        found = {one.id: one for one in await conversations.get_many(c.key for c in candidates)}
        known = [one for one in candidates if one.key in found]
        alike = [
            found[one.dialogue.conversation.id]
            for one in known
            if found[one.dialogue.conversation.id].last_sequence == one.parts
        ]
        stored = {one.conversation.id: one for one in await dialogues_of(self.scope, alike)}
        for one in known:
            other = stored.get(one.dialogue.conversation.id)
            if other is not None and same_content(one.dialogue, other):
                self.unchanged += 1
            else:
                self.refuse(one.line, _OTHER)
        return [one for one in candidates if one.key not in found]


async def _stand_back(attempt: int) -> None:
    """Wait before trying again: full jitter, a second at most."""
    await asyncio.sleep(random.uniform(0, 0.001 * 2 ** min(attempt, 10)))
