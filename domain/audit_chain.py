"""Whether a tenant's audit trail is whole: what its chain and its revisions tell.

What can't be told: that somebody wrote the whole chain anew, its head included (keep heads
elsewhere: then it can); that an entry was altered before it was sealed; that the last or the only
entry of an entity was removed before it was sealed; that somebody who may purge removed the oldest
entries before their time (`anchor` says how many are gone).

**The anchor.** Entries are kept for so long and no longer: the oldest of the chain are removed in
its order, and the last of them leaves its place and digest behind. From there on the chain is
followed, so what is left is checked as before: the first entry's digest depends on the anchor's,
and a removal that the anchor doesn't tell of is a missing entry.
"""

from enum import StrEnum
from uuid import UUID

import attrs

from domain.audit import NO_ENTRY, AuditAction, AuditEntry, AuditHead


class AuditFault(StrEnum):
    """What can be wrong with a trail."""

    ALTERED = "altered"
    """An entry isn't what was sealed; two that changed places are both altered."""
    MISSING = "missing"
    """An entry that was there is gone."""
    FOREIGN = "foreign"
    """An entry stands where the chain has no place for it."""
    HEAD = "head"
    """The entries are well, as far as can be told, and the chain's head doesn't fit them."""
    REWRITTEN = "rewritten"
    """The chain doesn't hold the head that was kept elsewhere."""
    ANCHOR = "anchor"
    """The first entry that is left doesn't follow what is said to have been removed before it: one
    of the two isn't what it was."""
    PURGED = "purged"
    """The head that was kept elsewhere is of an entry that was removed since, so that nobody can
    tell whether the chain held it: keep a later one."""


@attrs.frozen(kw_only=True)
class AuditFinding:
    """The first thing that is wrong. `entry_id` is None where there is no entry to name, and
    `sequence` where it has none.
    """

    fault: AuditFault
    sequence: int | None
    entry_id: UUID | None
    says: str
    """In plain words, without anything of what entries hold."""


@attrs.frozen(kw_only=True)
class AuditVerification:
    """What a check of a tenant's trail came to. Keep `head` elsewhere, and ask for it next time.

    `entries`: how many of the chain were found sound. `anchor`: the last of those that were
    removed since their time was over; `NO_ENTRY` if none were.
    """

    entries: int
    head: AuditHead
    finding: AuditFinding | None = None
    anchor: AuditHead = NO_ENTRY

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.finding is None


@attrs.define
class ChainCheck:
    """Follows a chain from its `anchor` to `head`; it remembers one digest.

    `expected` is a head that was kept elsewhere.
    """

    head: AuditHead
    expected: AuditHead | None = None
    anchor: AuditHead = NO_ENTRY
    at: AuditHead = attrs.field(default=attrs.Factory(lambda check: check.anchor, takes_self=True))

    @property
    def entries(self) -> int:
        """How many were found sound."""
        return self.at.sequence - self.anchor.sequence

    def follow(self, entry: AuditEntry) -> AuditFinding | None:
        """What is wrong with the next entry by sequence, if anything is."""
        place = self.at.sequence + 1
        if entry.sequence is None or entry.sequence < place:
            if self.at == self.anchor != NO_ENTRY:
                says = f"entry {entry.sequence} is there, and said to have been removed"
                return _finding(AuditFault.ANCHOR, entry, says)
            says = f"a second entry stands at place {entry.sequence} of the chain"
            return _finding(AuditFault.FOREIGN, entry, says)
        if entry.sequence > place:
            return self._missing(place)
        if entry.digest_at(place, self.at.digest) != entry.digest:
            if self.at == self.anchor != NO_ENTRY:
                says = f"entry {place} doesn't follow what was removed before it"
                return _finding(AuditFault.ANCHOR, entry, says)
            says = f"entry {place} isn't what was sealed there"
            return _finding(AuditFault.ALTERED, entry, says)
        assert entry.digest is not None
        self.at = AuditHead(sequence=place, digest=entry.digest)
        expected = self.expected
        if expected is not None and place == expected.sequence and self.at != expected:
            says = f"entry {place} isn't the one whose digest was kept"
            return _finding(AuditFault.REWRITTEN, entry, says)
        return None

    def end(self) -> AuditFinding | None:
        """What is wrong if there is no further entry."""
        if self.at.sequence < self.head.sequence:
            return self._missing(self.at.sequence + 1)
        if self.at != self.head:
            if self.at == self.anchor:
                says = f"the chain ends at {self.head.sequence}, before what was removed of it"
                return self._of_none(AuditFault.ANCHOR, self.anchor.sequence, says)
            return self.beyond(None)
        return None if self.expected is None else self._kept_elsewhere(self.expected)

    def _kept_elsewhere(self, expected: AuditHead) -> AuditFinding | None:
        if self.at.sequence < expected.sequence or (
            expected.sequence == 0 and expected != NO_ENTRY
        ):
            says = f"the chain ends at {self.at.sequence} and doesn't hold the kept head"
        elif expected.sequence == self.anchor.sequence and expected != self.anchor:
            says = f"entry {expected.sequence}, removed since, isn't the one whose digest was kept"
        elif 0 < expected.sequence < self.anchor.sequence:
            says = f"the chain begins after {self.anchor.sequence}: the kept head can't be compared"
            return self._of_none(AuditFault.PURGED, expected.sequence, says)
        else:
            return None
        return self._of_none(AuditFault.REWRITTEN, expected.sequence, says)

    def beyond(self, entry: AuditEntry | None) -> AuditFinding:
        """What is wrong if the head isn't where the chain ends: `entry` is the first after it."""
        return AuditFinding(
            fault=AuditFault.HEAD,
            sequence=None if entry is None else entry.sequence,
            entry_id=None if entry is None else entry.id,
            says=f"the head that is kept beside the chain, {self.head.sequence}, isn't its end",
        )

    def _missing(self, place: int) -> AuditFinding:
        says = f"entry {place} of the chain is gone"
        return self._of_none(AuditFault.MISSING, place, says)

    def _of_none(self, fault: AuditFault, sequence: int, says: str) -> AuditFinding:
        return AuditFinding(fault=fault, sequence=sequence, entry_id=None, says=says)


@attrs.define
class RevisionCheck:
    """Follows the revisions of one entity after the other, each by position.

    An entity's first entry may say anything, since it may be older than the trail, or what was
    before it removed with the oldest part of the chain. Then each update
    is one revision on, a deletion says the last one, and only what was deleted is created again, at
    whatever revision: an export was restored.
    """

    _entity: UUID | None = None
    _last: dict[str, AuditEntry] = attrs.field(factory=dict)
    """By type: callers choose ids, and may choose one for two types."""

    def follow(self, entry: AuditEntry) -> AuditFinding | None:
        """What is wrong with the next entry by entity and position, if anything is."""
        if entry.entity_id != self._entity:
            self._entity = entry.entity_id
            self._last.clear()
        before = self._last.get(entry.entity_type)
        self._last[entry.entity_type] = entry
        if before is None or _may_follow(before, entry):
            return None
        says = (
            f"of {entry.entity_type} {entry.entity_id}, what was {before.action} at revision "
            f"{before.revision} is {entry.action} at {entry.revision}: an entry between is gone"
        )
        return _finding(AuditFault.MISSING, entry, says)


def _may_follow(before: AuditEntry, entry: AuditEntry) -> bool:
    if before.action is AuditAction.DELETED or entry.action is AuditAction.CREATED:
        return before.action is AuditAction.DELETED and entry.action is AuditAction.CREATED
    step = 0 if entry.action is AuditAction.DELETED else 1
    return entry.revision == before.revision + step


def _finding(fault: AuditFault, entry: AuditEntry, says: str) -> AuditFinding:
    return AuditFinding(fault=fault, sequence=entry.sequence, entry_id=entry.id, says=says)
