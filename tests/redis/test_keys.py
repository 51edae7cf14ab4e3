"""Names of keys: no two things share one, and whose it is can be read off it."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from redis.crc import key_slot

from adapters.redis.keys import PREFIX, KeyName, key, kind_of, parsed, tenant_of, tenant_pattern
from domain.identity import TenantId

TENANTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,8}", fullmatch=True).map(TenantId)
KINDS = st.from_regex(r"[a-z-]{1,6}", fullmatch=True)
TEXTS = st.text(
    st.sampled_from(":/{}%*?[]\\^-~a\u00e9\U0001f600 \n") | st.characters(codec="utf-8")
)
NAMES = st.builds(KeyName, TENANTS, TEXTS, KINDS, st.lists(TEXTS, max_size=3).map(tuple))


def name_of(parts: KeyName) -> str:
    return key(parts.tenant, parts.tag, parts.kind, *parts.parts)


@given(NAMES, NAMES)
def test_no_two_things_share_a_name(one: KeyName, other: KeyName) -> None:
    """Nor do they take each other's place in another part."""
    assume(one != other)
    assert name_of(one) != name_of(other)


@given(NAMES)
def test_all_that_a_name_was_made_of_can_be_read_off_it(parts: KeyName) -> None:
    """A name is ASCII, without blanks; everything is found again."""
    name = name_of(parts)
    assert parsed(name) == parts
    assert (tenant_of(name), kind_of(name)) == (parts.tenant, parts.kind)
    assert name.isascii()
    assert name.isprintable()
    assert " " not in name


@given(NAMES, KINDS, st.lists(TEXTS, max_size=3))
def test_keys_of_one_tenant_and_tag_lie_in_one_slot(
    parts: KeyName, kind: str, others: list[str]
) -> None:
    """So that one script may touch all of them in a cluster."""
    name = name_of(parts)
    beside = key(parts.tenant, parts.tag, kind, *others)
    assert key_slot(name.encode()) == key_slot(beside.encode())
    hashed = name[name.index("{") + 1 : name.index("}")]
    assert key_slot(name.encode()) == key_slot(hashed.encode())


@given(NAMES, TENANTS)
def test_a_tenant_s_pattern_matches_its_keys_and_nobody_else_s(
    parts: KeyName, tenant: TenantId
) -> None:
    """Prefixes of a name included."""
    name = name_of(parts)
    assert fnmatchcase(name, tenant_pattern(parts.tenant))
    shorter = TenantId(parts.tenant[:-1] or tenant)
    for other in (tenant, TenantId(f"{parts.tenant}."), shorter):
        assert fnmatchcase(name, tenant_pattern(other)) is (other == parts.tenant)


def test_what_joins_alike_is_told_apart() -> None:
    """By a colon that is part of a name, in whichever place it stands."""
    names = {
        key(TenantId("a"), "b:c", "kind"),
        key(TenantId("a:b"), "c", "kind"),
        key(TenantId("a"), "b", "kind", "c"),
        key(TenantId("a"), "b", "kind", "c", ""),
        key(TenantId("a"), "b", "kind", "c:"),
        key(TenantId("a"), "b", "kind"),
        key(TenantId("a"), "b}:kind", "kind"),
        key(TenantId("a"), "", "kind"),
    }
    assert len(names) == 8


@pytest.mark.parametrize(
    "name",
    [
        "",
        "session",
        PREFIX,
        f"{PREFIX}{{acme/x}}:",
        f"{PREFIX}{{acme/x}}",
        f"{PREFIX}{{acme}}:session:x",
        f"{PREFIX}{{/x}}:session",
        f"{PREFIX}{{acme/x:y}}:session",
        f"{PREFIX}{{acme/%78}}:session",
        f"{PREFIX}{{acme/x}}:session:%ff",
        "dialogbase:2:{acme/x}:session",
        "{acme/x}:session",
    ],
)
def test_what_is_no_name_of_ours_says_nothing(name: str) -> None:
    """Another version's, a half, or what only looks like one."""
    assert parsed(name) is None
