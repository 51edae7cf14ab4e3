"""Flows to try things with: a small shop's, in Dialogbase's own form. See `flows.jsonl`."""

from pathlib import Path
from typing import Final

FLOWS: Final = Path(__file__).with_name("flows.jsonl")
