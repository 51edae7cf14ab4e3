"""Erasing a user: what every store's maintenance promises of it.

| group | what goes |
| --- | --- |
| dialogue | the user's conversations with their messages (and what is remembered of appends), and every context that is of them or names the user |
| runtime | sessions; execution states, fencing tokens and notes of the conversations; limits whose key, and cached values with a tag, is `user:<id>` |
| analytics | events that name the user |
| authoring | assignments, outcomes and their keys of units that are the user's id; of calls made in the conversations all that they say (conversation, error, metadata), not that they were made |

Experiments so lose the units that go, with all that was recorded of them, in one step each: their
results are those of the units that are left, whether or not they are over. A call keeps its place,
time, latency and success, so that logs have no gaps; if its integration repeats its error as the
last one, that goes as well.

No execution state can be begun for an erased conversation for 90 days (`ErasedError`): who still
works on it knows its id, and a state names no user. That costs a small key for each conversation.
An event or message that names the user beside somebody else's conversation is not the user's; an
event that names a conversation alone says nothing of whom, once that is gone.
"""  # noqa: E501  # a table

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from domain.identity import DIALOGUE_ID, USER, TenantId, UserId, tenant_id
from domain.rules import argument, sequence
from ports.cache_entries import MAX_TAG
from ports.errors import EntityNotFoundError, UnsupportedOperationError
from ports.tombstones import Tombstones

ERASE_BATCH: Final = 500
"""Conversations in one batch of an erasure."""

_TAG: Final = "user:"

BeforeTheyGo: TypeAlias = Callable[[Sequence[str]], Awaitable[object]]
"""Is told of conversations that are about to be erased, by their ids; a second time if the erasure
is interrupted after it."""

_CONVERSATIONS: Final = sequence(DIALOGUE_ID, 10_000)


class Erasing(ABC):
    """The part of a store's maintenance that erases users.

    An erasure goes in batches, however much there is: interrupted at any point, it may be called
    again and goes on; when nothing is left it finds nothing. What is written meanwhile may stay,
    unless a tombstone refuses it (see `ports.tombstones`): an erasure buries nobody by itself.

    If a tombstone stands, what went is added to its receipt, batch by batch; in the same
    transaction where the store has such. Where it hasn't (Redis), a process that is killed between
    the two leaves a batch out of the receipt, never one in twice.
    """

    @property
    @abstractmethod
    def tombstones(self) -> Tombstones:
        """The tombstones of this store: who is erased, so that nothing is written for them."""

    @abstractmethod
    async def erase_user(self, tenant: TenantId, user: UserId) -> Mapping[str, int]:
        """Delete all that this store has of a tenant's user; how many went of what, without what
        there was none of.

        Raises:
            ValidationError: for what can't be a tenant's name or a user's id.
        """

    async def _stands(self, tenant: TenantId, user: UserId | None) -> bool:
        try:
            return await self.tombstones.find(tenant, user) is not None
        except UnsupportedOperationError:
            return False

    async def _noted(
        self, tenant: TenantId, user: UserId | None, gone: Mapping[str, int], noting: bool
    ) -> Mapping[str, int]:
        """What went, without what there was none of; added to the receipt if that is wanted."""
        there = added({}, gone)
        if noting and there:
            await added_to(self.tombstones, tenant, user, there)
        return there


class ErasingByUser(Erasing):
    """Of a store that finds what is a user's by their id alone."""

    async def erase_user(self, tenant: TenantId, user: UserId) -> Mapping[str, int]:
        named, who = tenant_id(tenant), _user(user)
        return await self._erase_user(named, who, await self._stands(named, who))

    @abstractmethod
    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        """As `erase_user`; `noting`: each batch is added to the receipt of their tombstone."""


class ErasingConversations(ErasingByUser):
    """Of a store that also has something of conversations which are kept in another."""

    async def erase_conversations(
        self, tenant: TenantId, user: UserId, conversations: Iterable[str]
    ) -> Mapping[str, int]:
        """Delete all that this store has of some conversations of a user who is being erased (at
        most 10 000); how many went of what.

        Called before the conversations go, since afterwards nobody knows whose they were.

        Raises:
            ValidationError: for what can't be such.
        """
        named, who = tenant_id(tenant), _user(user)
        ids = argument("maintenance", "conversations", tuple(conversations), _CONVERSATIONS)
        if not ids:
            return {}
        noting = await self._stands(named, who)
        return await self._erase_conversations(named, who, ids, noting)

    @abstractmethod
    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]: ...


class ErasingDialogues(Erasing):
    """Of the store of conversations: one by one, each told before it goes."""

    async def erase_user(
        self, tenant: TenantId, user: UserId, *, before: BeforeTheyGo | None = None
    ) -> Mapping[str, int]:
        """Delete a user's conversations, with all that belongs to them, and contexts; how many
        went of what.

        A conversation is its user's, with every message in it, whoever sent that. (What they wrote
        in somebody else's is that one's; `MessageRepository.redact` takes it out.) A context is the
        user's that it names, or its conversation's.

        `before` is told of each batch's conversations before they go, so that other stores can be
        rid of what they have of them; while it raises, they stay.

        Raises:
            ValidationError: for what can't be a tenant's name or a user's id.
        """
        named, who = tenant_id(tenant), _user(user)
        noting, gone = await self._stands(named, who), dict[str, int]()
        for find, erase in (
            (self._conversations_of, self._erase_dialogues),
            (self._contexts_of, self._erase_contexts),
        ):
            while ids := await find(named, who, ERASE_BATCH):
                if before is not None:
                    await before(ids)
                added(gone, await erase(named, who, ids, noting))
        return gone

    @abstractmethod
    async def _conversations_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        """Some of the user's conversations, at most so many; by index."""

    @abstractmethod
    async def _erase_dialogues(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        """Delete those that are still the user's, with messages and contexts, and note it with
        them: all of a conversation or nothing, but for very long ones.
        """

    @abstractmethod
    async def _contexts_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        """As `_conversations_of`, the conversations of which there is a context of the user's."""

    @abstractmethod
    async def _erase_contexts(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]: ...


async def added_to(
    tombstones: Tombstones, tenant: TenantId, user: UserId | None, gone: Mapping[str, int]
) -> None:
    """Add to the receipt what went; nothing happens if the tombstone was lifted meanwhile."""
    with suppress(EntityNotFoundError):
        await tombstones.note(tenant, user, gone)


def key_of(user: UserId) -> str:
    """The key by which an erasure finds what limits counted of a user: no other key, whatever it is
    called, is taken for somebody's.
    """
    return f"{_TAG}{user}"


def tag_of(user: UserId) -> str | None:
    """The tag by which an erasure finds a user's values in the cache; None if it would be longer
    than a tag may be.
    """
    tag = key_of(user)
    return tag if len(tag) <= MAX_TAG else None


def users_in(names: Iterable[str]) -> list[UserId]:
    """The users whose keys or tags are among these."""
    return [UserId(name.removeprefix(_TAG)) for name in names if name.startswith(_TAG)]


def added(counts: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """The counts with more of them; none of what there is none of."""
    for what, count in more.items():
        if count:
            counts[what] = counts.get(what, 0) + count
    return counts


def _user(candidate: object) -> UserId:
    kept: UserId = argument("maintenance", "user", candidate, USER)
    return kept
