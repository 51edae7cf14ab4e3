"""Records of dialogues, and their way in and out."""

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import IO, Any

from bootstrap.interchange import ImportReport, export_dialogues, import_dialogues
from bootstrap.interchange.dialogues import Dialogue, dialogue_of
from domain.identity import TenantId
from ports.stores import TenantScope

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SPOKEN = 1_500_000_000


def turn(i: int = 0, **fields: Any) -> dict[str, Any]:
    """A turn that nothing is wrong with."""
    return {
        "i": i,
        "speaker": "USER",
        "role": "user",
        "text": "Where is my order?",
        "ts": SPOKEN + i,
        "annotations": {"intent": "order.status", "$x": {"": [1, 1.0, None]}},
        **fields,
    }


def record(id: object = "one", *turns: object, **fields: Any) -> dict[str, Any]:
    """A record that nothing is wrong with."""
    return {
        "id": id,
        "source": "elsewhere",
        "license": "MIT",
        "language": "en",
        "source_file": "a/b.json",
        "source_id": 7,
        "meta": {"a.b": {"$": 3.0}},
        **fields,
        "turns": list(turns),
    }


def lines(*records: object) -> IO[bytes]:
    """A file: bytes as they are, anything else as JSON."""
    return BytesIO(
        b"".join(
            (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records
        )
    )


async def exported(scope: TenantScope) -> dict[str, dict[str, Any]]:
    """What an export writes, by id, in its order."""
    file = BytesIO()
    count = await export_dialogues(scope, file)
    written = [json.loads(line) for line in file.getvalue().split(b"\n") if line]
    assert count == len(written)
    return {one["id"]: one for one in written}


async def imported(scope: TenantScope, *records: object) -> ImportReport:
    return await import_dialogues(scope, lines(*records), at=NOW)


def made_of(record: dict[str, Any]) -> Dialogue:
    return dialogue_of(record, tenant=TenantId("acme"), at=NOW)


def text_of(value: object) -> str:
    """JSON to the letter, whatever the order of keys: 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)
