"""What of an entity can be asked, ordered, patched and must be unique: declared once a type.

Every store and the criteria read the same schema, so that they can't disagree about it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError, key_step
from domain.identity import Entry, TenantId, UserId
from domain.lifecycle import Lifecycle
from domain.rules import Rule, checked, day, flag, instant, number, one_of, text, uuid, whole
from domain.text import fold
from domain.words import words
from ports.errors import InvalidQueryError, TenantMismatchError

E = TypeVar("E", bound=Entry)


class Kind(StrEnum):
    """What a field holds, as far as criteria and orders care."""

    TEXT = "text"
    ENUM = "enum"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    UUID = "uuid"
    INSTANT = "instant"
    DATE = "date"
    TEXTS = "texts"
    """A list of texts."""


class SearchBy(StrEnum):
    """How a search finds its terms."""

    PARTS = "parts"
    """Anywhere in the folded text, as parts of words too; terms are cut at white space."""
    WORDS = "words"
    """As the beginnings of words; both are cut as `domain.words` says."""


_TEXT_FORMS: Mapping[Kind, Callable[[str], object]] = {
    Kind.UUID: UUID,
    Kind.INSTANT: datetime.fromisoformat,
    Kind.DATE: date.fromisoformat,
}
_RULES: Mapping[Kind, Rule] = {
    Kind.TEXT: text(1_000_000),
    Kind.TEXTS: text(1_000_000),
    Kind.INTEGER: whole(-(2**63), 2**63 - 1),
    Kind.NUMBER: number(),
    Kind.BOOLEAN: flag,
    Kind.UUID: uuid,
    Kind.INSTANT: instant,
    Kind.DATE: day,
}


@attrs.frozen(eq=False)
class FieldSchema:
    """A field that criteria may name. One object a field: compared by identity.

    `folded`: stores keep the folded text beside it, so that `icontains` and `ilike` work.
    """

    name: str
    kind: Kind
    nullable: bool = attrs.field(default=False, kw_only=True)
    sortable: bool = attrs.field(default=False, kw_only=True)
    folded: bool = attrs.field(default=False, kw_only=True)
    members: type[Enum] | None = attrs.field(default=None, kw_only=True)

    def operand(self, candidate: object) -> Any:
        """`candidate` as a value of this field; ids, times and enum members may be given as text.

        Raises:
            InvalidQueryError: if it is of another type.
        """
        form = _TEXT_FORMS.get(self.kind)
        if form is not None and isinstance(candidate, str):
            try:
                candidate = form(candidate)
            except ValueError:  # which quotes the candidate
                raise InvalidQueryError(f"{self.name}: the operand is no {self.kind}") from None
        rule = one_of(self.members) if self.members is not None else _RULES[self.kind]
        try:
            return rule(candidate)
        except ValueError as error:
            raise InvalidQueryError(f"{self.name}: the operand {error}") from None


@attrs.frozen(cache_hash=True)
class Unique:
    """Fields that are unique together in a tenant; `where` narrows it to entities so flagged."""

    fields: tuple[str, ...]
    where: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """How a `DuplicateEntityError` names it."""
        return self.fields if self.where is None else (*self.fields, self.where)


def shown(name: object) -> str:
    """A caller's name for something, in a message: cut, escaped, never a whole document."""
    return repr(name[:50]) if isinstance(name, str) else f"of type {type(name).__name__}"


def _by_name(fields: Iterable[FieldSchema]) -> Mapping[str, FieldSchema]:
    return {field.name: field for field in fields}


@attrs.frozen(kw_only=True, eq=False)
class EntitySchema(Generic[E]):
    """All that a repository needs to know about a type of entity.

    `patchable`: fields that are right by themselves and may be set without reading the entity.
    `maintained`: fields that the store counts; updates leave them as they stand, so no rule between
    fields of the entity may speak of one.
    `searchable`: the text fields that a search looks through, `search_by`: in which way.
    """

    entity: type[E]
    name: str
    fields: Mapping[str, FieldSchema] = attrs.field(converter=_by_name)
    unique: tuple[Unique, ...] = ()
    patchable: frozenset[str] = frozenset()
    maintained: frozenset[str] = frozenset()
    searchable: tuple[str, ...] = ()
    search_by: SearchBy = SearchBy.PARTS
    lifecycle: Lifecycle[Any] | None = None
    user: str | None = attrs.field(init=False)
    """The field that names the user whose it is, if entities have one: `user_id`."""

    @user.default
    def _user(self) -> str | None:
        kind: Any = self.entity
        return "user_id" if "user_id" in attrs.fields_dict(kind) else None

    def users_of(self, entities: Iterable[Any]) -> Iterable[UserId]:
        """The users whose entities these are; some may come twice."""
        name = self.user
        if name is None:
            return ()
        return [user for each in entities if (user := getattr(each, name)) is not None]

    def field(self, name: str) -> FieldSchema:
        """The field of that name.

        Raises:
            InvalidQueryError: if none is declared; never ignored.
        """
        try:
            return self.fields[name]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self.fields))
            raise InvalidQueryError(
                f"{self.name} has no field {shown(name)} to ask for; it has {known}"
            ) from None

    def check_id(self, candidate: object) -> Any:
        """An id as the entity would keep it.

        Raises:
            ValidationError: if it can't be one.
        """
        return checked(self.entity, "id", candidate)

    def check_patch(self, changes: Mapping[str, object]) -> dict[str, Any]:
        """Changes as the entity would keep them.

        Raises:
            ValidationError: naming every field that may not be patched or isn't admitted.
        """
        faults: list[Fault] = []
        kept: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in self.patchable:
                faults.append(Fault(key_step(name), "can't be patched"))
                continue
            try:
                kept[name] = checked(self.entity, name, value)
            except ValidationError as error:
                faults.extend(error.faults)
        if not changes:
            faults.append(Fault("", "a patch must change something"))
        if faults:
            raise ValidationError(self.name, faults)
        return kept

    def own(self, entity: E, tenant: TenantId) -> E:
        """`entity`, if it is one of `tenant`'s.

        Raises:
            ValidationError: if it isn't this kind of entity at all.
            TenantMismatchError: if it is another tenant's.
        """
        if not isinstance(entity, self.entity):
            raise ValidationError(
                self.name, [Fault("", f"must be a {self.entity.__name__} or a draft of one")]
            )
        if entity.tenant_id != tenant:
            raise TenantMismatchError(self.name, tenant)
        return entity

    def in_writing_order(self, entities: Iterable[E]) -> list[E]:
        """Entities in the order of the unique key on which they are most likely to meet.

        Two lists with keys in common then meet at the first of them, and their writers never wait
        each for the other.
        """
        plain = next((unique.fields for unique in self.unique if unique.where is None), ("id",))
        return sorted(entities, key=lambda entity: [str(getattr(entity, name)) for name in plain])

    def search_text(self, entity: E) -> str:
        """What a search looks through: the folded searchable fields, a line each."""
        return search_text(getattr(entity, name) for name in self.searchable)

    def search_words(self, entity: E) -> frozenset[str]:
        """What a search by words looks through: all words of the searchable fields."""
        texts: list[str | None] = []
        for name in self.searchable:
            value = getattr(entity, name)
            texts.extend((value,) if value is None or isinstance(value, str) else value)
        return words(texts)


def search_text(values: Iterable[str | Sequence[str] | None]) -> str:
    """Texts folded, a line each; no search term crosses a line, since no term holds white space."""
    lines: list[str] = []
    for value in values:
        if isinstance(value, str):
            lines.append(fold(value))
        elif value is not None:
            lines.extend(map(fold, value))
    return "\n".join(lines)
