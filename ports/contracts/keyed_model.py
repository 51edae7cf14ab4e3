"""The reference of what lives for a while: what sessions and execution states must answer.

It shares nothing with any adapter but the domain. It keeps everything in a dict, what has expired
as well, and looks at each anew whenever it is asked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from domain.documents import JsonObject
from domain.errors import Fault, ValidationError
from domain.executions import ExecutionState
from domain.identity import Draft, TenantId, UserId
from domain.sessions import IssuedSession, Session, handle_of
from ports.contracts.harness import ContractClock
from ports.errors import ConflictError, DuplicateEntityError, EntityNotFoundError, LockLostError

DAY = timedelta(days=1)


def _expected(name: str, entity: Any, revision: int | None) -> None:
    if revision is not None and entity.revision != revision:
        raise ConflictError(name, entity.id, revision, entity.revision)


@attrs.define
class SessionModel:
    """One tenant's sessions. `fresh` is the token that the store minted last."""

    tenant: TenantId
    clock: ContractClock
    sessions: dict[str, Session] = attrs.field(factory=dict)
    fresh: str = ""

    def _live(self, id: str) -> Session | None:
        found = self.sessions.get(id)
        return found if found is not None and self.clock.kept < found.idle_expires_at else None

    def _standing(self, id: str) -> Session:
        found = self._live(id)
        if found is None:
            raise EntityNotFoundError("session", id)
        return found

    def _written(self, session: Session, **changes: Any) -> Session:
        now = self.clock.kept
        times = {"updated_at": now, "last_activity_at": now, "revision": session.revision + 1}
        made = attrs.evolve(session, **{**changes, **times})
        self.sessions[made.id] = made
        return made

    def create(
        self, user_id: str, *, idle_timeout: timedelta, lifetime: timedelta, **fields: Any
    ) -> IssuedSession:
        now = self.clock.kept
        made = Session(
            id=handle_of(self.fresh),
            tenant_id=self.tenant,
            user_id=UserId(user_id),
            created_at=now,
            updated_at=now,
            last_activity_at=now,
            idle_timeout=idle_timeout,
            expires_at=now + lifetime,
            **fields,
        )
        self.sessions[made.id] = made
        return IssuedSession(self.fresh, made)

    def get(self, token: str, *, touch: bool) -> Session | None:
        found = self._live(handle_of(token))
        if found is None or not touch:
            return found
        used = attrs.evolve(found, last_activity_at=self.clock.kept)
        self.sessions[found.id] = used
        return used

    def update(self, session: Session) -> Session:
        stored = self._standing(session.id)
        _expected("session", stored, session.revision)
        if session.user_id != stored.user_id:
            raise ValidationError("session", [Fault("user_id", "never changes")])
        return self._written(session, created_at=stored.created_at, expires_at=stored.expires_at)

    def patch(self, token: str, expected_revision: int | None = None, **changes: Any) -> Session:
        stored = self._standing(handle_of(token))
        _expected("session", stored, expected_revision)
        return self._written(stored, **changes)

    def merge(self, token: str, **changes: Mapping[str, Any]) -> Session:
        stored = self._standing(handle_of(token))
        both = {name: {**getattr(stored, name), **keys} for name, keys in changes.items()}
        return self._written(stored, **{name: JsonObject.of(it) for name, it in both.items()})

    def extend(
        self, token: str, *, idle_timeout: timedelta | None, lifetime: timedelta | None
    ) -> Session:
        stored = self._standing(handle_of(token))
        return self._written(
            stored,
            idle_timeout=idle_timeout or stored.idle_timeout,
            expires_at=self.clock.kept + lifetime if lifetime else stored.expires_at,
        )

    def rotate(self, token: str) -> IssuedSession:
        stored = self._standing(handle_of(token))
        del self.sessions[stored.id]
        return IssuedSession(self.fresh, self._written(stored, id=handle_of(self.fresh)))

    def delete(self, token: str) -> bool:
        return self.revoke(handle_of(token))

    def revoke(self, id: str) -> bool:
        found = self._live(id)
        if found is not None:
            del self.sessions[id]
        return found is not None

    def for_user(self, user_id: str) -> tuple[Session, ...]:
        live = [found for id in self.sessions if (found := self._live(id)) is not None]
        theirs = [session for session in live if session.user_id == user_id]
        return tuple(sorted(theirs, key=lambda session: (session.created_at, session.id)))

    def delete_for_user(self, user_id: str, *, keep: str | None) -> int:
        kept = None if keep is None else handle_of(keep)
        return sum(self.revoke(one.id) for one in self.for_user(user_id) if one.id != kept)


@attrs.define
class ExecutionModel:
    """One tenant's execution states, and the fencing tokens that are remembered until a time."""

    tenant: TenantId
    clock: ContractClock
    states: dict[str, ExecutionState] = attrs.field(factory=dict)
    fences: dict[str, tuple[int, datetime]] = attrs.field(factory=dict)

    def _live(self, id: str) -> ExecutionState | None:
        found = self.states.get(id)
        return found if found is not None and self.clock.kept < found.expires_at else None

    def _fenced(self, id: str, token: int | None) -> None:
        if token is not None and token < self._remembered(id, 0):
            raise LockLostError

    def _remembered(self, id: str, otherwise: int) -> int:
        token, until = self.fences.get(id, (otherwise, self.clock.kept))
        return token if self.clock.kept < until else otherwise

    def _remember(self, id: str, token: int | None, gone: datetime) -> None:
        kept = self._remembered(id, -1) if token is None else token
        if kept >= 0:
            self.fences[id] = (kept, gone + DAY)

    def _standing(self, id: str, revision: int | None, token: int | None) -> ExecutionState:
        self._fenced(id, token)
        found = self._live(id)
        if found is None:
            raise EntityNotFoundError("execution_state", id)
        _expected("execution_state", found, revision)
        return found

    def _put(self, state: ExecutionState, token: int | None) -> ExecutionState:
        self.states[state.id] = state
        self._remember(state.id, token, state.expires_at)
        return state

    def _written(self, state: ExecutionState, token: int | None) -> ExecutionState:
        raised = attrs.evolve(state, updated_at=self.clock.kept, revision=state.revision + 1)
        return self._put(raised, token)

    def get(self, conversation_id: str) -> ExecutionState | None:
        return self._live(conversation_id)

    def save(
        self, state: ExecutionState | Draft[ExecutionState], *, fencing_token: int | None
    ) -> ExecutionState:
        if isinstance(state, Draft):
            made = state.assigned(tenant=self.tenant, new_id=None, at=self.clock.now())
            self._fenced(made.id, fencing_token)
            if self._live(made.id) is not None:
                raise DuplicateEntityError("execution_state", ("id",))
            return self._put(made, fencing_token)
        stored = self._standing(state.id, state.revision, fencing_token)
        return self._written(attrs.evolve(state, created_at=stored.created_at), fencing_token)

    def patch(
        self,
        conversation_id: str,
        expected_revision: int | None,
        *,
        fencing_token: int | None,
        **changes: Any,
    ) -> ExecutionState:
        stored = self._standing(conversation_id, expected_revision, fencing_token)
        return self._written(attrs.evolve(stored, **changes), fencing_token)

    def enter_state(
        self, conversation_id: str, state: str, *, fencing_token: int | None
    ) -> ExecutionState:
        stored = self._standing(conversation_id, None, fencing_token)
        return self._written(stored.entered(state), fencing_token)

    def update_slots(
        self, conversation_id: str, slots: Mapping[str, Any], *, fencing_token: int | None
    ) -> ExecutionState:
        stored = self._standing(conversation_id, None, fencing_token)
        both = JsonObject.of({**stored.slots, **slots})
        return self._written(attrs.evolve(stored, slots=both), fencing_token)

    def extend(
        self, conversation_id: str, ttl: timedelta, *, fencing_token: int | None
    ) -> ExecutionState:
        stored = self._standing(conversation_id, None, fencing_token)
        return self._written(attrs.evolve(stored, ttl=ttl), fencing_token)

    def delete(self, conversation_id: str, *, fencing_token: int | None) -> bool:
        self._fenced(conversation_id, fencing_token)
        found = self._live(conversation_id)
        self._remember(conversation_id, fencing_token, self.clock.kept)
        self.states.pop(conversation_id, None)
        return found is not None
