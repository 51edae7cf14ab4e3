"""Secrets: what an entity holds that must not be seen by accident."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from hashlib import sha256
from itertools import product
from string import ascii_letters, digits
from typing import Any, Final, NoReturn, Self, final

from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError

MAX_SECRET_BYTES: Final = 16 * 1024
MAX_TRACE: Final = 3 * MAX_SECRET_BYTES
"""The most characters that anything which a secret holds may have in one of the forms in which
`Secret.masked` finds it: each byte as three, in a URL."""
MASK: Final = "***"
"""What is shown in place of a secret, wherever one would be."""
_SHOWN: Final = f"Secret({MASK})"
_MAX_PAIRED: Final = 12
_UNRESERVED: Final = frozenset(ascii_letters + digits + "-._~")


@final
class Secret:
    """A JSON object that shows itself only to who asks: `Secret({"api_key": "…"})`, `reveal()`.

    An API key, a user and password, an OAuth client: whatever the authentication needs, at most
    `MAX_SECRET_BYTES` when encoded. It shows itself neither as text nor in a traceback's variables;
    it can't be pickled or encoded as JSON, and a copy is itself. Secrets are equal if their content
    is encoded alike, which is compared in constant time; the hash is the same for all of them.
    """

    __slots__ = ("_content", "origin")
    origin: object
    """What a store knows it by; None where none does, and of no meaning to anybody else."""

    def __init__(self, content: Mapping[str, object]) -> None:
        """Check and keep `content`.

        Raises:
            ValidationError: if it is no JSON object, or too large. It doesn't say where: a path
                could hold what is secret.
        """
        kept, faults = _checked(content)
        if faults:
            del content  # a traceback shows its frames' variables
            raise ValidationError("Secret", faults)
        self._content: Callable[[], JsonObject] = lambda: kept
        self.origin = None

    @classmethod
    def deferred(cls, content: Callable[[], JsonObject], origin: object = None) -> Self:
        """One that learns its content whenever it is asked, such as what a store keeps encrypted.

        What `content` raises, `reveal` and a comparison raise.
        """
        made = object.__new__(cls)
        made._content = content
        made.origin = origin
        return made

    def reveal(self) -> JsonObject:
        """The content. One that a store keeps encrypted is decrypted at each call.

        Raises:
            CorruptRecordError: if what is stored can't be decrypted as this entity's.
            EncryptionKeyError: if the key isn't at hand.
        """
        return self._content()

    def masked(self, value: Any) -> Any:
        """A text, or a JSON value with all texts and keys in it, without what this secret holds.

        Every text and number of the content is replaced by `MASK`: as it is, escaped as JSON or in
        a URL, in base64, and as the pair of HTTP's basic authentication (RFC 7617).
        """
        return _without(value, sorted(_traces(self.reveal()), key=len, reverse=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self is other or hmac.compare_digest(_digest(self), _digest(other))

    def __hash__(self) -> int:
        return hash(Secret)

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, form: str) -> str:
        return format(_SHOWN, form)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret can't be pickled: reveal() what you mean to write down")

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError("a Secret can't be changed")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret can't be changed")


def encoded(content: JsonObject) -> bytes:
    """The one encoding of a secret's content: equal secrets, equal bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _checked(content: object) -> tuple[JsonObject, Sequence[Fault]]:
    try:
        return JsonObject.of(content, max_bytes=MAX_SECRET_BYTES), ()
    except ValidationError as error:
        messages = dict.fromkeys(fault.message for fault in error.faults)
    return EMPTY, [Fault("", message) for message in messages]


def _digest(secret: Secret) -> bytes:
    # Of one length, whatever the content's is.
    return sha256(encoded(secret.reveal())).digest()


def _traces(content: JsonObject) -> set[str]:
    """The forms in which a value of the content may stand in a text."""
    values = {value for value in _values(content) if value}
    traces = {trace for value in values for trace in _forms(value)}
    either = ("", *sorted(values)[:_MAX_PAIRED])
    pairs = [pair for pair in product(either, repeat=2) if any(pair)]
    return traces | {_base64(f"{user}:{password}") for user, password in pairs}


def _forms(value: str) -> Iterator[str]:
    yield value
    yield _base64(value)
    yield _base64(value).replace("+", "-").replace("/", "_")
    if _UNRESERVED.issuperset(value):
        return  # it is written the same everywhere else
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    for kept in (_UNRESERVED, _UNRESERVED | {"/"}):
        for form in ("%{:02X}", "%{:02x}"):
            escaped = _escaped(value, kept, form)
            yield escaped
            yield escaped.replace("%20", "+")


def _escaped(value: str, kept: Set[str], form: str) -> str:
    """As in a URL (RFC 3986, section 2.1)."""
    signs = map(chr, value.encode())
    return "".join([sign if sign in kept else form.format(ord(sign)) for sign in signs])


def _base64(value: str) -> str:
    return b64encode(value.encode()).decode().rstrip("=")


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    elif isinstance(value, str):
        yield value
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _without(value: Any, traces: Sequence[str]) -> Any:
    if isinstance(value, str):
        for trace in traces:  # the longest first, since one may be a part of another
            value = value.replace(trace, MASK)
        return value
    if isinstance(value, Mapping):
        return {_without(key, traces): _without(item, traces) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, traces) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return MASK if str(value) in traces else value
    return value
