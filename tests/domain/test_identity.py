"""Tenants, users, and drafts without identity."""

import string
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations import Conversation
from domain.errors import ValidationError
from domain.flows import Flow
from domain.identity import NIL, USER, TenantId, tenant_id
from tests.domain.values import AT

FIRST = string.ascii_letters + string.digits
LATER = FIRST + "_.:-"


@given(st.builds(str.__add__, st.sampled_from(FIRST), st.text(LATER, max_size=63)))
def test_a_tenant_of_the_admitted_form_is_kept(name: str) -> None:
    """Up to 64 characters, and exactly as given."""
    assert tenant_id(name) == name


@given(st.text(min_size=1))
def test_a_tenant_is_admitted_only_for_its_characters(name: str) -> None:
    """Letters and digits of ASCII, and four signs that don't come first."""
    admitted = len(name) <= 64 and name[0] in FIRST and all(sign in LATER for sign in name)
    if admitted:
        assert tenant_id(name) == name
    else:
        with pytest.raises(ValidationError, match="TenantId"):
            tenant_id(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "a\n", "a b", "-a", ":a", "١", "é", "a/b", "a\0"])
def test_what_could_be_misread_is_no_tenant(name: str) -> None:
    """Not even with a line's end behind it."""
    with pytest.raises(ValidationError):
        tenant_id(name)


@given(st.uuids())
def test_the_text_of_a_uuid_is_a_tenant(value: UUID) -> None:
    """Many platforms name tenants so."""
    assert tenant_id(str(value)) == str(value)


@pytest.mark.parametrize("name", [None, 1, b"acme", ["acme"]])
def test_a_tenant_is_text(name: object) -> None:
    """Nothing is turned into text."""
    with pytest.raises(ValidationError):
        tenant_id(name)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("name", ["a", "x" * 256, "名前", "a b", "o'neil@example.com", "\u2028"])
def test_a_user_is_any_short_text_without_control_characters(name: str) -> None:
    """From 1 to 256 characters."""
    assert USER(name) == name


@pytest.mark.parametrize("name", ["", "x" * 257, "a\tb", "a\x7f", "a\x85b", "\0", "\ud800"])
def test_other_users_are_refused(name: str) -> None:
    """Empty, too long, or with what would break a log line."""
    with pytest.raises(ValueError, match=r"character|surrogate"):
        USER(name)


def test_a_draft_gets_what_it_lacks() -> None:
    """Tenant, id and times, and revision 1; the rest stays."""
    draft, new_id = Flow.draft(name="welcome", tags=["a"], created_by="ada"), uuid4()
    flow = draft.assigned(tenant=TenantId("acme"), new_id=new_id, at=AT)
    assert flow == Flow(
        id=new_id,
        tenant_id=TenantId("acme"),
        name="welcome",
        tags=("a",),
        created_by=draft.assigned(tenant=TenantId("x"), new_id=NIL, at=AT).created_by,
        updated_by=flow.updated_by,
        created_at=AT,
        updated_at=AT,
    )
    assert (flow.created_by, flow.updated_by) == ("ada", "ada")


def test_a_draft_keeps_an_id_that_its_author_chose() -> None:
    """Even the nil one; only an absent id is replaced."""
    for chosen in (uuid4(), NIL):
        draft = Flow.draft(name="welcome", id=chosen)
        assert draft.has_id
        assert draft.assigned(tenant=TenantId("acme"), new_id=uuid4(), at=AT).id == chosen
    assert not Flow.draft(name="welcome").has_id


def test_an_id_that_was_chosen_is_kept_as_the_plain_text_it_is() -> None:
    """As in every field, or else a store could keep it under another name."""

    class Disguised(str):
        def __format__(self, spec: str) -> str:
            return "other"

    draft = Conversation.draft(user_id="ada", id=Disguised("first"))
    made = draft.assigned(tenant=TenantId("acme"), new_id="minted", at=AT)
    assert type(made.id) is str
    assert f"{made.id}" == "first"


def test_a_draft_can_be_assigned_twice_without_a_trace() -> None:
    """It is a value: what was made of it doesn't show."""
    draft = Flow.draft(name="welcome")
    draft.assigned(tenant=TenantId("a"), new_id=uuid4(), at=AT)
    second = draft.assigned(tenant=TenantId("b"), new_id=NIL, at=AT)
    assert (second.tenant_id, second.id) == ("b", NIL)
    assert draft == Flow.draft(name="welcome")


def test_a_drafts_time_obeys_the_rule_of_times() -> None:
    """Truncated to milliseconds; a naive one is refused."""
    draft = Flow.draft(name="welcome")
    made = draft.assigned(tenant=TenantId("a"), new_id=NIL, at=AT.replace(microsecond=123_999))
    assert made.created_at == made.updated_at == AT
    with pytest.raises(ValidationError, match="created_at"):
        draft.assigned(tenant=TenantId("a"), new_id=NIL, at=AT.replace(tzinfo=None))
