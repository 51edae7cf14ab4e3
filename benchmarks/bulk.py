"""Row of writing thousands at once, against COPY of the very same rows and columns."""

from typing import Any

import attrs

from benchmarks.bare import Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import NOISE, PEER, against
from benchmarks.scale import Scale
from benchmarks.stock import fresh_models, fresh_rows, new_tenant, template

GOAL = 1.2


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """What was written goes again after each turn, and the table is vacuumed after each round."""
    stored = await template(database, scale.bulk_rows)
    bare, peer = database.bare, database.peer

    async def ours(given: Any) -> str:
        tenant, made = given
        await database.flows(tenant).create_many(made)
        return str(tenant)

    async def by_hand(given: list[Row]) -> str:
        await bare.copy(given)
        return str(given[0][bare.place["tenant_id"]])

    async def by_peer(given: list[Any]) -> str:
        tenant = str(given[0].tenant_id)
        await peer.insert_many(given)
        return tenant

    async def drop(tenant: str) -> None:
        await bare.drop(tenant)

    contenders = [
        Contender(
            name="ours",
            operations=1,
            prepare=lambda: (new_tenant(), list(drafts(scale.bulk_rows))),
            work=ours,
            tidy=drop,
        ),
        *(
            Contender(
                name=name,
                operations=1,
                prepare=fresh_rows(bare, stored),
                work=by_hand,
                tidy=drop,
            )
            for name in NOISE
        ),
        Contender(
            name=PEER,
            operations=1,
            prepare=fresh_models(peer, bare, stored),
            work=by_peer,
            tidy=drop,
        ),
    ]
    rounds = await in_turns(contenders, scale.fewest, warm_up=1, between=database.settle)
    name = f"bulk create {scale.bulk_rows}"
    by_copy, other = against(rounds, name, GOAL, None)
    return [attrs.evolve(by_copy, against="bare COPY"), other]
