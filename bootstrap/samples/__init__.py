"""Flows and dialogues to try things with: a small shop's. See `flows.jsonl`, `dialogues.jsonl`."""

from pathlib import Path
from typing import Final

FLOWS: Final = Path(__file__).with_name("flows.jsonl")
"""In Dialogbase's own form."""

DIALOGUES: Final = Path(__file__).with_name("dialogues.jsonl")
"""Invented for this; one of them isn't over yet."""
