"""Sessions: a user's time with the bot on one device, and the secret by which it is known."""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from domain.conversations import Channel
from domain.documents import EMPTY, JsonObject
from domain.durations import duration
from domain.identity import DIALOGUE_ID, REVISION, TENANT, USER, TenantId, UserId
from domain.rules import Value, bounded_json, instant, one_of, optional, rule

TOKEN_BYTES: Final = 32
"""Random ones in a token."""

SHORTEST: Final = timedelta(seconds=1)
LONGEST_IDLE: Final = timedelta(days=90)
LONGEST_LIFE: Final = timedelta(days=400)
"""As long as browsers keep a cookie (draft-ietf-httpbis-rfc6265bis, section 5.5)."""

IDLE_TIMEOUT: Final = timedelta(minutes=30)
LIFETIME: Final = timedelta(hours=12)
"""What a session gets if nothing else is asked for."""

LIFE = duration(SHORTEST, LONGEST_LIFE)
_IDLE = duration(SHORTEST, LONGEST_IDLE)
_FORM = re.compile(r"[0-9a-f]{4}[A-Za-z0-9_-]{43}")
_BUCKET = 4


@frozen(kw_only=True, slots=False)
class Session(Value):
    """A user's session.

    `id` names it among the user's sessions and in logs; who knows it can end the session, and can't
    act as its user. The secret that the client holds, the token, is in no session, and stored only
    as the hash that the id is.

    A session's user never changes: who logs in gets a new session. It ends when it wasn't used for
    `idle_timeout`, at `expires_at` at the latest. `last_activity_at` is when it was last written,
    or read by its client; `updated_at`, when it was last written.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    user_id: UserId = field(metadata=rule(USER))
    conversation_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    channel: Channel = field(default=Channel.WEB, metadata=rule(one_of(Channel)))
    context: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(256 * 1024)))
    preferences: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    features: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    last_activity_at: datetime = field(metadata=rule(instant))
    idle_timeout: timedelta = field(default=IDLE_TIMEOUT, metadata=rule(_IDLE))
    expires_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    @property
    def idle_expires_at(self) -> datetime:
        """When it ends if nobody uses it."""
        return min(self.last_activity_at + self.idle_timeout, self.expires_at)


@frozen
class IssuedSession:
    """A session with its token: the one time that the token can be had.

    Hand it to the client, and neither log nor store it.
    """

    token: str = field(repr=False)
    session: Session


def bucket_of(user_id: str) -> str:
    """What a user's tokens and sessions' ids begin with: which of 65 536 buckets the user is in.

    By it, a store keeps all sessions of a user together, and finds the place of one by its token.
    """
    return hashlib.sha256(user_id.encode()).digest()[: _BUCKET // 2].hex()


def token_of(user_id: str, secret: bytes) -> str:
    """The token of a user's session, from 32 random bytes."""
    return bucket_of(user_id) + _text_of(secret)


def handle_of(token: str) -> str:
    """The id of the session that a token stands for: its SHA-256, in the same bucket.

    Any text has one, and that of a text which is no token is no session's.
    """
    digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
    return (token[:_BUCKET] if _FORM.fullmatch(token) else "0" * _BUCKET) + _text_of(digest)


def is_handle(text: str) -> bool:
    """Whether it can be a session's id."""
    return _FORM.fullmatch(text) is not None


def bucket_in(handle: str) -> str:
    """The bucket in which the session of that id is kept."""
    return handle[:_BUCKET]


def _text_of(number: bytes) -> str:
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()
