"""`dialogbase keys generate`."""

from typing import Annotated

from cyclopts import Parameter

from bootstrap import keys
from bootstrap.cli import options
from bootstrap.settings import SettingsError
from domain.errors import Fault


def generate_command(
    *,
    name: Annotated[
        str | None, Parameter(help="The key's id; by default one that no other key has.")
    ] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print one JSON document.")] = False,
) -> int:
    """Make a key for credentials, and print it as `id:key`. It is kept nowhere.

    Put it first in DIALOGBASE_ENCRYPTION_KEYS, before those that are there, separated by a comma:
    what is stored from then on is encrypted with it, and what the others encrypted can be read.
    With --json it prints {"id": "…", "key": "…"}.
    """
    try:
        named, key = keys.generated(name)
    except ValueError as error:
        raise SettingsError([Fault("--name", str(error))]) from None
    if json:
        options.print_json({"id": named, "key": key})
    else:
        options.output().print(f"{named}:{key}", markup=False, soft_wrap=True)
    return options.OK
