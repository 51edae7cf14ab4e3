"""Row of writing thousands at once, against COPY of the very same rows and columns.

Ours can't COPY: PostgreSQL refuses that under row-level security, and each row is to be told of in
the statement that adds it.
"""

from typing import Any

import attrs

from adapters.postgres.store import PostgresStore
from benchmarks.bare import Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import BARE, NOISE, PEER
from benchmarks.scale import Scale
from benchmarks.stock import fresh_models, fresh_rows, new_tenant, template
from benchmarks.writing import UNTOLD, told
from domain.identity import tenant_id

GOAL = 1.2


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """What was written goes again after each turn, and the table is vacuumed after each round."""
    stored = await template(database, scale.bulk_rows)
    bare, peer = database.bare, database.peer

    def ours(store: PostgresStore, name: str) -> Contender:
        async def work(given: Any) -> str:
            tenant, made = given
            await store.repositories(tenant).flows.create_many(made)
            return str(tenant)

        return Contender(
            name=name,
            operations=1,
            prepare=lambda: (tenant_id(new_tenant()), list(drafts(scale.bulk_rows))),
            work=work,
            tidy=drop,
        )

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
        ours(database.store, "ours"),
        ours(database.untold, UNTOLD),
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
    figures = told(rounds, f"bulk create {scale.bulk_rows}", GOAL, None)
    return [
        attrs.evolve(figure, against="bare COPY") if figure.against == BARE else figure
        for figure in figures
    ]
