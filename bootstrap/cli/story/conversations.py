"""The second chapter: what the shop's customers say."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import Final

from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.interchange import export_dialogues, import_dialogues, opened_file
from bootstrap.platform import Platform
from bootstrap.samples import DIALOGUES
from domain.conversations import Conversation
from domain.errors import TransitionNotAllowedError, ValidationError
from domain.messages import Message
from ports.errors import IdempotencyKeyReusedError

_LIVE: Final = "live/ella"
_SPEAKERS: Final = 8
_EACH: Final = 5
_PAGE: Final = 16
_IDLE: Final = timedelta(minutes=30)


class ConversationChapter:
    """What is done with the shop's conversations."""

    def __init__(self, platform: Platform, tenant: str, now: datetime) -> None:
        self._now = now
        self._acme = platform.for_tenant(tenant)

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return (
            self._import,
            self._append_once,
            self._append_together,
            self._turn_pages,
            self._search,
            self._refuse_transition,
            self._close_idle,
            self._redact,
        )

    async def _import(self) -> Step:
        with opened_file(DIALOGUES) as file:
            first = await import_dialogues(self._acme, file, at=self._now)
            again = await import_dialogues(self._acme, file, at=self._now)
        exported = BytesIO()
        await export_dialogues(self._acme, exported)
        lines = exported.getvalue().splitlines()
        equal = sorted(lines) == sorted(DIALOGUES.read_bytes().splitlines())
        conversations = [one async for one in self._acme.conversations.stream(order="started_at")]
        messages = sum(one.message_count for one in conversations)
        return Step(
            title="Dialogues come in",
            says=f"{first.imported} conversations with {messages} messages, had elsewhere, come in "
            f"from JSON Lines: each whole, or not at all. Once more: {again.imported} imported, "
            f"{again.unchanged} unchanged. An export gives the same lines back"
            f"{'' if equal else ' NOT'}, to the byte.",
            table=Table(
                columns=("conversation", "user", "channel", "began", "messages", "status"),
                rows=tuple(
                    (
                        one.id,
                        one.user_id,
                        one.channel.value,
                        f"{one.started_at:%Y-%m-%d %H:%M}",
                        one.message_count,
                        one.status.value,
                    )
                    for one in conversations
                ),
            ),
            figures={
                "imported": first.imported,
                "messages": messages,
                "unchanged_on_second_run": again.unchanged,
                "exported_equal": equal,
            },
        )

    async def _append_once(self) -> Step:
        talk = await self._acme.conversations.create(
            Conversation.draft(id=_LIVE, user_id="ella", channel="web")
        )
        order = [Message.draft("Two blue kettles, please.", sender="ella")]
        messages = self._acme.messages
        (first,) = await messages.append(talk.id, order, idempotency_key="order-1")
        (again,) = await messages.append(talk.id, order, idempotency_key="order-1")
        other = [Message.draft("Three blue kettles, please.", sender="ella")]
        try:
            await messages.append(talk.id, other, idempotency_key="order-1")
            told = "nothing at all"
        except IdempotencyKeyReusedError as refused:
            told = str(refused)
        kept = (await self._acme.conversations.require(talk.id)).message_count
        return Step(
            title="Said twice, kept once",
            says="Ella orders, the answer gets lost on the way, and her browser sends the order "
            f"again under the same idempotency key. It gets message {again.sequence} again, "
            f"{'the same one' if again == first else 'ANOTHER ONE'}; the conversation holds {kept}."
            " Something else under that key is refused:",
            quotes=(told,),
            figures={"same": again == first, "kept": kept, "told": told},
        )

    async def _append_together(self) -> Step:
        async def speak(name: str) -> None:
            for n in range(_EACH):
                await self._acme.messages.append(
                    _LIVE, [Message.draft(f"{name} says {n + 1}", sender=name)]
                )

        before = (await self._acme.conversations.require(_LIVE)).last_sequence
        names = [f"guest {letter}" for letter in "ABCDEFGH"[:_SPEAKERS]]
        await asyncio.gather(*map(speak, names))
        said = [one async for one in self._acme.messages.stream_history(_LIVE, after=before)]
        numbers = [one.sequence for one in said]
        gapless = numbers == list(range(before + 1, before + 1 + _SPEAKERS * _EACH))
        own_order = all(
            [one.text for one in said if one.sender == name]
            == [f"{name} says {n + 1}" for n in range(_EACH)]
            for name in names
        )
        return Step(
            title="All at once",
            says=f"{_SPEAKERS} people talk into one conversation at the same time, {_EACH} messages"
            f" each. All {len(said)} are kept, numbered {numbers[0]} to {numbers[-1]} "
            f"{'without a gap' if gapless else 'WITH GAPS'}; everybody's own stand in "
            f"{'the order in which they were said' if own_order else 'DISORDER'}. The first ten: "
            f"{', '.join(str(one.sender)[-1] for one in said[:10])}.",
            figures={"appended": len(said), "gapless": gapless, "own_order": own_order},
        )

    async def _turn_pages(self) -> Step:
        rows: list[tuple[Cell, ...]] = []
        before: int | None = (await self._acme.messages.latest(_LIVE, 1))[0].sequence + 1
        while before is not None:
            page = await self._acme.messages.history(_LIVE, before=before, limit=_PAGE)
            first, last = page.items[0].sequence, page.items[-1].sequence
            rows.append((f"before {before}", len(page.items), f"{first} to {last}"))
            before = first if page.has_more else None
        return Step(
            title="Turning pages back",
            says=f"A chat window shows the latest {_PAGE} messages and reads on as one scrolls up. "
            "A page goes by a message's number, so what is said meanwhile moves nothing, and the "
            "last page costs what the first does.",
            table=Table(columns=("asked for", "messages", "got"), rows=tuple(rows)),
            figures={"pages": len(rows)},
        )

    async def _search(self) -> Step:
        rows: list[tuple[Cell, ...]] = []
        found: dict[str, int] = {}
        for text in ("order num", "REFUND", "ｋｅｔｔｌｅ", "酒店", "地址", "ettle"):
            page = await self._acme.messages.search(text)
            found[text] = len(page.items)
            shown = page.items[0].text if page.items else None
            rows.append((text, len(page.items), shown))
        return Step(
            title="Search what was said",
            says="Every term must begin a word, in any case and form; Chinese is found by its "
            "characters, though nothing stands between its words. “ettle” begins none.",
            table=Table(columns=("searched for", "found", "the newest of them"), rows=tuple(rows)),
            figures={"found": found},
        )

    async def _refuse_transition(self) -> Step:
        told: list[str] = []
        conversations = self._acme.conversations
        before = await conversations.require("samples/return")
        try:
            await conversations.transition(before.id, "active", reason="Bob wants to add a word")
        except TransitionNotAllowedError as refused:
            told.append(str(refused))
        try:
            await self._acme.messages.append(before.id, [Message.draft("One more thing")])
        except ValidationError as refused:
            told.append(str(refused))
        unchanged = await conversations.require(before.id) == before
        return Step(
            title="What is over is over",
            says="Bob would like to say one more thing in a conversation that was completed. It is "
            f"{'as it was' if unchanged else 'CHANGED'}.",
            quotes=tuple(told),
            figures={"refused": len(told), "unchanged": unchanged},
        )

    async def _close_idle(self) -> Step:
        conversations = self._acme.conversations
        active = await conversations.count({"status": "active"})
        closed = await conversations.close_idle(self._now - _IDLE)
        silent = await conversations.require("samples/fell-silent")
        live = await conversations.require(_LIVE)
        return Step(
            title="Fallen silent",
            says=f"{active} conversations are active. Liam has said nothing since "
            f"{silent.last_activity_at:%Y-%m-%d %H:%M}. What was silent for half an hour is closed:"
            f" {closed}. Liam's is {silent.status.value} (“{silent.status_reason}”), Ella's is "
            f"{live.status.value}.",
            figures={
                "closed": closed,
                "silent": silent.status.value,
                "live": live.status.value,
            },
        )

    async def _redact(self) -> Step:
        messages, conversations = self._acme.messages, self._acme.conversations
        (said,) = await messages.append(
            _LIVE, [Message.draft("My card is 4111 1111 1111 1111", sender="ella")]
        )
        before = await conversations.require(_LIVE)
        found_before = len((await messages.search("4111")).items)
        redacted = await messages.redact(said.id)
        after = await conversations.require(_LIVE)
        found_after = len((await messages.search("4111")).items)
        return Step(
            title="Taken back",
            says="Ella types her card's number. The message is redacted: its content is gone for "
            f"good, and a search for it finds {found_after} messages instead of {found_before}. "
            f"Its place, number {redacted.sequence} of {after.last_sequence}, stays, so that no "
            f"reader loses count; {before.message_count} messages became {after.message_count}.",
            figures={
                "content": redacted.content.type.value,
                "text": redacted.text,
                "found_before": found_before,
                "found_after": found_after,
                "place_kept": redacted.sequence == said.sequence,
            },
        )
