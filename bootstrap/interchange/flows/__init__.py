"""Flows as records.

A record has

- `id`: any text; the flow's id is made of it (see `flow_id_of`), so that a second import finds
  what the first one stored;
- `name`, `definition`; and, as it likes, `description`, `tags`, `version`, `category`,
  `trigger_conditions`, `fallback_flow_id`: the flow's own fields;
- `format`: `dialogbase` means that the definition is in Dialogbase's own form. Anything else is
  another product's document, kept whole and untouched;
- anything else, such as `source`, `license` and `source_file`: kept, and exported again.

A record carries what a flow says, not what became of it: an imported flow is a draft, without
kept versions, daily figures or usage.
"""

from bootstrap.interchange.flows.exporting import export_flows
from bootstrap.interchange.flows.importing import import_flows
from bootstrap.interchange.flows.records import flow_id_of, flow_of, record_of

__all__ = ["export_flows", "flow_id_of", "flow_of", "import_flows", "record_of"]
