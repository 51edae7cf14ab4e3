"""What lies in a server, read past the adapter."""

from collections import Counter
from collections.abc import Iterable, Iterator

import redis

from adapters.redis.keys import PREFIX, kind_of, parsed, shared_key

_FOR_EVER = -1
"""What PTTL answers for a key without an expiry."""


def faults(urls: Iterable[str], *, own: bool = True) -> list[str]:
    """What is wrong with the keys of these nodes, by kind: none may live for ever, and each must
    have a name that the adapter makes. In servers that aren't the tests' `own`, other programs'
    keys are left alone.
    """
    found: Counter[str] = Counter()
    for url in urls:
        with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
            names = list(client.scan_iter(match="*" if own else f"{PREFIX}*", count=1_000))
            for name in names:
                pipeline.pttl(name)
            for name, left in zip(names, pipeline.execute(), strict=True):
                found.update(_faults(name.decode("utf-8", "replace"), left))
    return [f"{count} × {what}" for what, count in sorted(found.items())]


def _faults(name: str, left_ms: int) -> Iterator[str]:
    if parsed(name) is None and name != shared_key(kind_of(name)):
        yield f"a name that isn't ours: {name[:80]!r}"
    elif left_ms == _FOR_EVER:
        yield f"kind {kind_of(name)!r} without an expiry"
