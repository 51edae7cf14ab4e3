"""Secrets of entities as a store keeps them: sealed, and bound to the entity that they are of."""

from typing import Any

import attrs
import orjson

from domain.documents import JsonObject, freeze
from domain.identity import TenantId
from domain.secrets import Secret, encoded
from ports.errors import CorruptRecordError, EncryptionKeyError
from ports.secrets import SecretBox


@attrs.frozen
class Sealed:
    """Where a stored secret is from. `associated`: whose it is; None: nobody knows yet."""

    token: str = attrs.field(repr=False)
    associated: bytes | None = attrs.field(repr=False)


def unbound(token: str) -> Secret:
    """A stored secret of which only the token is known: `Vault.bound` makes one that opens."""
    return Secret.deferred(_not_bound, Sealed(token, None))


def token_of(secret: Secret) -> str:
    """The token of a sealed secret; a plain one has none, and so never gets where this one does."""
    origin = secret.origin
    if not isinstance(origin, Sealed):
        raise TypeError("a secret is stored that nobody sealed")
    return origin.token


def _not_bound() -> JsonObject:
    raise TypeError("a sealed secret that is bound to no entity")


class Vault:
    """Seals the secrets that one tenant's entities of one type hold in one field.

    Associated with each is whose it is: a token that was moved to another entity, field or tenant
    doesn't open. Without a box, whatever would have to be sealed or opened is an
    `EncryptionKeyError`, and the rest works.
    """

    def __init__(self, box: SecretBox | None, tenant: TenantId, entity_type: str, field: str):
        self._box = box
        self._tenant = tenant
        self._entity_type = entity_type
        self._field = field

    @property
    def prefix(self) -> str:
        """What tokens under the active key begin with.

        Raises:
            EncryptionKeyError: if there is none.
        """
        return self._sealing.prefix

    def sealed(self, id: Any, secret: Secret) -> Secret:
        """The secret as the entity of that id stores it.

        One that it stores already stays the very token while that is under the active key, or under
        one that isn't at hand; otherwise it is sealed anew.

        Raises:
            EncryptionKeyError: if there is no key to seal it, or to open it first.
            CorruptRecordError: if it can't be opened.
        """
        associated, origin = self._associated(id), secret.origin
        if isinstance(origin, Sealed) and origin.associated == associated:
            if self._box is None or origin.token.startswith(self._box.prefix):
                return secret
            try:
                return self._seal(id, associated, secret)
            except EncryptionKeyError:
                return secret
        return self._seal(id, associated, secret)

    def resealed(self, id: Any, secret: Secret) -> Secret:
        """The secret that the entity of that id stores, under the active key.

        Raises:
            EncryptionKeyError, CorruptRecordError: as `sealed`.
        """
        return self._seal(id, self._associated(id), secret)

    def bound(self, id: Any, token: str) -> Secret:
        """The secret of a token that the entity of that id stores."""
        return self._bound(id, self._associated(id), token)

    @property
    def _sealing(self) -> SecretBox:
        if self._box is None:
            raise EncryptionKeyError(None)
        return self._box

    def _bound(self, id: Any, associated: bytes, token: str) -> Secret:
        return Secret.deferred(
            lambda: self._opened(id, associated, token), Sealed(token, associated)
        )

    def _seal(self, id: Any, associated: bytes, secret: Secret) -> Secret:
        box = self._sealing
        return self._bound(id, associated, box.seal(encoded(secret.reveal()), associated))

    def _opened(self, id: Any, associated: bytes, token: str) -> JsonObject:
        box = self._sealing
        try:
            content = freeze(orjson.loads(box.open(token, associated)))
        except ValueError:
            content = None
        if not isinstance(content, JsonObject):
            raise CorruptRecordError(self._entity_type, id, (self._field,))
        return content

    def _associated(self, id: Any) -> bytes:
        # Each part behind its length: no two lists of parts are alike.
        parts = ("dialogbase", self._entity_type, self._field, self._tenant, str(id))
        encodings = [part.encode() for part in parts]
        return b"".join(len(part).to_bytes(4) + part for part in encodings)
