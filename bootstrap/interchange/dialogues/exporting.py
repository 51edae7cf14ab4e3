"""Taking dialogues out."""

from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

import orjson

from bootstrap.interchange.dialogues.reading import dialogues_of
from bootstrap.interchange.dialogues.records import Rendering, record_of
from domain.conversations import Conversation
from ports.stores import TenantScope

PAGE: Final = 100
PAGE_MESSAGES: Final = 1_000
"""Conversations, and messages, that are read together and held in memory."""

_SPOOL_BYTES: Final = 4 * 1024 * 1024


async def export_dialogues(scope: TenantScope, file: IO[bytes]) -> int:
    """Write all the tenant's conversations with their messages, a line each, in the order in which
    they started; how many there were.

    In constant memory, however many there are and however long. A conversation that comes or goes
    meanwhile may be missing or there; every other one is there once, with the messages that it had
    when it was read.
    """
    count = messages = 0
    page: list[Conversation] = []
    async for conversation in scope.conversations.stream(order="started_at"):
        if len(page) >= PAGE or (page and messages + conversation.last_sequence > PAGE_MESSAGES):
            count += await _write(scope, page, file)
            page, messages = [], 0
        page.append(conversation)
        messages += conversation.last_sequence
    return count + await _write(scope, page, file)


async def _write(scope: TenantScope, page: list[Conversation], file: IO[bytes]) -> int:
    if len(page) == 1 and page[0].last_sequence > PAGE_MESSAGES:
        return await _write_long(scope, page[0], file)
    count = 0
    for dialogue in await dialogues_of(scope, page):
        conversation = dialogue.conversation
        if await _is_there(scope, conversation, len(dialogue.messages)):
            file.write(orjson.dumps(record_of(dialogue), option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


async def _write_long(scope: TenantScope, conversation: Conversation, file: IO[bytes]) -> int:
    """One whose messages don't fit into memory; beside the file first, should it go meanwhile."""
    rendering = Rendering(conversation)
    count = 0
    with SpooledTemporaryFile(_SPOOL_BYTES) as beside:
        beside.write(_opened(rendering.head) + b'"turns":[')
        async for message in scope.messages.stream_history(conversation.id):
            beside.write(b"," if count else b"")
            beside.write(orjson.dumps(rendering.turn(message)))
            count += 1
            if message.sequence >= conversation.last_sequence:
                break
        tail = rendering.tail()
        beside.write(b"]," + orjson.dumps(tail)[1:] if tail else b"]}")
        if not await _is_there(scope, conversation, count):
            return 0
        beside.write(b"\n")
        beside.seek(0)
        copyfileobj(beside, file)
    return 1


def _opened(head: dict[str, Any]) -> bytes:
    """An object that isn't closed yet."""
    return orjson.dumps(head)[:-1] + b","


async def _is_there(scope: TenantScope, conversation: Conversation, messages: int) -> bool:
    """Whether it is still there; asked only if it lacks messages."""
    if messages >= conversation.last_sequence:
        return True
    return await scope.conversations.exists(conversation.id)
