"""The eighth chapter, told in two parts, since it takes a while: a user is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.erasing import Step as ErasureStep
from bootstrap.platform import Platform
from domain.analytics import AnalyticsEvent
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.experiments import Experiment, Variant
from domain.identity import UserId, tenant_id
from domain.messages import Message
from domain.rates import calendar_window
from domain.receipts import Erasure, Receipt
from ports.errors import ErasedError

_ZOE: Final = UserId("zoe")
_TALK: Final = "live/zoe"
_EXPERIMENT: Final = "A green button"
_QUOTA: Final = calendar_window(100, "day")


class ForgettingChapter:
    """What becomes of Zoe's data. Others have their say between its two parts; `close` it."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self._platform = platform
        self._tenant = tenant_id(tenant)
        self._acme = platform.for_tenant(tenant, actor="ada")
        self._experiment: UUID | None = None
        self._erasure: asyncio.Task[Erasure] | None = None

    def first(self) -> Sequence[Scene]:
        """In which it begins."""
        return (self._begin,)

    def last(self) -> Sequence[Scene]:
        """In which it has come to its end."""
        return (self._end,)

    async def close(self) -> None:
        """Leave off, if it hasn't come to its end; then `dialogbase erase resume` goes on."""
        if self._erasure is not None:
            self._erasure.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._erasure

    async def _live(self) -> None:
        """What Zoe leaves in all stores."""
        acme = self._acme
        await acme.conversations.create(Conversation.draft(id=_TALK, user_id=_ZOE))
        said = [Message.draft("I'm Zoe, of 7 Elm Street.", sender=_ZOE)]
        await acme.messages.append(_TALK, [*said, Message.draft("Hello!", direction="outbound")])
        await acme.contexts.save(ExecutionContext.draft(_TALK, user_id=_ZOE))
        await acme.executions.save(ExecutionState.draft(_TALK, current_state="greeted"))
        await acme.sessions.create(_ZOE, conversation_id=_TALK)
        await acme.rate_limits.acquire(f"user:{_ZOE}", _QUOTA)
        await acme.cache.set("zoe's orders", ["a kettle"], tags=[f"user:{_ZOE}"])
        for n in range(3):
            await acme.analytics.record(self._event(f"zoe-{n}"))
        drafted = Experiment.draft(
            name=_EXPERIMENT,
            variants=[
                Variant(name="blue", weight=5_000, is_control=True),
                Variant(name="green", weight=5_000),
            ],
            metrics=["click"],
        )
        made = await acme.experiments.start((await acme.experiments.create(drafted)).id)
        await acme.experiments.assign(made.id, _ZOE)
        await acme.experiments.record_outcome(made.id, _ZOE, "click")
        self._experiment = made.id

    def _event(self, id: str) -> Any:
        return AnalyticsEvent.draft("click", id=id, user_id=_ZOE, channel="web")

    async def _begin(self) -> Step:
        await self._live()
        found = await self._found()
        began = asyncio.get_running_loop().create_future()

        def told(step: ErasureStep) -> None:
            if not began.done():
                began.set_result(step.steps)

        maintenance = self._platform.maintenance
        self._erasure = asyncio.create_task(
            maintenance.erase_user(self._tenant, _ZOE, told=told), name="erasure"
        )
        await asyncio.wait([began, self._erasure], return_when=asyncio.FIRST_COMPLETED)
        if not began.done():
            await self._erasure  # which failed
        late, words = await self._late()
        refused = sum(answer == "refused" for answer in late.values())
        return Step(
            title="A user asks to be forgotten",
            says=f"Zoe has {_listed(found)}; and she asks for all of it to be erased. First a "
            "tombstone goes up in every store: whoever comes late with something of hers, "
            f"{refused} of {len(late)}, is refused. Then it is swept, and what other processes had "
            "begun before has time to end. That takes longer than we like to wait: let us see what "
            "else happens meanwhile.",
            table=Table(columns=("comes late", "and is"), rows=tuple(late.items())),
            quotes=words,
            figures={"found": found, "late": len(late), "refused": refused},
        )

    async def _late(self) -> tuple[dict[str, Cell], tuple[str, ...]]:
        """What becomes of writes that concern Zoe, and what those are told who make them."""
        acme = self._acme
        drafted = Conversation.draft(user_id=_ZOE)
        writes: dict[str, Callable[[], Awaitable[object]]] = {
            "a message from a queue": lambda: acme.conversations.create(drafted),
            "a log-in on her tablet": lambda: acme.sessions.create(_ZOE),
            "a click that was on its way": lambda: acme.analytics.record(self._event("zoe-late")),
            "a click in an experiment": self._clicked,
        }
        answers: dict[str, Cell] = {}
        words: list[str] = []
        for what, write in writes.items():
            try:
                await write()
                answers[what] = "WRITTEN"
            except ErasedError as error:
                answers[what] = "refused"
                words.append(str(error))
        return answers, tuple(dict.fromkeys(words))

    async def _clicked(self) -> object:
        assert self._experiment is not None
        return await self._acme.experiments.record_outcome(self._experiment, _ZOE, "click")

    async def _found(self) -> dict[str, int]:
        """How much of hers is found."""
        acme = self._acme
        assert self._experiment is not None
        assigned = await acme.experiments.assignment_of(self._experiment, _ZOE)
        return {
            "conversations": await acme.conversations.count({"user_id": _ZOE}),
            "messages": len((await acme.messages.search("Elm")).items),
            "contexts": int(await acme.contexts.get(_TALK) is not None),
            "sessions": len(await acme.sessions.for_user(_ZOE)),
            "execution states": int(await acme.executions.get(_TALK) is not None),
            "events": len((await acme.analytics.scan({"user_id": _ZOE})).items),
            "assignments": int(assigned is not None),
        }

    async def _end(self) -> Step:
        assert self._erasure is not None
        erasure = await self._erasure
        assert erasure.finished_at is not None
        took = (erasure.finished_at - erasure.began_at).total_seconds()
        found = sum((await self._found()).values())
        late, _ = await self._late()
        refused = sum(answer == "refused" for answer in late.values())
        maintenance = self._platform.maintenance
        (tombstone,) = [one async for one in maintenance.erasures.standing(self._tenant)]
        anonymous = tombstone.user_id is None and tombstone.user_hash is not None
        others = await self._acme.conversations.count({"user_id": "ella"})
        chosen = vars(self._platform.settings.stores)
        alone = not self._platform.settings.servers_needed
        return Step(
            title="Forgotten",
            says=f"Zoe's erasure took {took:.1f} s"
            f"{', as nobody else can be at work in memory,' if alone else ''} and has a receipt "
            f"of each store. Of hers, {found or 'nothing'} is found; of those who come late "
            f"{refused} of {len(late)} are refused, until {erasure.until:%Y-%m-%d}. The tombstone "
            f"itself knows {'a hash of her name' if anonymous else 'HER NAME'}:",
            quotes=(f"{str(tombstone.user_hash)[:32]}…",),
            table=Table(
                columns=("store", "in", "what went"),
                rows=tuple(
                    (each.store, chosen[each.store], _gone(each)) for each in erasure.receipts
                ),
            ),
            figures={
                "erased": {each.store: dict(each.erased) for each in erasure.receipts},
                "finished": all(each.finished_at is not None for each in erasure.receipts),
                "found": found,
                "late": len(late),
                "refused": refused,
                "anonymous": anonymous,
                "ellas": others,
            },
        )


def _listed(found: dict[str, int]) -> str:
    *most, last = (f"{n} {what if n != 1 else what[:-1]}" for what, n in found.items())
    return f"{', '.join(most)} and {last}"


def _gone(receipt: Receipt) -> str:
    told = [f"{what.replace('_', ' ')}: {n}" for what, n in sorted(receipt.erased.items())]
    return ", ".join(told) or "nothing"
