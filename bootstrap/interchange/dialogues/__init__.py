"""Dialogues as records: a conversation and its messages on one line.

A record has

- `id`: the conversation's (1 to 128 characters, no control characters), so that a second import
  finds what the first one stored;
- `turns`: a list, below;
- as it likes, `user_id` (by default the record's id: everyone's dialogue is a user's own, until
  the record knows better) and `channel` (by default `api`);
- `dialogbase`: an object with further fields of the conversation, under their own names. An export
  writes those that differ from what an import makes of a record without them;
- anything else, such as `source`, `license`, `language` and `meta`: kept, as
  `business_context["dialogbase.record"]`, and exported again.

A turn has

- `role`: `user` and `participant` are inbound, `assistant` is outbound, `system` and `tool` are
  system;
- `text`: up to 16 384 characters, never cut; an empty text is a text, and null (or none) is an
  event, without text;
- as it likes, `speaker`: the sender; `ts`: when, in Unix seconds; `annotations`: an object, the
  content's payload; `i`: its place from 0;
- `dialogbase`: an object with further fields of the message, as above;
- anything else: kept, in the payload under `dialogbase.turn`, and exported again. So are a role, a
  time, or whatever else the message itself couldn't tell: an export gives the turn back as it was.

An imported conversation is completed, began with the first turn that tells its time, or else when
it came in, and ended with the latest; unless the record's `dialogbase` says otherwise. A turn
without time was said when the turn before was, or when the conversation began.

What can't be kept to the letter is refused, the whole record, and nothing is dropped. Export and
import keep all of a conversation but its revision and the times at which its record was made and
changed: its messages with their ids, numbers, analysis and idempotency keys (which no longer
recognise a replay), what was redacted (of that, the payload is gone, and with it what was kept
there), its status and its times. Its execution context isn't part of it.
"""

from bootstrap.interchange.dialogues.exporting import export_dialogues
from bootstrap.interchange.dialogues.importing import import_dialogues
from bootstrap.interchange.dialogues.records import Dialogue, dialogue_of, record_of

__all__ = ["Dialogue", "dialogue_of", "export_dialogues", "import_dialogues", "record_of"]
