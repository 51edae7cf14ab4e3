"""Names of keys: whose, which slot, which kind, and what of it; no two things share one.

    dialogbase:1:{<tenant>/<tag>}:<kind>[:<part>…]

The version stands before everything, so that another form can live beside this one. What stands in
braces decides the slot in a cluster, so that a script whose keys have tenant and tag in common
touches one slot. A tenant's name holds no `/`; of tag and parts, everything but letters, digits and
`_.~-` is percent-encoded, `:`, `/`, `{` and `}` included, so that `a:b` and `c` are never `a` and
`b:c`. Without a tenant's name before the `/` it is a key that all tenants share.
"""

from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from domain.errors import ValidationError
from domain.identity import TenantId, tenant_id

PREFIX: Final = "dialogbase:1:"


class KeyName(NamedTuple):
    """What a key's name says."""

    tenant: TenantId
    tag: str
    kind: str
    parts: tuple[str, ...]


def key(tenant: TenantId, tag: str, kind: str, *parts: str) -> str:
    """A key's name. Injective: other arguments give another name. `kind` is a plain word."""
    named = "".join(f":{_encoded(part)}" for part in parts)
    return f"{PREFIX}{{{tenant}/{_encoded(tag)}}}:{kind}{named}"


@lru_cache(maxsize=4_096)
def _encoded(part: str) -> str:
    """Remembered, for it takes longer than all the rest of a command does here."""
    return quote(part, safe="")


def shared_key(kind: str) -> str:
    """The name of a key that all tenants share."""
    return f"{PREFIX}{{/}}:{kind}"


def tenant_pattern(tenant: TenantId) -> str:
    """A pattern of SCAN that all of a tenant's keys match, and nobody else's.

    Nothing in a tenant's name has a meaning in a pattern: so it is checked that it is one.

    Raises:
        ValidationError: if it isn't.
    """
    return f"{PREFIX}{{{tenant_id(tenant)}/*"


def parsed(name: str) -> KeyName | None:
    """What `key` made the name of; None if it made no such name."""
    tenant, _, rest = name.removeprefix(PREFIX + "{").partition("/")
    tag, _, told = rest.partition("}:")
    kind, *parts = told.split(":")
    try:
        found = KeyName(tenant_id(tenant), unquote(tag), kind, tuple(map(unquote, parts)))
    except ValidationError:
        return None
    made = key(found.tenant, found.tag, found.kind, *found.parts)
    return found if kind and made == name else None


def tenant_of(name: str) -> TenantId | None:
    """Whose key it is if it is ours (see `parsed`); None if it begins otherwise."""
    if not name.startswith(PREFIX + "{"):
        return None
    tenant, slash, _ = name[len(PREFIX) + 1 :].partition("/")
    return TenantId(tenant) if slash else None


def kind_of(name: str) -> str:
    """What kind of thing one of our keys holds."""
    return name.partition("}:")[2].partition(":")[0]
