"""Chance without luck: numbers that a unit always draws, as even as if they were random.

A unit's number is the first 8 bytes, big-endian, of SHA-256 (FIPS 180-4) over five parts: tenant,
experiment id (its text form, lower case with hyphens), salt, purpose and unit. Each is UTF-8,
behind its length in bytes as 8 bytes, big-endian; so no two lists of parts are written alike, and
whatever differs in one part draws independently: another tenant, experiment, salt or purpose as
much as another unit. Nothing else goes in: any program in any language comes to the same.

Test vectors, for experiment 0198c5a0-0000-7000-8000-000000000001 of tenant `acme`:

| salt | purpose | unit | number | bucket |
| --- | --- | --- | --- | --- |
| | traffic | ada | 9781289667631915580 | 5302 |
| | variant | ada | 13096287965844116108 | 7099 |
| | variant | grace | 17450151348513364113 | 9459 |
| autumn | variant | ada | 8322590721931162426 | 4511 |
| | variant | 訪問者 é | 1411411944571968362 | 765 |
"""

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

BUCKETS = 10_000
"""A weight is so many of these: a bucket is a basis point."""

_RANGE = 2**64


class Purpose(StrEnum):
    """What a number is drawn for; the draws of one unit are independent of each other."""

    TRAFFIC = "traffic"
    """Whether the unit takes part."""
    VARIANT = "variant"
    """Which variant it gets."""


def drawn(tenant: str, experiment_id: UUID, salt: str, purpose: Purpose, unit: str) -> int:
    """The unit's number, of 64 bits."""
    digest = sha256()
    for part in (tenant, str(experiment_id), salt, purpose.value, unit):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return int.from_bytes(digest.digest()[:8], "big")


def within(number: int, share: float) -> bool:
    """Whether a number lies in the first `share` (0 to 1) of all; in a larger share, too, then."""
    return number < share * _RANGE  # exact: an integer and a float that was scaled by a power of 2


def bucket(number: int) -> int:
    """Which of the `BUCKETS` equal parts of the range a number lies in, from 0."""
    return number * BUCKETS // _RANGE


def chosen(number: int, weights: Iterable[tuple[str, int]]) -> str:
    """Whose buckets a number lies in; each has as many as its weight, one after the other.

    Raises:
        ValueError: if the weights don't make up all buckets.
    """
    place, end = bucket(number), 0
    for name, weight in weights:
        end += weight
        if place < end:
            return name
    raise ValueError("weights make up all buckets")
