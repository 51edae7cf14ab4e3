"""Messages: what a content may be, drafts, and what redacting leaves."""

from typing import Any

import pytest
from attrs import evolve

from domain.documents import EMPTY, JsonObject
from domain.errors import ValidationError
from domain.identity import TenantId
from domain.messages import (
    MAX_TEXT,
    REDACTED,
    Attachment,
    ContentType,
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    MessageContent,
    Moderation,
    QuickReply,
    RecognizedEntity,
)
from tests.domain.values import AT

LATER = AT.replace(year=2027)
SECRET = JsonObject.of({"trace": "secret"})


def message(**fields: Any) -> Message:
    """A message, of text unless said otherwise."""
    return Message(
        **{
            "id": "m",
            "tenant_id": TenantId("acme"),
            "conversation_id": "talk",
            "sequence": 1,
            "direction": Direction.INBOUND,
            "content": MessageContent(text="hello"),
            "at": AT,
            **fields,
        }
    )


def test_a_text_message_has_a_text() -> None:
    """Which may be empty; every other kind may do without."""
    assert MessageContent(text="").text == ""
    with pytest.raises(ValidationError, match="text: is missing"):
        MessageContent()
    for kind in set(ContentType) - {ContentType.TEXT}:
        assert MessageContent(type=kind).text is None


def test_a_text_has_its_limit() -> None:
    """Of characters, whatever they take in bytes."""
    assert MessageContent(text="😀" * MAX_TEXT).text == "😀" * MAX_TEXT
    with pytest.raises(ValidationError, match="text: must have 0 to 16384 characters"):
        MessageContent(text="x" * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    ("field", "one"),
    [("quick_replies", QuickReply(title="yes")), ("attachments", Attachment(url="u"))],
)
def test_ten_of_each_go_with_a_message(field: str, one: Any) -> None:
    """No more, and nothing else."""
    ten: Any = {field: [one] * 10}
    assert getattr(MessageContent(text="", **ten), field) == (one,) * 10
    for wrong in ([one] * 11, [{"title": "yes"}], "yes", None):
        given: Any = {field: wrong}
        with pytest.raises(ValidationError, match=field):
            MessageContent(text="", **given)


def test_a_redacted_content_is_empty() -> None:
    """With anything in it, it is refused; the empty one equals what redacting leaves."""
    assert MessageContent(type=ContentType.REDACTED) == REDACTED
    with pytest.raises(ValidationError, match="type: is redacted"):
        MessageContent(type=ContentType.REDACTED, text="hello")


def test_a_message_is_redacted_exactly_when_it_has_the_time() -> None:
    """One without the other is refused; so a draft can't be redacted."""
    assert message(content=REDACTED, deleted_at=AT).content == REDACTED
    with pytest.raises(ValidationError, match="deleted_at"):
        message(content=REDACTED)
    with pytest.raises(ValidationError, match="deleted_at"):
        message(deleted_at=AT)
    with pytest.raises(ValidationError, match="deleted_at"):
        Message.draft(content=REDACTED)


def test_nothing_is_understood_of_what_was_redacted() -> None:
    """Whichever way the message was made."""
    redacted = message().redacted(at=AT)
    with pytest.raises(ValidationError, match="analysis: is of a content that was redacted"):
        evolve(redacted, analysis=MessageAnalysis(intent="greet"))


def test_redacting_leaves_who_and_when() -> None:
    """And findings without their details; content and what was understood are gone."""
    before = message(
        sender="ada",
        idempotency_key="k",
        analysis=MessageAnalysis(intent="secret", sentiment=-1),
        generation=Generation(model="m", prompt_tokens=3, metadata=SECRET),
        moderation=Moderation(flagged=True, categories=("spam",), metadata=SECRET),
    )
    redacted = before.redacted(at=LATER)
    assert redacted == evolve(
        before,
        content=REDACTED,
        analysis=None,
        generation=Generation(model="m", prompt_tokens=3),
        moderation=Moderation(flagged=True, categories=("spam",)),
        deleted_at=LATER,
    )
    assert "secret" not in repr(redacted)
    assert (redacted.text, redacted.intent, redacted.confidence) == (None, None, None)
    assert redacted.content_type is ContentType.REDACTED


def test_redacting_again_changes_nothing() -> None:
    """Neither the time, nor the object."""
    redacted = message().redacted(at=AT)
    assert redacted.redacted(at=LATER) is redacted


def test_what_lies_deep_is_read_from_the_message() -> None:
    """Text, type, intent and confidence; None where nothing was understood."""
    understood = message(analysis=MessageAnalysis(intent="greet", confidence=1))
    assert (understood.text, understood.content_type) == ("hello", ContentType.TEXT)
    assert (understood.intent, understood.confidence) == ("greet", 1.0)
    assert (message().intent, message().confidence) == (None, None)


def test_a_plain_draft_is_a_text_of_the_user() -> None:
    """Without a text it is an event; a type may be named, or a whole content given."""
    assert Message.draft("hello").provisional.content == MessageContent(text="hello")
    assert Message.draft("hello").provisional.direction is Direction.INBOUND
    event = Message.draft(payload={"tool": "x"}).provisional
    assert (event.content_type, event.text) == (ContentType.EVENT, None)
    assert Message.draft("look", type="image").provisional.content_type is ContentType.IMAGE
    content = MessageContent(type=ContentType.CARD, payload=SECRET)
    assert Message.draft(content=content).provisional.content is content


def test_a_draft_takes_its_place_when_it_is_appended() -> None:
    """An id and a time that were chosen stay; the others are given."""
    place = {"tenant_id": TenantId("acme"), "conversation_id": "talk", "sequence": 7}
    given = Message.draft("a").placed(at=LATER, new_id="minted", **place)
    assert (given.id, given.at, given.sequence) == ("minted", LATER, 7)
    chosen = Message.draft("a", id="mine", at=AT).placed(at=LATER, new_id="minted", **place)
    assert (chosen.id, chosen.at, chosen.conversation_id) == ("mine", AT, "talk")


def test_a_draft_names_all_its_faulty_fields_at_once() -> None:
    """As a message does."""
    wrong: Any = {"intent": "greet"}
    with pytest.raises(ValidationError) as caught:
        Message.draft("a", direction="sideways", sender="a\n", channel="pigeon", analysis=wrong)
    assert {fault.path for fault in caught.value.faults} == {
        "direction",
        "sender",
        "channel",
        "analysis",
    }


def test_a_draft_names_the_faults_of_its_content_beside_the_others() -> None:
    """Text, payload and so on are arguments like the rest."""
    wrong: Any = {1: 2}
    with pytest.raises(ValidationError) as caught:
        Message.draft("a\0", payload=wrong, sender="", id="")
    assert {fault.path for fault in caught.value.faults} == {"text", "payload", "sender", "id"}


@pytest.mark.parametrize(
    "part",
    [
        {"text": "a"},
        {"text": ""},
        {"type": "card"},
        {"payload": {"a": 1}},
        {"attachments": [Attachment(url="u")]},
        {"quick_replies": [QuickReply(title="yes")]},
    ],
)
def test_a_draft_takes_a_content_or_its_parts(part: dict[str, Any]) -> None:
    """Not both, of which one would be dropped without a word."""
    with pytest.raises(ValidationError, match="content: is given, and so is a part of it"):
        Message.draft(content=MessageContent(text="b"), **part)


def test_an_entity_does_not_end_before_it_starts() -> None:
    """It may be empty, and either may be unknown."""
    assert RecognizedEntity(type="city", value="", start=5, end=5).end == 5
    assert RecognizedEntity(type="city", value="Rome", end=4).start is None
    with pytest.raises(ValidationError, match="end: lies before start"):
        RecognizedEntity(type="city", value="Rome", start=5, end=4)


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.1}, {"confidence": -0.1}, {"sentiment": -1.1}, {"intent": ""}]
)
def test_an_analysis_keeps_within_its_bounds(wrong: dict[str, Any]) -> None:
    """Confidence from 0 to 1, sentiment from -1 to 1; an intent has a name."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        MessageAnalysis(**wrong)


def test_nothing_of_a_message_can_be_changed_in_place() -> None:
    """Its documents least of all."""
    given = {"n": [1]}
    draft = Message.draft("a", payload=given)
    given["n"].append(2)
    payload: Any = draft.provisional.content.payload
    assert list(payload["n"]) == [1]
    with pytest.raises(TypeError):
        payload["n"] = 2
    assert message().content.payload == EMPTY
