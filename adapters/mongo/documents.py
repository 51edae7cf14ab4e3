"""Documents to entities and back, by what was worked out once from the entity's fields.

An entity is one document: `_id` is `<tenant>!<id>`, every other field has its own name, null if it
is None. `!` comes before every character that a tenant's name may have, so `_id` orders by tenant
and then by id, and a tenant's documents are the range from `<tenant>!` to `<tenant>"`.

Beside the fields stand companions, which are derived from them and make them searchable:
`folded_<field>` where the schema keeps a field folded, and `words` where it is searched by words:
`<tenant>!<word>`, sorted. (So an index of the words alone holds a tenant's together. In one of
tenant and words, MongoDB would narrow by the first of several words, not by the rarest.) What else
a document holds (the log's own marks) isn't read here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

import attrs

from adapters.mongo.values import UNREADABLE, Codec, codec, compiled
from domain.identity import Entry
from domain.rules import restored
from domain.text import fold
from domain.words import words
from ports.errors import CorruptRecordError
from ports.schema import EntitySchema, SearchBy

E = TypeVar("E", bound=Entry)
KEY = "_id"
WORDS = "words"
_DIVIDER = "!"
_AFTER_DIVIDER = '"'


def folded(name: str) -> str:
    """The companion of a field that is kept folded."""
    return f"folded_{name}"


@attrs.frozen
class Companion:
    """What is derived from a tenant and a field `source`: it is written whenever that is."""

    name: str
    source: str
    derived: Callable[[str, Any], Any]


class DocumentMapper(Generic[E]):
    """Maps an entity that is a document with all of its fields.

    Documents aren't judged by the domain's rules again: they were when they were written. But every
    field's type is looked at, and one that is missing or of another type than was written is a
    `CorruptRecordError` that names document and field, never what it holds. They must come from a
    collection with `CODEC_OPTIONS`.

    `paths`: where the fields of the schema are that aren't fields of the entity, such as
    `{"intent": "analysis.intent"}`; one in a part that is missing is null. `added`: fields that
    documents from earlier versions lack, where they are null.
    """

    def __init__(
        self,
        schema: EntitySchema[E],
        paths: Mapping[str, str] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        entity: Any = schema.entity
        attrs.resolve_types(entity)
        self.schema = schema
        self.codecs: Mapping[str, tuple[Codec, bool]] = {
            field.name: codec(field.type) for field in attrs.fields(entity)
        }
        assert all(self.codecs[name][1] for name in added), "what was added may be null"
        self.added = frozenset(added)
        self._paths = {"id": KEY, **({} if paths is None else paths)}
        for name in schema.fields:
            assert name in self._paths or name in self.codecs, name
        self.companions = tuple(self._companions())
        self._fields = _decoding(self.codecs, self.added)
        self._document: Callable[[dict[str, Any]], dict[str, Any]] = _encoding(
            self.codecs, self.companions
        )

    def key(self, tenant: str, id: str) -> str:
        """What a tenant's document of that id has as `_id`."""
        return f"{tenant}{_DIVIDER}{id}"

    def keys(self, tenant: str) -> dict[str, str]:
        """The condition on `_id` that all of a tenant's documents meet, and no other."""
        return {"$gte": f"{tenant}{_DIVIDER}", "$lt": f"{tenant}{_AFTER_DIVIDER}"}

    def path(self, name: str) -> str:
        """Where the field of that name in the schema is."""
        return self._paths.get(name, name)

    def document(self, entity: E) -> dict[str, Any]:
        """The whole document; what it shares with the entity can't change."""
        return self._document(vars(entity))

    def documents(self, entities: Iterable[E]) -> list[dict[str, Any]]:
        """Those of many, in five sixths of the time."""
        written = self._document
        return [written(entity.__dict__) for entity in entities]

    def changes(self, changes: Mapping[str, Any], tenant: str | None = None) -> dict[str, Any]:
        """What `$set` takes to give fields of a tenant's other values, with the companions of each.

        Without a tenant only for fields that no search looks through. Not for an update by a
        pipeline, which would read values as expressions.
        """
        kept: dict[str, Any] = {}
        for name, value in changes.items():
            encode = self.codecs[name][0].encode
            kept[name] = value if encode is None or value is None else encode(value)
        for companion in self.companions:
            if companion.source in changes:
                assert tenant is not None, f"{companion.name} are a tenant's"
                kept[companion.name] = companion.derived(tenant, changes[companion.source])
        return kept

    def stored(self, name: str, value: Any) -> Any:
        """A field's value, as a document has it, decoded.

        Raises:
            CorruptRecordError: naming the field.
        """
        try:
            return self._stored(name, value)
        except UNREADABLE:
            failed = CorruptRecordError(self.schema.name, None, (name,))
        raise failed

    def restored(self, document: dict[str, Any]) -> E:
        """The entity of a document."""
        try:
            return restored(self.schema.entity, self._fields(document))
        except UNREADABLE:
            failed = self._corruption(document)
        raise failed

    def all_restored(self, documents: Sequence[dict[str, Any]]) -> list[E]:
        """The entities of documents."""
        entity, fields = self.schema.entity, self._fields
        try:
            return [restored(entity, fields(document)) for document in documents]
        except UNREADABLE:
            pass
        return [self.restored(document) for document in documents]

    def _stored(self, name: str, value: Any) -> Any:
        kept, nullable = self.codecs[name]
        if value.__class__ is kept.plain or (value is None and nullable):
            return value
        return kept.decode(value)

    def _corruption(self, document: Mapping[str, Any]) -> CorruptRecordError:
        faulty: list[str] = []
        for name in self.codecs:
            try:
                if name == "id":
                    _id_of(document)
                elif name in document or name not in self.added:
                    self._stored(name, document[name])
            except UNREADABLE:
                faulty.append(name)
        id = None if "id" in faulty else _id_of(document)
        return CorruptRecordError(self.schema.name, id, tuple(faulty))

    def _companions(self) -> list[Companion]:
        schema = self.schema
        found: list[Companion] = []
        for name, field in schema.fields.items():
            if field.folded:
                assert name in self.codecs, f"{name} must be a field to be kept folded"
                found.append(Companion(folded(name), name, _folded))
        if schema.searchable:
            assert schema.search_by is SearchBy.WORDS, "a search for parts has no index here"
            (searched,) = schema.searchable
            source, _, inner = self.path(searched).partition(".")
            found.append(Companion(WORDS, source, _words_in(inner)))
        return found


def word_key(tenant: str, word: str) -> str:
    """How a tenant's word, or the beginning of one, stands in `words`."""
    return f"{tenant}{_DIVIDER}{word}"


def _folded(_: str, value: str | None) -> str | None:
    return None if value is None else fold(value)


def _words_in(inner: str) -> Callable[[str, Any], list[str]]:
    """What derives the words from a text, or from the value that has it as `inner`."""
    text = attrgetter(inner) if inner else None

    def derived(tenant: str, value: Any) -> list[str]:
        if value is not None and text is not None:
            value = text(value)
        prefix = word_key(tenant, "")
        return sorted([prefix + word for word in words((value,))])

    return derived


def _id_of(document: Mapping[str, Any]) -> str:
    tenant, _, id = document[KEY].partition(_DIVIDER)
    if tenant != document["tenant_id"] or not id:
        raise ValueError
    kept: str = id
    return kept


def _decoding(
    codecs: Mapping[str, tuple[Codec, bool]], added: Collection[str] = ()
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function of a document that gives the fields, written out for these fields as attrs writes
    out an initialiser: less than half the time of a loop over them.

    Only names of fields stand in its text.
    """
    variables = {name: f"v{index}" for index, name in enumerate(codecs)}
    always = {name: variable for name, variable in variables.items() if name not in added}
    names = [KEY if name == "id" else name for name in always]
    scope: dict[str, Any] = {"values": itemgetter(*names)}
    lines = [f"{', '.join(always.values())} = values(document)"]
    lines += [f"{variables[name]} = document.get({name!r})" for name in added]
    for name, (kept, nullable) in codecs.items():
        variable = variables[name]
        if name == "id":
            tenant = variables["tenant_id"]
            lines.append(f"tenant, _, {variable} = {variable}.partition({_DIVIDER!r})")
            lines.append(f"if tenant != {tenant} or not {variable}: raise ValueError")
            continue
        scope[f"decode_{name}"] = kept.decode
        ready = [f"{variable} is None"] if nullable else []
        if kept.plain is not None:
            scope[f"plain_{name}"] = kept.plain
            ready.append(f"{variable}.__class__ is plain_{name}")
        condition = f"if not ({' or '.join(ready)}): " if ready else ""
        lines.append(f"{condition}{variable} = decode_{name}({variable})")
    entries = ", ".join(f"{name!r}: {variable}" for name, variable in variables.items())
    lines.append(f"return {{{entries}}}")
    return compiled("fields(document)", lines, scope)


def _encoding(
    codecs: Mapping[str, tuple[Codec, bool]], companions: Sequence[Companion]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function of an entity's fields that gives its document, likewise."""
    scope: dict[str, Any] = {}
    entries = [f"{KEY!r}: f\"{{held['tenant_id']}}{_DIVIDER}{{held['id']}}\""]
    for name, (kept, nullable) in codecs.items():
        if name == "id":
            continue
        value = f"held[{name!r}]"
        if kept.encode is not None:
            scope[f"encode_{name}"] = kept.encode
            encoded = f"encode_{name}({value})"
            value = f"None if {value} is None else {encoded}" if nullable else encoded
        entries.append(f"{name!r}: {value}")
    for companion in companions:
        scope[f"derive_{companion.name}"] = companion.derived
        values = f"held['tenant_id'], held[{companion.source!r}]"
        entries.append(f"{companion.name!r}: derive_{companion.name}({values})")
    return compiled("document(held)", [f"return {{{', '.join(entries)}}}"], scope)
