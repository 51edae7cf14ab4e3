"""One tenant's sessions: what every store of them promises."""

import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from domain.conversations import Channel
from domain.documents import EMPTY
from domain.errors import Fault, ValidationError
from domain.identity import NO_TIME, UNASSIGNED, UserId
from domain.rules import argument, checked, instance, optional, restored
from domain.sessions import (
    IDLE_TIMEOUT,
    LIFE,
    LIFETIME,
    TOKEN_BYTES,
    IssuedSession,
    Session,
    handle_of,
    is_handle,
    token_of,
)
from ports.errors import EntityNotFoundError, OutcomeUnknownError
from ports.keyed import KeyedStore
from ports.reading import back_off
from ports.schema import EntitySchema, FieldSchema, Kind

SESSION_SCHEMA = EntitySchema(
    entity=Session,
    name="session",
    fields=[FieldSchema("id", Kind.TEXT)],
    patchable=frozenset({"conversation_id", "channel", "context", "preferences", "features"}),
    maintained=frozenset({"expires_at"}),
)
ROUNDS = 100
_TEXT = instance(str)


class SessionStore(KeyedStore[Session]):
    """One tenant's sessions, each found by the token that its client holds.

    A token is 256 random bits, in 47 characters of `A-Za-z0-9_-`; the store knows its SHA-256
    alone, and looks for that. No error names a token: `entity_id` is the session's id, which can be
    logged. Whether a token never was, has expired or is another tenant's isn't told: `get` answers
    None, `delete` False, and everything else raises `EntityNotFoundError`.

    A session ends when it wasn't used for its `idle_timeout` (1 s to 90 days), and at `expires_at`
    whatever happens. Reading it by its token is a use of it, and so is every change. A session's
    user never changes. One round trip, unless an operation says otherwise.
    """

    schema = SESSION_SCHEMA

    async def create(
        self,
        user_id: str,
        *,
        conversation_id: str | None = None,
        channel: Channel | str = Channel.WEB,
        context: Mapping[str, object] = EMPTY,
        preferences: Mapping[str, object] = EMPTY,
        features: Mapping[str, object] = EMPTY,
        idle_timeout: timedelta = IDLE_TIMEOUT,
        lifetime: timedelta = LIFETIME,
    ) -> IssuedSession:
        """Begin a session and mint its token, which can't be had again.

        It ends `lifetime` (1 s to 400 days) from now at the latest.

        Raises:
            ValidationError: naming every field that isn't admitted.
        """
        faults: list[Fault] = []
        try:
            life = self._duration("lifetime", lifetime)
        except ValidationError as error:
            faults.extend(error.faults)
        try:
            session = Session(
                id=UNASSIGNED,
                tenant_id=self._tenant,
                user_id=UserId(user_id),
                conversation_id=conversation_id,
                channel=channel,  # type: ignore[arg-type]  # its rule makes it one
                context=context,  # type: ignore[arg-type]  # its rule makes it one
                preferences=preferences,  # type: ignore[arg-type]  # its rule makes it one
                features=features,  # type: ignore[arg-type]  # its rule makes it one
                created_at=NO_TIME,
                updated_at=NO_TIME,
                last_activity_at=NO_TIME,
                idle_timeout=idle_timeout,
                expires_at=NO_TIME,
            )
        except ValidationError as error:
            faults.extend(error.faults)
        if faults:
            raise ValidationError("session", faults)
        token = _minted(session.user_id)
        named = restored(Session, {**vars(session), "id": handle_of(token)})
        await self._admit(named)
        return IssuedSession(token, await self._create(named, life))

    async def get(self, token: str, *, touch: bool = True) -> Session | None:
        """The session, or None. It counts as used, unless `touch` is False."""
        return await self._read(self._id(token), bool(touch), None)

    async def require(self, token: str, *, touch: bool = True) -> Session:
        """As `get`.

        Raises:
            EntityNotFoundError: if there is none.
        """
        return await self._require(self._id(token), touch=bool(touch))

    async def update(self, session: Session) -> Session:
        """Replace the stored session if it still stands at `session.revision` (compare-and-set).

        `created_at`, `last_activity_at` and `expires_at` (see `extend`) are the store's.

        Raises, the first that holds:
            TenantMismatchError: if it is another tenant's.
            EntityNotFoundError: if it ended, or its token was rotated.
            ConflictError: if another write came first; nothing was changed.
            ValidationError: if it has another user.
        """
        return await self._update(session)

    async def modify(
        self,
        token: str,
        change: Callable[[Session], Session],
        expected_revision: int | None = None,
    ) -> Session:
        """Read, apply `change` (pure: it may run several times), and write if nobody came between.

        Without `expected_revision` it is tried again as long as others win, for 10 seconds. Two
        round trips, one more for each lost attempt. A `change` that returns its argument writes
        nothing.

        Raises, the first that holds:
            EntityNotFoundError: if there is none, or it ended meanwhile.
            ConflictError: if the revision isn't the expected one, or others won all the time.
            ValidationError: if the user, id, tenant or revision is another; and what `change`
                raises.
        """
        return await self._modify(self._id(token), change, expected_revision)

    async def patch(
        self, token: str, expected_revision: int | None = None, **changes: object
    ) -> Session:
        """Set some of `conversation_id`, `channel`, `context`, `preferences` and `features`, None
        included. Concurrent patches all take effect. Cost and errors as `modify`.
        """
        return await self._patch(self._id(token), expected_revision, changes)

    async def merge(
        self,
        token: str,
        *,
        context: Mapping[str, object] | None = None,
        preferences: Mapping[str, object] | None = None,
        features: Mapping[str, object] | None = None,
        expected_revision: int | None = None,
    ) -> Session:
        """Set top-level keys of some of these objects; their other keys stay.

        A key set to None has the value None: to drop one, `patch` the object or `modify` the
        session. Concurrent merges all take effect, the last one to a key wins. Cost and errors as
        `modify`.
        """
        given = {"context": context, "preferences": preferences, "features": features}
        added = {
            name: checked(Session, name, value)
            for name, value in given.items()
            if value is not None
        }
        if not added:
            raise ValidationError("session", [Fault("", "a merge must change something")])

        def merged(current: Session) -> Session:
            fields = vars(current)
            both = {name: {**fields[name], **keys} for name, keys in added.items()}
            kept = {name: checked(Session, name, value) for name, value in both.items()}
            return restored(Session, {**fields, **kept})

        return await self._modify(self._id(token), merged, expected_revision)

    async def extend(
        self,
        token: str,
        *,
        idle_timeout: timedelta | None = None,
        lifetime: timedelta | None = None,
    ) -> Session:
        """Let it end later, or earlier: after another `idle_timeout`, and `lifetime` (1 s to 400
        days) from now at the latest. One revision on. Two round trips.

        Raises:
            ValidationError: for a duration that isn't admitted, or none at all.
            EntityNotFoundError: if there is none; an ended session isn't revived.
        """
        idle: timedelta | None = (
            None if idle_timeout is None else checked(Session, "idle_timeout", idle_timeout)
        )
        life = None if lifetime is None else self._duration("lifetime", lifetime)
        if idle is None and life is None:
            raise ValidationError("session", [Fault("", "an extension must say by what")])
        id = self._id(token)
        await self._gate.admit(self._tenant)
        return self._there(id, await self._extend(id, idle, life))

    async def rotate(self, token: str) -> IssuedSession:
        """Give the session another token, and thereby another id; the old ones are dead at once.

        In one step: there is no time at which both or none of the tokens work, and a change under
        way to the session as it was is either in the rotated one, or refused with
        `EntityNotFoundError`. One revision on; its expiry stays, but it counts as used. Do it when
        what its user may do changes (OWASP Session Management Cheat Sheet). Two round trips.

        Raises:
            EntityNotFoundError: if there is none.
        """
        id = self._id(token)
        user = (await self._require(id)).user_id
        await self._gate.admit(self._tenant, (user,))
        fresh = _minted(user)
        rotated = await self._rotate(id, handle_of(fresh), user)
        return IssuedSession(fresh, self._there(id, rotated))

    async def delete(self, token: str) -> bool:
        """End the session; False if there was none. Two round trips."""
        return await self._remove(self._id(token))

    async def revoke(self, id: str) -> bool:
        """End the session of that id, as `for_user` shows it: to log out another device. False if
        there was none. Two round trips.
        """
        handle: str = argument("session", "id", id, _TEXT)
        return is_handle(handle) and await self._remove(handle)

    async def for_user(self, user_id: str) -> tuple[Session, ...]:
        """The user's sessions by `created_at`, then id; none of them counts as used by this. Two
        round trips, however many there are, and two more for each time that one was rotated
        meanwhile.

        Raises:
            StoreTimeoutError: if that was so a hundred times.
        """
        user = self._user(user_id)
        found = await self._listed(user)
        return tuple(sorted(found, key=lambda session: (session.created_at, session.id)))

    async def delete_for_user(self, user_id: str, *, keep: str | None = None) -> int:
        """End all of a user's sessions, but for the one whose token is to be kept; how many. That
        is: log out everywhere.

        There was a moment during the call at which the user had no other session; one that is
        created or rotated meanwhile is ended, too, or else listed afterwards. Two round trips, and
        two more for each time that some were created meanwhile.

        Raises:
            OutcomeUnknownError: if that was so a hundred times; some may be left.
        """
        user = self._user(user_id)
        kept: str | None = argument("session", "keep", keep, optional(_TEXT))
        handle = None if kept is None else handle_of(kept)
        ended = 0
        for lost in range(ROUNDS):
            if lost:
                await back_off(lost)  # who goes in step with it would come between each time
            gone, more = await self._remove_all(user, handle)
            ended += gone
            if not more:
                return ended
        raise OutcomeUnknownError("sessions of the user were begun as fast as they were ended")

    def _id(self, token: object) -> str:
        return handle_of(argument("session", "token", token, _TEXT))

    def _user(self, user_id: object) -> UserId:
        user: UserId = checked(Session, "user_id", user_id)
        return user

    def _duration(self, name: str, candidate: object) -> timedelta:
        kept: timedelta = argument("session", name, candidate, LIFE)
        return kept

    def _there(self, id: str, session: Session | None) -> Session:
        if session is None:
            raise EntityNotFoundError(self.schema.name, id)
        return session

    # What a store implements, beside what `KeyedStore` asks for. Arguments are checked.

    @abstractmethod
    async def _create(self, session: Session, lifetime: timedelta) -> Session:
        """Store it, and list it with its user's, as created now."""

    @abstractmethod
    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None: ...

    @abstractmethod
    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None: ...

    @abstractmethod
    async def _remove(self, id: str) -> bool: ...

    @abstractmethod
    async def _listed(self, user_id: UserId) -> Sequence[Session]:
        """The user's sessions, in any order; those that ended are listed no more."""

    @abstractmethod
    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        """End those that are listed now, but for one; how many, and whether others were listed
        meanwhile.
        """


def _minted(user_id: UserId) -> str:
    return token_of(user_id, secrets.token_bytes(TOKEN_BYTES))
