"""Rows of the mapping: the JSON form of a definition, there and back, without any store."""

import orjson

from adapters import mapping
from benchmarks import handwritten
from benchmarks.content import definitions
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns, synchronous
from benchmarks.scale import Scale
from domain.definitions import FlowDefinition

GOAL = 1.6
_HAND = "a hand-written function"


async def rows(scale: Scale) -> list[Figure]:
    """Structure and unstructure, and both with the encoding that belongs to them."""
    definition = definitions()[0]
    text = mapping.definition_json(definition)
    document = orjson.loads(text)
    assert handwritten.structure(document) == definition
    assert orjson.dumps(handwritten.unstructure(definition)).decode() == text
    structure = mapping._CONVERTER.get_structure_hook(FlowDefinition)

    def read() -> FlowDefinition:
        made = mapping.deferred_definition(text)
        made.states  # noqa: B018  # the first look decodes it
        return made

    def read_by_hand() -> FlowDefinition:
        return handwritten.structure(orjson.loads(text))

    assert read() == read_by_hand() == definition
    times = scale.operations(50)
    works = {
        "structure": (
            lambda: structure(document, FlowDefinition),
            lambda: handwritten.structure(document),
        ),
        "unstructure": (
            lambda: mapping.definition_document(definition),
            lambda: handwritten.unstructure(definition),
        ),
        "decode and structure at first access": (read, read_by_hand),
        "unstructure and encode": (
            lambda: mapping.definition_json(definition),
            lambda: orjson.dumps(handwritten.unstructure(definition)).decode(),
        ),
    }
    figures = []
    for name, (ours, theirs) in works.items():
        contenders = [
            Contender(name=called, operations=times, work=synchronous(work, times))
            for called, work in (("ours", ours), ("hand", theirs), ("again", theirs))
        ]
        rounds = await in_turns(contenders, scale.rounds)
        figures.append(
            Figure.of(
                rounds,
                name=f"mapping: {name}",
                of="ours",
                to="hand",
                against=_HAND,
                goal=GOAL,
                noise=("again", "hand"),
            )
        )
    return figures
