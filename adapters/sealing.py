"""Secrets of entities as a store keeps them: sealed, and bound to the entity that they are of."""

from typing import Any, TypeAlias

import attrs
import orjson

from domain.documents import JsonObject, freeze
from domain.identity import TenantId
from domain.secrets import Secret, encoded
from ports.errors import CorruptRecordError, EncryptionKeyError
from ports.secrets import SecretBox

Owner: TypeAlias = tuple[str, str, TenantId, Any]
"""Whose a secret is: the type of the entity, its field, its tenant, its id."""


@attrs.frozen
class Sealed:
    """Where a stored secret is from. `owner` None: nobody knows yet. `before`: the token that the
    owner stored for the same content, where it was sealed anew."""

    token: str = attrs.field(repr=False)
    owner: Owner | None
    before: str | None = attrs.field(default=None, repr=False)


def unbound(token: str) -> Secret:
    """A stored secret of which only the token is known: `Vault.bound` makes one that opens."""
    return Secret.deferred(_not_bound, Sealed(token, None))


def token_of(secret: Secret) -> str:
    """The token of a sealed secret; a plain one has none, and so never gets where this one does."""
    origin = secret.origin
    if not isinstance(origin, Sealed):
        raise TypeError("a secret is stored that nobody sealed")
    return origin.token


def token_before(secret: Secret) -> str:
    """The token that was stored for this content, as far as that is known; its own otherwise."""
    origin = secret.origin
    known = origin.before if isinstance(origin, Sealed) else None
    return token_of(secret) if known is None else known


def same_sealed(before: Secret, after: Secret) -> bool | None:
    """Whether one was stored for the other's content, as the tokens tell, and so for ever; None if
    they aren't both sealed.
    """
    if not isinstance(before.origin, Sealed) or not isinstance(after.origin, Sealed):
        return None
    return before.origin.token in (after.origin.token, after.origin.before)


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
        self._place = (entity_type, field, tenant)

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
        owner, origin = self._owner(id), secret.origin
        if isinstance(origin, Sealed) and origin.owner == owner:
            if self._box is None or origin.token.startswith(self._box.prefix):
                return secret
            try:
                return self._seal(owner, secret, origin.token)
            except EncryptionKeyError:
                return secret
        return self._seal(owner, secret)

    def stores(self, id: Any, secret: Secret) -> bool:
        """Whether it is one that the entity of that id stores, or did."""
        origin = secret.origin
        return isinstance(origin, Sealed) and origin.owner == self._owner(id)

    def standing(self, id: Any, secret: Secret, stored: Secret | None) -> Secret:
        """What the entity of that id stores already, if its content is this one's, so that setting
        it is no change, whatever key it is under; the secret itself if not, or if that can't be
        found out.
        """
        if stored is None or self.stores(id, secret):
            return secret
        try:
            return stored if stored == secret else secret
        except (EncryptionKeyError, CorruptRecordError):
            return secret

    def resealed(self, id: Any, secret: Secret) -> Secret:
        """The secret that the entity of that id stores, under the active key.

        Raises:
            EncryptionKeyError, CorruptRecordError: as `sealed`.
        """
        return self._seal(self._owner(id), secret)

    def bound(self, id: Any, token: str) -> Secret:
        """The secret of a token that the entity of that id stores."""
        return self._bound(self._owner(id), token)

    @property
    def _sealing(self) -> SecretBox:
        if self._box is None:
            raise EncryptionKeyError(None)
        return self._box

    def _bound(self, owner: Owner, token: str, before: str | None = None) -> Secret:
        return Secret.deferred(lambda: self._opened(owner, token), Sealed(token, owner, before))

    def _seal(self, owner: Owner, secret: Secret, before: str | None = None) -> Secret:
        token = self._sealing.seal(encoded(secret.reveal()), _associated(owner))
        return self._bound(owner, token, before)

    def _opened(self, owner: Owner, token: str) -> JsonObject:
        box = self._sealing
        try:
            content = freeze(orjson.loads(box.open(token, _associated(owner))))
        except ValueError:
            content = None
        if not isinstance(content, JsonObject):
            entity_type, field, _, id = owner
            raise CorruptRecordError(entity_type, id, (field,))
        return content

    def _owner(self, id: Any) -> Owner:
        return *self._place, id


def _associated(owner: Owner) -> bytes:
    """Each part behind its length: no two lists of parts are alike."""
    encodings = [str(part).encode() for part in ("dialogbase", *owner)]
    return b"".join(len(part).to_bytes(4) + part for part in encodings)
