"""Secrets show themselves to nobody who doesn't ask."""

import copy
import json
import pickle
import pprint
import traceback
from base64 import b64encode
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import orjson
import pytest
from hypothesis import given

from domain.documents import JsonObject
from domain.errors import ValidationError
from domain.secrets import MAX_SECRET_BYTES, Secret
from tests.domain.values import JSON_OBJECTS, texts

HIDDEN = "hunter2"
SECRET = Secret({"password": HIDDEN})


@attrs.frozen
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{!r}".format, ascii, pprint.pformat],
    ids=lambda show: getattr(show, "__name__", "format"),
)
def test_a_secret_is_shown_as_a_mask(show: Any) -> None:
    """By itself, and in whatever holds it."""
    assert show(SECRET) == f"{SECRET:>11}" == "Secret(***)"
    for holder in ([SECRET], {"a": SECRET}, Holder(SECRET), attrs.asdict(Holder(SECRET))):
        assert HIDDEN not in show(holder)


@pytest.mark.parametrize(
    "encode",
    [json.dumps, orjson.dumps, pickle.dumps, vars, iter, len, bytes, dict],
    ids=lambda encode: encode.__name__,
)
def test_nothing_takes_a_secret_apart(encode: Any) -> None:
    """And the refusal doesn't tell it either."""
    with pytest.raises(TypeError) as told:
        encode(SECRET)
    assert HIDDEN not in "".join(traceback.format_exception(told.value))


def test_a_secret_is_told_to_who_asks() -> None:
    """As it was given; a copy is itself."""
    assert SECRET.reveal() == {"password": HIDDEN}
    assert type(SECRET.reveal()) is JsonObject
    assert copy.copy(SECRET) is copy.deepcopy(Holder(SECRET)).secret is SECRET


@given(JSON_OBJECTS, JSON_OBJECTS)
def test_secrets_are_equal_by_their_content(one: JsonObject, other: JsonObject) -> None:
    """To the letter, whatever the order of the keys; the hash tells nothing."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (Secret(one) == Secret(other)) is same
    assert Secret(one) == Secret(dict(reversed(one.items())))
    assert hash(Secret(one)) == hash(Secret(other))
    assert Secret(one) != one


def test_a_number_and_its_fraction_are_two_secrets() -> None:
    """As everywhere in documents."""
    assert Secret({"n": 3}) != Secret({"n": 3.0})


def test_a_secret_can_not_be_changed() -> None:
    """Nor can it be made anew in its place."""
    made: Any = Secret({"a": 1})
    for change in (
        lambda: setattr(made, "_content", dict),
        lambda: setattr(made, "more", 1),
        lambda: delattr(made, "_content"),
        lambda: made.__init__({"a": 2}),
    ):
        with pytest.raises(AttributeError):
            change()
    assert made.reveal() == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [
        HIDDEN,
        None,
        [HIDDEN],
        {HIDDEN: object()},
        {HIDDEN: {HIDDEN: float("nan")}},
        {"a": HIDDEN + "\x00"},
        {"a": HIDDEN * MAX_SECRET_BYTES},
    ],
    ids=lambda content: type(content).__name__,
)
def test_what_can_be_no_secret_is_refused_without_showing_it(content: Any) -> None:
    """Not even by a path, what is secret may stand in a key by mistake; nor by the variables of a
    traceback's frames, which some print.
    """
    with pytest.raises(ValidationError) as told:
        Secret(content)
    _, *inner = told.traceback
    assert not any(HIDDEN in repr(entry.frame.f_locals) for entry in inner)
    assert HIDDEN not in str(told.value)
    assert told.value.__context__ is None
    assert HIDDEN not in repr(told.value.faults)


def test_a_secret_may_be_as_large_as_its_limit() -> None:
    """And no larger."""
    full = "x" * (MAX_SECRET_BYTES - len('{"a":""}'))
    assert Secret({"a": full}).reveal() == {"a": full}
    with pytest.raises(ValidationError):
        Secret({"a": full + "x"})


def test_a_deferred_secret_is_asked_each_time() -> None:
    """Nothing of it is kept; what its source raises comes through."""
    answers = iter([JsonObject.of({"a": 1}), JsonObject.of({"a": 2})])
    deferred = Secret.deferred(lambda: next(answers), "origin")
    assert (deferred.reveal(), deferred.reveal()) == ({"a": 1}, {"a": 2})
    assert deferred.origin == "origin"
    assert deferred == deferred  # without asking
    with pytest.raises(StopIteration):
        deferred.reveal()


_HELD = texts(1, 20).filter(lambda text: "*" not in text)


@given(_HELD, _HELD, texts(), texts())
def test_a_text_loses_what_a_secret_holds(
    user: str, password: str, before: str, after: str
) -> None:
    """In every form in which it is usually sent."""
    secret = Secret({"user": user, "nested": [{"password": password}]})
    for form in (
        password,
        json.dumps(password)[1:-1],
        quote(password),
        quote(password, safe=""),
        quote_plus(password),
        b64encode(password.encode()).decode(),
        b64encode(f"{user}:{password}".encode()).decode(),
    ):
        assert form.rstrip("=") not in secret.masked(before + form + after)


def test_a_document_loses_what_a_secret_holds() -> None:
    """Keys and numbers included; what isn't of it stays, and so does its form."""
    secret = Secret({"password": HIDDEN, "pin": 1234, "flag": True, "none": None, "empty": ""})
    document = {"a": [f"x {HIDDEN}", 1234, 12345, True, None, 1.5], HIDDEN: {"b": "ok"}}
    assert secret.masked(document) == {
        "a": ["x ***", "***", 12345, True, None, 1.5],
        "***": {"b": "ok"},
    }
    assert Secret({}).masked("anything") == "anything"
