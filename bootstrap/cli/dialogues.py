"""`dialogbase import dialogues` and `dialogbase export dialogues`."""

from pathlib import Path

from bootstrap.cli.files import File, Tenant, run_export, run_import
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.interchange import export_dialogues, import_dialogues


def import_dialogues_command(file: File, /, *, tenant: Tenant, common: Common = DEFAULTS) -> int:
    """Import dialogues from a JSON Lines file, plain or gzipped; - is standard input.

    A record is a conversation with its messages: an id and turns, and as it likes user_id (by
    default its id) and channel (by default api). A turn has a role (user or participant, assistant,
    system or tool) and a text, which may be null: then it is an event. It may have speaker, ts
    (Unix seconds) and annotations. Other fields are kept, of both. Conversations are completed when
    they come in, with the times of their turns; an exported live one is live again.

    Running it again imports only what is missing, also after it was killed: a conversation is
    stored with all of its messages or not at all. One that is there with the same content is
    unchanged; with other content the record is refused, and nothing is overwritten. Several may
    import the same file at once.

    A record that can't be kept to the letter (not JSON or UTF-8, a key twice, NaN, NUL, an id or a
    role that can't be, a text of more than 16384 characters, annotations beyond 1 MiB) is reported
    with its line and reason, and the import goes on; the exit code is then 1. With --json it prints
    {"imported": n, "unchanged": n, "refused": [{"line": n, "reason": "…"}]}.

    Parameters
    ----------
    file
        The file.
    """
    return run_import(import_dialogues, file, tenant, common)


def export_dialogues_command(
    file: Path | None = None, /, *, tenant: Tenant, common: Common = DEFAULTS
) -> int:
    """Export a tenant's conversations as JSON Lines, in the order in which they started.

    The form is that of the import: what was imported comes back as it was, and what was said here
    has the same form, with whatever else is known of it under "dialogbase". Importing it into
    another tenant gives equal conversations. Execution contexts aren't in it.

    Parameters
    ----------
    file
        Where to write; it is there whole or not at all. Without it, standard output.
    """
    return run_export(export_dialogues, file, tenant, common)
