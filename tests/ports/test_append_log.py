"""Appends: by what one is recognised when it comes again."""

import attrs

from domain.identity import EntryDraft
from domain.messages import Message, MessageContent
from domain.rules import optional, rule, text
from ports.append_log import digest_of


@attrs.frozen(kw_only=True, slots=False)
class LaterContent(MessageContent):
    """A content as a later version may have it."""

    mood: str | None = attrs.field(default=None, metadata=rule(optional(text(10))))


@attrs.frozen(kw_only=True, slots=False)
class LaterMessage(Message):
    """A message as a later version may have it."""

    thread: str | None = attrs.field(default=None, metadata=rule(optional(text(10))))


def later(draft: EntryDraft[Message], thread: str | None, mood: str | None) -> EntryDraft[Message]:
    """The same draft, made by a later version."""
    given = vars(draft.provisional)
    content = LaterContent(**vars(given["content"]), mood=mood)
    made = LaterMessage(**{**given, "content": content}, thread=thread)
    return attrs.evolve(draft, provisional=made)


def test_an_append_is_the_same_to_a_version_that_knows_more_fields() -> None:
    """One that began before a service was updated may be tried again after it."""
    draft = Message.draft("a", payload={"n": None}, sender="ada")
    assert digest_of([later(draft, None, None)]) == digest_of([draft])
    others = {digest_of([later(draft, "x", None)]), digest_of([later(draft, None, "x")])}
    assert len(others | {digest_of([draft])}) == 3


def test_what_a_caller_wrote_tells_appends_apart() -> None:
    """What is left out is not what is null, and one draft not two."""
    payloads: list[dict[str, object]] = [
        {},
        {"n": None},
        {"n": 0},
        {"n": 0.0},
        {"n": -0.0},
        {"n": False},
    ]
    drafts = [[Message.draft(payload=payload)] for payload in payloads]
    drafts += [drafts[0] * 2, [Message.draft("")], [Message.draft("", type="image")]]
    assert len({digest_of(each) for each in drafts}) == len(drafts)
