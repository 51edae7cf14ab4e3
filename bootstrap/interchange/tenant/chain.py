"""A trail that comes to a tenant of another name: its digests depend on the name.

Each entry that was sound under the old name gets the digest that it has under the new one, after
the entry before it; one that wasn't keeps its digest, and so shows as what it is: the trail
verifies in the new place as it did in the old one, and names the same entry. A head that somebody
kept elsewhere (`AuditHead`) means nothing for the new chain: keep its own.
"""

import attrs

from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.identity import TenantId
from domain.rules import restored


@attrs.define
class Rechained:
    """Follows the entries of an export by their places. It begins as the chain did: at the anchor,
    whose digest is taken over, for what was before it is gone.
    """

    old: TenantId
    new: TenantId
    anchor: AuditHead = NO_ENTRY
    _before: str = attrs.field(init=False)
    _now: str = attrs.field(init=False)
    _at: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._before = self._now = self.anchor.digest
        self._at = self.anchor.sequence

    def moved(self, entry: AuditEntry) -> AuditEntry:
        """The next entry as it is in the new tenant; it is given as one of that tenant's."""
        if entry.sequence is None or entry.digest is None:
            return entry
        original = restored(AuditEntry, {**_fields(entry), "tenant_id": self.old})
        sound = original.digest_at(entry.sequence, self._before) == entry.digest
        self._before = entry.digest
        if sound:
            self._now = entry.digest_at(entry.sequence, self._now)
        else:
            self._now = entry.digest
        self._at = entry.sequence
        return entry.sealed(entry.sequence, self._now)

    def head(self, head: AuditHead) -> AuditHead:
        """The head, once all entries were followed: the new chain's if it was the old one's."""
        if (head.sequence, head.digest) == (self._at, self._before):
            return AuditHead(sequence=head.sequence, digest=self._now)
        return head


def _fields(entry: AuditEntry) -> dict[str, object]:
    return {field.name: getattr(entry, field.name) for field in attrs.fields(AuditEntry)}
