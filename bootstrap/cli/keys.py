"""`dialogbase keys generate` and `dialogbase keys rotate`."""

from collections.abc import AsyncIterator
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

import bootstrap
from bootstrap import keys
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.platform import Platform
from bootstrap.settings import SettingsError
from domain.errors import Fault
from ports.errors import CorruptRecordError, EncryptionKeyError


def generate_command(
    *,
    name: Annotated[
        str | None, Parameter(help="The key's id; by default one that no other key has.")
    ] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print one JSON document.")] = False,
) -> int:
    """Make a key for credentials, and print it as `id:key`. It is kept nowhere.

    Where there are others, append it to DIALOGBASE_ENCRYPTION_KEYS, after a comma, in every
    process; once all can read what it encrypts, put it first or name it in
    DIALOGBASE_ENCRYPTION_KEY, and `dialogbase keys rotate` encrypts anew what is under the others.
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


def rotate_command(
    *,
    tenant: Annotated[str | None, Parameter(help="Whose; by default everybody's.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Encrypt anew, with the key that new credentials are encrypted with, what is under another.

    Services may go on meanwhile, and it may be run again if it was interrupted. Once every process
    has the new key and this finds nothing to do, the other keys can be retired. What can't be
    opened stays as it is and is told; the exit code is then 1. With --json it prints
    {"rotated": n, "failed": [{"tenant": "…", "error": "…"}]}; n leaves out whoever failed.
    """
    rotated, failed = options.run(_rotated(tenant, common))
    if common.json:
        told = [{"tenant": name, "error": error} for name, error in failed.items()]
        options.print_json({"rotated": rotated, "failed": told})
    else:
        for name, error in failed.items():
            said = f"[yellow]tenant {escape(name)}:[/] {escape(error)}"
            options.messages().print(said, soft_wrap=True)
        options.output().print(f"{rotated} encrypted anew")
    return options.NOT_WELL if failed else options.OK


async def _rotated(tenant: str | None, common: Common) -> tuple[int, dict[str, str]]:
    """How many, and what failed for whom."""
    rotated, failed = 0, dict[str, str]()
    async with bootstrap.open(common.settings()) as platform:
        async for name in _named(platform, tenant):
            try:
                integrations = platform.for_tenant(name).integrations
                rotated += await integrations.rotate_credentials()
            except (CorruptRecordError, EncryptionKeyError) as error:
                if isinstance(error, EncryptionKeyError) and error.key_id is None:
                    raise  # as for everybody
                failed[name] = str(error)
    return rotated, failed


async def _named(platform: Platform, tenant: str | None) -> AsyncIterator[str]:
    if tenant is not None:
        yield tenant
        return
    async for name in platform.maintenance.authoring.tenants():
        yield name
