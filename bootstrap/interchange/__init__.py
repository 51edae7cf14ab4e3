"""Flows and dialogues as JSON Lines: a form to bring them in, to take them out and to move them.

One JSON object a line, UTF-8, optionally gzipped; what it holds, `flows` and `dialogues` say. What
both have in common:

- An import killed at any moment and run again completes with the same result: what is there with
  the same content is `unchanged`, and what is there with other content is refused and left as it
  is. Nothing is overwritten.
- A record that can't be kept to the letter is refused, with its line and the reason, and the import
  goes on. Nothing is cut, and nothing dropped without a word.
- An export gives every imported record back equal, and of what was made here it writes records that
  an import makes equal things of.
"""

from bootstrap.interchange.dialogues import export_dialogues, import_dialogues
from bootstrap.interchange.flows import export_flows, flow_id_of, flow_of, import_flows, record_of
from bootstrap.interchange.importing import ImportReport, Refusal
from bootstrap.interchange.lines import opened_file

__all__ = [
    "ImportReport",
    "Refusal",
    "export_dialogues",
    "export_flows",
    "flow_id_of",
    "flow_of",
    "import_dialogues",
    "import_flows",
    "opened_file",
    "record_of",
]
