"""The commands, gathered; and how their failures are told."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError
from rich.markup import escape

from bootstrap.cli import options
from bootstrap.cli.audit import verify_command
from bootstrap.cli.benchmarks import bench
from bootstrap.cli.demo import demo
from bootstrap.cli.dialogues import export_dialogues_command, import_dialogues_command
from bootstrap.cli.dispatch import backlog_command, dispatch, unsubscribe_command
from bootstrap.cli.doctor import doctor
from bootstrap.cli.erasure import (
    lift_command,
    list_command,
    resume_command,
    tenant_command,
    user_command,
)
from bootstrap.cli.experiments import results_command
from bootstrap.cli.flows import export_flows_command, import_flows_command
from bootstrap.cli.keys import generate_command, rotate_command
from bootstrap.cli.projection import project
from bootstrap.cli.servers import migrate, up
from bootstrap.cli.sweeping import sweep
from bootstrap.cli.synchronisation import sync
from bootstrap.cli.tenants import export_tenant_command, import_tenant_command
from bootstrap.embedded import EmbeddedServerError
from bootstrap.interchange.tenant import UnusableExportError
from bootstrap.settings import SettingsError
from domain.errors import ValidationError
from ports.errors import RepositoryError

_EXIT_CODES: Final = """
Exit codes: 0, done; 1, done but not all is well (a record refused, a check failed), or a server or
file failed; 2, the command or the settings are wrong; 130, interrupted.
"""


def _app() -> App:
    app = App(
        name="dialogbase",
        suppress_keyboard_interrupt=False,  # it is told below
        help="The data layer of a multi-tenant conversational-AI platform." + "\n" + _EXIT_CODES,
    )
    app.command(demo)
    app.command(up)
    app.command(migrate)
    app.command(doctor)
    app.command(sync)
    app.command(project)
    app.command(sweep)
    importing = App(name="import", help="Bring data in.")
    importing.command(import_flows_command, name="flows")
    importing.command(import_dialogues_command, name="dialogues")
    importing.command(import_tenant_command, name="tenant")
    app.command(importing)
    exporting = App(name="export", help="Take data out.")
    exporting.command(export_flows_command, name="flows")
    exporting.command(export_dialogues_command, name="dialogues")
    exporting.command(export_tenant_command, name="tenant")
    app.command(exporting)
    erasing = App(name="erase", help="Erase tenants and users from all stores, with a receipt.")
    erasing.command(tenant_command, name="tenant")
    erasing.command(user_command, name="user")
    erasing.command(resume_command, name="resume")
    erasing.command(list_command, name="list")
    erasing.command(lift_command, name="lift")
    app.command(erasing)
    auditing = App(name="audit", help="What was changed, and by whom.")
    auditing.command(verify_command, name="verify")
    app.command(auditing)
    experimenting = App(name="experiments", help="A/B tests.")
    experimenting.command(results_command, name="results")
    app.command(experimenting)
    keys = App(name="keys", help="What credentials are encrypted with.")
    keys.command(generate_command, name="generate")
    keys.command(rotate_command, name="rotate")
    app.command(keys)
    app.command(dispatch)
    outbox = App(name="outbox", help="What was changed and consumers are yet to be told of.")
    outbox.command(backlog_command, name="backlog")
    outbox.command(unsubscribe_command, name="unsubscribe")
    app.command(outbox)
    app.command(bench)
    return app


def main() -> int:
    """The process `dialogbase`: what libraries log is not for its user's eyes, or programs'."""
    logging.disable()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this process
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        else:
            stream.reconfigure(errors="replace")  # the terminal may not be able to show all
    return call(sys.argv[1:])


def call(tokens: Sequence[str]) -> int:
    """Run one command; its exit code. An expected failure is one clear line, never a traceback."""
    try:
        code = _app()(
            list(tokens), exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _failed(str(error), tokens, options.MISUSED)
    except SettingsError as error:
        faults = "".join(f"\n  {fault}" for fault in error.faults)
        return _failed(f"the settings are wrong:{faults}", tokens, options.MISUSED)
    except ValidationError as error:
        return _failed(str(error), tokens, options.MISUSED)
    except (RepositoryError, EmbeddedServerError, UnusableExportError) as error:
        return _failed(str(error), tokens, options.NOT_WELL)
    except BrokenPipeError:
        # The reader of our output has left: it has what it wanted.
        # What is still buffered goes nowhere, or Python's flush at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return options.NOT_WELL
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(f"{where}{error.strerror or error}", tokens, options.NOT_WELL)
    except KeyboardInterrupt:
        return _failed("interrupted; what was done stays done", tokens, options.INTERRUPTED)
    return code if isinstance(code, int) else options.OK


def _failed(message: str, tokens: Sequence[str], code: int) -> int:
    if "--json" in tokens:
        options.print_json({"error": message})
    options.messages().print(f"[bold red]dialogbase:[/] {escape(message)}", soft_wrap=True)
    return code
