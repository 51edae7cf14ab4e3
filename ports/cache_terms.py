"""What a caller of the cache says about a value, checked: under which key, how long, which tags."""

import math
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import Final

import attrs

from domain.durations import MILLISECOND
from domain.errors import Fault, ValidationError
from domain.rules import Rule, argument, number
from ports.cache_entries import DURATION, KEY, TAGS

MAX_EARLY: Final = 1000.0
MAX_MANY: Final = 10_000

EARLY = number(0, MAX_EARLY)
_JITTER = number(0, 1)


@attrs.frozen
class Terms:
    """How long a value is kept, and under which tags."""

    ttl_ms: int
    stale_ms: int
    tags: tuple[str, ...]

    @property
    def lives_ms(self) -> int:
        """How long its entry will be there."""
        return self.ttl_ms + self.stale_ms


def terms(ttl: timedelta, stale: timedelta | None, jitter: float, tags: Sequence[str]) -> Terms:
    """All that is said about one value; its time to live is drawn anew for each."""
    ttl_ms = milliseconds("ttl", ttl)
    stale_ms = 0 if stale is None else milliseconds("stale", stale)
    if spread := share("jitter", jitter, _JITTER):
        ttl_ms = max(math.ceil(ttl_ms * (1 - spread * random.random())), 1)
    if type(tags) is tuple and not tags:
        return Terms(ttl_ms, stale_ms, ())
    named = dict.fromkeys(argument("cache", "tags", tags, TAGS))
    return Terms(ttl_ms, stale_ms, tuple(named))


def milliseconds(name: str, candidate: object) -> int:
    """A duration's milliseconds."""
    # Each service has a few, which it gives again and again.
    if type(candidate) is timedelta:
        return _known(name, candidate)
    return _checked(name, candidate)


def _checked(name: str, candidate: object) -> int:
    checked: timedelta = argument("cache", name, candidate, DURATION)
    return checked // MILLISECOND


_known = lru_cache(1024)(_checked)


def share(name: str, candidate: object, rule: Rule) -> float:
    """A number within a rule's bounds, mostly the default."""
    if type(candidate) is float and candidate == 0:
        return 0.0
    checked: float = argument("cache", name, candidate, rule)
    return checked


def key_of(candidate: object) -> str:
    """A key."""
    key: str = argument("cache", "key", candidate, KEY)
    return key


def many(name: str, candidates: Iterable[str]) -> list[str]:
    """Several keys."""
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        raise ValidationError("cache", [Fault(name, "must be several, and not a text")])
    keys = list(islice(candidates, MAX_MANY + 1))
    if len(keys) > MAX_MANY:
        raise ValidationError("cache", [Fault(name, f"must be at most {MAX_MANY}")])
    return keys
