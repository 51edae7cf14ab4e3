"""Criteria as MongoDB filters.

Nothing that a caller writes becomes an operator, a key or a pattern: field names are the schema's,
operands stand where only a value can, behind an operator, and where an expression could stand
within a `$literal`.

Two truth values, as in the criteria: a comparison never finds null, and a negation is a `$nor` of
what it negates. A comparison with null, on the other hand, finds what is missing too, such as a
field within a part that isn't there.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from adapters.mongo.documents import KEY, WORDS, DocumentMapper, folded, word_key
from ports.criteria import And, Comparison, Criteria, Not, Operator, Or, Pattern, Search, Words

Filter: TypeAlias = dict[str, Any]

_LAST = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = "\ud7ff", "\ue000"


def matching(criteria: Criteria, mapper: DocumentMapper[Any], tenant: str | None = None) -> Filter:
    """The filter that finds, among a tenant's documents, exactly those whose entities the criteria
    matches; empty if that is all of them.

    It says nothing of the tenant itself, but a search for words asks for that tenant's, and can't
    do without. At most four levels of BSON for each of the criteria's.
    """
    if isinstance(criteria, Comparison):
        if criteria.field.name == "id":
            assert tenant is not None, "ids are a tenant's"
            return _of_id(criteria, mapper.key(tenant, ""))
        return _comparison(criteria, mapper)
    if isinstance(criteria, Words):
        assert tenant is not None, "words are a tenant's"
        begun = [beginning(word_key(tenant, term)) for term in criteria.terms]
        return all_of([{WORDS: {"$elemMatch": each}} for each in begun])
    if isinstance(criteria, Search):
        # By parts only an entity without searchable fields is searched (`DocumentMapper`).
        return nothing() if criteria.terms else {}
    if isinstance(criteria, Search) and not mapper.schema.searchable:
        return nothing() if criteria.terms else {}
    parts = [matching(part, mapper, tenant) for part in criteria.parts]
    if isinstance(criteria, And):
        return all_of(parts)
    if isinstance(criteria, Or):
        return any_of(parts)
    assert isinstance(criteria, Not)
    return {"$nor": parts}


def nothing() -> Filter:
    """The filter that finds nothing, and reads nothing for it."""
    return {"_id": {"$in": []}}


def all_of(filters: list[Filter]) -> Filter:
    """The filter that finds what all of them find; everything, if there are none."""
    telling = [each for each in filters if each]
    return {"$and": telling} if len(telling) > 1 else telling[0] if telling else {}


def any_of(filters: list[Filter]) -> Filter:
    """The filter that finds what one of them finds; nothing, if there are none."""
    if not filters:
        return nothing()
    return {"$or": filters} if len(filters) > 1 else filters[0]


def beginning(text: str) -> Filter:
    """The range of texts that begin with `text`, by code point."""
    after = following(text)
    return {"$gte": text} if after is None else {"$gte": text, "$lt": after}


def following(prefix: str) -> str | None:
    """The first text after all that begin with `prefix`, by code point; None if there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    last = kept[-1]
    return kept[:-1] + (_AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1))


def _comparison(comparison: Comparison, mapper: DocumentMapper[Any]) -> Filter:
    name, operator, operand = comparison.field.name, comparison.operator, comparison.operand
    path = folded(name) if operator is Operator.ICONTAINS else mapper.path(name)
    return _CONDITIONS[operator](path, _plain(operand))


def _of_id(comparison: Comparison, prefix: str) -> Filter:
    """A comparison of the id, which stands in `_id` behind the tenant's prefix."""
    operator, operand = comparison.operator, _plain(comparison.operand)
    if operator is Operator.CONTAINS:
        place = {"$indexOfBytes": [f"${KEY}", {"$literal": operand}, len(prefix)]}
        return {"$expr": {"$gte": [place, 0]}}
    if operator is Operator.REGEX:
        return _matched({"$substrBytes": [f"${KEY}", len(prefix), -1]}, operand)
    if isinstance(operand, list):
        operand = [prefix + each for each in operand]
    elif operand is not None:
        operand = prefix + operand
    return _CONDITIONS[operator](KEY, operand)


def _plain(operand: Any) -> Any:
    if isinstance(operand, tuple):
        return [_plain(item) for item in operand]
    return operand.value if isinstance(operand, Enum) else operand


def _contains(path: str, part: str) -> Filter:
    # Not by `$regex`, which takes 32 KiB. In UTF-8 a text is found at the same places by bytes.
    return {"$expr": {"$gte": [{"$indexOfBytes": [f"${path}", {"$literal": part}]}, 0]}}


def _regex(path: str, pattern: Pattern) -> Filter:
    return _matched(f"${path}", pattern)


def _matched(text: Any, pattern: Pattern) -> Filter:
    # Not by `$regex`: where PCRE gives up, that finds nothing without a word, and this is an error.
    expression = {"$literal": _guarded(pattern.rendered(r"\z"))}
    return {"$expr": {"$regexMatch": {"input": text, "regex": expression}}}


_ATOMS = re.compile(r"\\.|\[(?:\\.|[^\]])*\]", re.DOTALL)
_REPEATED = re.compile(r"(.)[*+?{]", re.DOTALL)
_MATCH_LIMIT = 5_000


def _guarded(pattern: str) -> str:
    """The pattern, such that PCRE gives up on a text rather than occupy a thread of the server's.

    Two repetitions, or one of a group, may take time that grows with a power of the text's length,
    and no deadline ends it. PCRE has a limit, but where it compiled the pattern to machine code it
    hardly counts; `\\C`, in a branch that never holds, is what it can't compile.
    """
    outline = _ATOMS.sub("x", pattern).replace("(?:", "(")
    repeated = _REPEATED.findall(outline)
    if len(repeated) < 2 and ")" not in repeated:
        return pattern
    return f"(*LIMIT_MATCH={_MATCH_LIMIT})(?:{pattern})|(?!)\\C"


_CONDITIONS: Mapping[Operator, Callable[[str, Any], Filter]] = {
    Operator.EQ: lambda path, operand: {path: {"$eq": operand}},
    Operator.NE: lambda path, operand: {path: {"$nin": [operand, None]}},
    Operator.GT: lambda path, operand: {path: {"$gt": operand}},
    Operator.GTE: lambda path, operand: {path: {"$gte": operand}},
    Operator.LT: lambda path, operand: {path: {"$lt": operand}},
    Operator.LTE: lambda path, operand: {path: {"$lte": operand}},
    Operator.IN: lambda path, operands: {path: {"$in": operands}},
    Operator.NOT_IN: lambda path, operands: {path: {"$nin": [*operands, None]}},
    Operator.CONTAINS: _contains,
    Operator.ICONTAINS: _contains,
    Operator.STARTSWITH: lambda path, operand: {path: beginning(operand)},
    Operator.REGEX: _regex,
    Operator.IS_NULL: lambda path, _: {path: {"$eq": None}},
    Operator.IS_NOT_NULL: lambda path, _: {path: {"$ne": None}},
    Operator.SIZE: lambda path, operand: {path: {"$size": operand}},
    Operator.ANY_OF: lambda path, operands: {path: {"$in": operands}},
    Operator.ALL_OF: lambda path, operands: (
        {path: {"$all": operands}} if operands else {path: {"$ne": None}}
    ),
}
