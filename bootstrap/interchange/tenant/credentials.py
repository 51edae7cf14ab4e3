"""Credentials in an export: left out, or sealed under a key of the export's own."""

from typing import Any, Final

import attrs

from adapters.sealing import Vault, token_of
from domain.identity import TenantId
from domain.secrets import Secret
from ports.errors import CorruptRecordError
from ports.secrets import SecretBox

_FIELD: Final = "credentials"
_SEALED: Final = "sealed"
_LEFT_OUT: Final = "left_out"


def key_id(box: SecretBox | None) -> str | None:
    """The id of the key that a box seals under: part of what its tokens begin with."""
    return None if box is None else box.prefix.split(".")[1]


@attrs.define
class Credentials:
    """What becomes of the credentials in integrations' documents, of the tenant that was exported.

    What is sealed here doesn't open as what a store keeps, nor as another integration's, or another
    tenant's export. `without`: the names of integrations that had some and lack them.
    """

    tenant: TenantId
    box: SecretBox | None = None
    without: list[str] = attrs.field(factory=list)

    def closed(self, document: dict[str, Any], id: Any, name: str) -> None:
        """Take the credentials of a document out of the clear.

        Raises:
            EncryptionKeyError, CorruptRecordError: if they are to be sealed and can't be opened.
        """
        secret: Secret | None = document[_FIELD]
        if secret is None:
            return
        if self.box is None:
            document[_FIELD] = {_LEFT_OUT: True}
            self.without.append(name)
            return
        plain = Secret(secret.reveal())
        document[_FIELD] = {_SEALED: token_of(self._vault.sealed(str(id), plain))}

    def opened(self, document: dict[str, Any]) -> None:
        """Put the credentials of a document back, or take them away if they can't be had.

        Raises:
            ValueError: if they can't be opened, or were never closed.
            EncryptionKeyError: if the key isn't at hand.
        """
        kept = document.get(_FIELD)
        if kept is None:
            return
        if kept == {_LEFT_OUT: True} or (self.box is None and _is_sealed(kept)):
            document[_FIELD] = None
            self.without.append(str(document.get("name"))[:255])
            return
        if not _is_sealed(kept):
            raise ValueError("credentials: must be sealed, or left out")
        sealed = self._vault.bound(str(document.get("id")), kept[_SEALED])
        try:
            content = sealed.reveal()
        except CorruptRecordError:
            pass
        else:
            document[_FIELD] = Secret(content)
            return
        raise ValueError("credentials: can't be opened as this integration's")

    @property
    def _vault(self) -> Vault:
        return Vault(self.box, self.tenant, "exported integration", _FIELD)


def _is_sealed(kept: object) -> bool:
    return isinstance(kept, dict) and list(kept) == [_SEALED] and isinstance(kept[_SEALED], str)
