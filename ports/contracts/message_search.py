"""Search: every term begins a word of the text, in any script; newest first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import Message
from domain.words import terms
from ports.contracts.dialogues import begun, said, say, texts
from ports.contracts.harness import Backend, contract, examples, raised_by_each
from ports.contracts.queries import parts
from ports.contracts.strategies import HOSTILE, text
from ports.errors import InvalidQueryError
from ports.paging import Order
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)

TEXTS = {
    "greeting": "Hello, wonderful World!",
    "german": "Die Straße ist lang",
    "capitals": "AM WEISSEN STRAND",
    "wide": "Ｆｕｌｌ ｗｉｄｔｈ １２３",
    "composed": "Caf\u00e9 ol\u00e9",
    "decomposed": "Cafe\u0301 au lait",
    "plain": "cafeteria",
    "ligature": "o\ufb03ce ﬁle",
    "greek": "ΟΔΟΣ",
    "chinese": "我想订酒店，谢谢",
    "mixed": "订iPhone15手机",
    "japanese": "東京タワーに行きたい",
    "halfwidth": "ﾄｳｷｮｳ",
    "thai": "สวัสดีครับ",
    "korean": "안녕하세요 세계",
    "emoji": "great 😀👍",
    "snake": "snake_case_name",
    "contraction": "it's 3.5 o'clock",
    "mail": "write to ada.l@example.com #urgent",
    "money": "€20 or $30",
    "arabic": "مرحبا بالعالم",
    "hindi": "नमस्ते दुनिया",
    "long": "x" * 100 + " tail",
}

SEARCHES = {
    "hello": ["greeting"],
    "HELLO": ["greeting"],
    "wor": ["greeting"],
    "world hello": ["greeting"],
    "wo he": ["greeting"],
    "hello, WORLD!": ["greeting"],
    "hello-world": ["greeting"],
    "hello hello": ["greeting"],
    "orld": [],
    "hello there": [],
    "worldly": [],
    "helloworld": [],
    "Straße": ["german"],
    "STRASSE": ["german"],
    "strass": ["german"],
    "stra": ["german", "capitals"],
    "weißen": ["capitals"],
    "full": ["wide"],
    "ＷＩＤ": ["wide"],
    "123": ["wide"],
    "café": ["composed", "decomposed"],
    "cafe\u0301": ["composed", "decomposed"],
    "CAFÉ": ["composed", "decomposed"],
    "caf": ["composed", "decomposed", "plain"],
    "cafe": ["plain"],
    "office": ["ligature"],
    "FILE": ["ligature"],
    "οδος": ["greek"],
    "οδοσ": ["greek"],
    "酒店": ["chinese"],
    "酒": ["chinese"],
    "店": ["chinese"],
    "我想订酒店": ["chinese"],
    "谢谢 酒店": ["chinese"],
    "想酒": [],
    "酒店订": [],
    "酒店谢": [],
    "订": ["chinese", "mixed"],
    "iphone": ["mixed"],
    "手机": ["mixed"],
    "15": [],
    "東京": ["japanese"],
    "タワー": ["japanese"],
    "京タ": ["japanese"],
    "行きたい": ["japanese"],
    "い": ["japanese"],
    "東ワ": [],
    "トウキョウ": ["halfwidth"],
    "สวัสดี": ["thai"],
    "ครับ": ["thai"],
    "รับ": ["thai"],
    "안녕": ["korean"],
    "세": ["korean"],
    "녕하": [],
    "😀": ["emoji"],
    "👍": ["emoji"],
    "👍😀": ["emoji"],
    "gre😀": ["emoji"],
    "🎉": [],
    "case": ["snake"],
    "snake_case": ["snake"],
    "name_snake": ["snake"],
    "snakecase": [],
    "it": ["contraction"],
    "it’s": ["contraction"],
    "3.5": ["contraction"],
    "35": [],
    "clock": ["contraction"],
    "ada.l@example.com": ["mail"],
    "example": ["mail"],
    "@exam": ["mail"],
    "#urgent": ["mail"],
    "$20": ["money"],
    "مرحبا": ["arabic"],
    "مرح": ["arabic"],
    "رحبا": [],
    "नमस्ते": ["hindi"],
    "नमस्": ["hindi"],
    "x" * 64: ["long"],
    "x" * 80: ["long"],
    "x" * 100 + " tail": ["long"],
    "x" * 63 + "y": [],
}


@contract
async def test_a_search_finds_what_the_rule_of_words_says(scope: TenantScope) -> None:
    """Beginnings of words, all of them, whatever case and form; neighbours in unspaced scripts."""
    talk = await begun(scope)
    drafts = [Message.draft(held, id=name) for name, held in TEXTS.items()]
    await scope.messages.append(talk.id, drafts)
    for query, expected in SEARCHES.items():
        found = {message.id for message in (await scope.messages.search(query)).items}
        assert found == set(expected), query


@given(data=st.data())
@examples(0.4)
@contract
async def test_a_search_agrees_with_its_definition(scope: TenantScope, data: st.DataObject) -> None:
    """Any words, over any texts: those that match, newest first, then by id downwards."""
    talk = await begun(scope)
    kept = data.draw(
        st.lists(text(40) | st.sampled_from([*TEXTS.values()]), min_size=1, max_size=5)
    )
    times = st.sampled_from([TIME, TIME + timedelta(milliseconds=1)])
    drafts = [Message.draft(one, at=data.draw(times)) for one in kept]
    stored = await scope.messages.append(talk.id, drafts)
    newest = Order.of("-at", scope.messages.schema).sorted(stored)
    pieces = st.sampled_from(kept).flatmap(parts) | st.sampled_from(kept) | text(6)
    queries = st.lists(pieces, max_size=2).map(" ".join).filter(_can_be_asked)
    for query in data.draw(st.lists(queries, min_size=3, max_size=6)):
        wanted = scope.messages.where.search(query)
        expected = [message.id for message in newest if wanted.matches(message)]
        found = (await scope.messages.search(query)).items
        assert [message.id for message in found] == expected
        assert await scope.messages.count(wanted) == len(expected)


def _can_be_asked(query: str) -> bool:
    return len(query) <= 1_000 and (not query.strip() or 1 <= len(terms(query)) <= 20)


@pytest.mark.parametrize("sample", HOSTILE, ids=ascii)
@contract
async def test_hostile_text_is_text(scope: TenantScope, sample: str) -> None:
    """It is found by itself, in whatever it stands, and finds nothing that lacks it."""
    talk = await begun(scope)
    await say(scope, talk, f"before {sample} after", "neither")
    if terms(sample):
        assert texts((await scope.messages.search(sample)).items) == [f"before {sample} after"]
    assert texts((await scope.messages.search("neith")).items) == ["neither"]
    assert texts((await scope.messages.search("aft bef")).items) == [f"before {sample} after"]


@pytest.mark.parametrize("query", ["", " ", "\n\t \u3000"], ids=ascii)
@contract
async def test_a_blank_search_finds_every_message(scope: TenantScope, query: str) -> None:
    """Those without text too, and those that were redacted."""
    talk = await begun(scope)
    one, *_ = await scope.messages.append(talk.id, [*said("a", "?!"), Message.draft()])
    await scope.messages.redact(one.id)
    assert len((await scope.messages.search(query)).items) == 3


@contract
async def test_a_search_without_meaning_is_refused(scope: TenantScope) -> None:
    """Signs alone, too much, and what is no text; nothing is found instead."""
    talk = await begun(scope)
    await say(scope, talk, "?! ... _ a")
    search: Any = scope.messages.search
    wrong = [
        *("?!", "...", "_", "$", "%", "* -", "\u200b", "'"),
        "a" * 1_001,
        " ".join(f"{n}" for n in range(21)),
        *("a\x00", "\ud83d", None, 1, b"a", ["a"]),
    ]
    for error, query in zip(
        await raised_by_each(*(search(query) for query in wrong)), wrong, strict=True
    ):
        assert isinstance(error, InvalidQueryError), query
    for error in await raised_by_each(
        search("a", direction="sideways"),
        search("a", conversation_id=1),
        search("a", limit=0),
        search("a", after="no cursor"),
    ):
        assert isinstance(error, InvalidQueryError)
    assert len((await search(" ".join(["a"] * 21))).items) == 1  # one term


@contract
async def test_a_search_is_narrowed_before_it_is_cut(scope: TenantScope) -> None:
    """To a conversation, to a direction, to both."""
    one, two = await begun(scope), await begun(scope)
    for talk, name in ((one, "one"), (two, "two")):
        for direction in ("inbound", "outbound", "system"):
            await say(scope, talk, f"hello {name} {direction}", direction=direction)

    async def found(limit: int = 50, **named: Any) -> set[str | None]:
        return set(texts((await scope.messages.search("hello", limit=limit, **named)).items))

    assert len(await found()) == 6
    assert await found(3, conversation_id=one.id) == {
        "hello one inbound",
        "hello one outbound",
        "hello one system",
    }
    assert await found(2, direction="inbound") == {"hello one inbound", "hello two inbound"}
    assert await found(1, conversation_id=two.id, direction="system") == {"hello two system"}
    assert await found(conversation_id="nobody's") == set()


@contract
async def test_found_messages_come_newest_first_page_by_page(backend: Backend) -> None:
    """By the time at which they were said; what is said meanwhile shifts nothing."""
    here, there = backend.rivals()
    talk = await begun(here)
    minutes = [5, 1, 9, 3, 7, 0, 8]
    for minute in minutes:
        await say(here, talk, f"hello {minute}", "other", at=TIME + timedelta(minutes=minute))
    seen, cursor = list[str | None](), None
    while True:
        page = await there.messages.search("hello", after=cursor, limit=2)
        seen += texts(page.items)
        cursor = page.next
        if cursor is None:
            break
        await say(here, talk, "hello newer", at=TIME + timedelta(days=1))
    assert seen == [f"hello {minute}" for minute in sorted(minutes, reverse=True)]


@contract
async def test_a_cursor_is_of_one_search(backend: Backend) -> None:
    """Of its words, its bounds and its tenant; of no other."""
    scope, other = backend.fresh(), backend.fresh()
    talk = await begun(scope)
    await say(scope, talk, "hello", "hello")
    cursor = (await scope.messages.search("hello", limit=1)).next
    assert len((await scope.messages.search("hello", after=cursor)).items) == 1
    for error in await raised_by_each(
        scope.messages.search("hell", after=cursor),
        scope.messages.search("hello", conversation_id=talk.id, after=cursor),
        scope.messages.search("hello", direction="inbound", after=cursor),
        other.messages.search("hello", after=cursor),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_only_what_was_said_is_searched(scope: TenantScope) -> None:
    """The text: no payload, no sender, no id."""
    talk = await begun(scope)
    await say(scope, talk, "said", sender="sender", payload={"held": "held"}, id="named")
    assert len((await scope.messages.search("said")).items) == 1
    for query in ("sender", "held", "named", "inbound", "text"):
        assert (await scope.messages.search(query)).items == ()


@contract
async def test_every_word_of_a_long_text_is_found(scope: TenantScope) -> None:
    """The first and the last of thousands, in scripts with spaces and without."""
    talk = await begun(scope)
    numbered = " ".join(f"w{n}" for n in range(2_500))[:16_384]
    await say(scope, talk, numbered, "".join(chr(0x4E00 + n) for n in range(5_000)))
    last = numbered.split()[-2]
    for query in ("w0", last, f"{last} w0 w1200"):
        assert texts((await scope.messages.search(query)).items) == [numbered], query
    for start in (0, 2_500, 4_997):
        query = "".join(chr(0x4E00 + n) for n in range(start, start + 3))
        assert len((await scope.messages.search(query)).items) == 1


@contract
async def test_another_tenants_words_are_not_found(backend: Backend) -> None:
    """Whatever the conversation is called."""
    one, two = backend.fresh(), backend.fresh()
    for scope in (one, two):
        await say(scope, await begun(scope, "same"), f"hello {scope.tenant}")
    for scope in (one, two):
        for page in (
            await scope.messages.search("hello"),
            await scope.messages.search("hello", conversation_id="same"),
        ):
            assert texts(page.items) == [f"hello {scope.tenant}"]


@contract
async def test_what_was_deleted_is_not_found(scope: TenantScope) -> None:
    """With its conversation; that of others stays."""
    one, two = await begun(scope), await begun(scope)
    await say(scope, one, "hello one")
    await say(scope, two, "hello two")
    await scope.conversations.delete(one.id)
    assert texts((await scope.messages.search("hello")).items) == ["hello two"]
