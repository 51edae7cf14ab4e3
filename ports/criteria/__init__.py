"""Criteria: an immutable, closed tree of conditions whose meaning is defined here, once.

`parse` reads one from plain JSON, `where` builds one in Python; either refuses an unknown field,
an unknown operator or an operand of the wrong type at once. Every node says with
`matches(entity)` what it means, and every store's translation must agree with that.

A comparison with a null field is false (`ne` and `not_in` included): only `is_null` finds it. Text
compares by code point. `in` of an empty list finds nothing.
"""

from ports.criteria.build import CriteriaLike, FieldConditions, Where, coerce, parse
from ports.criteria.nodes import And, Comparison, Criteria, Not, Operator, Or, Search, Words
from ports.criteria.regex import Pattern

__all__ = [
    "And",
    "Comparison",
    "Criteria",
    "CriteriaLike",
    "FieldConditions",
    "Not",
    "Operator",
    "Or",
    "Pattern",
    "Search",
    "Where",
    "Words",
    "coerce",
    "parse",
]
