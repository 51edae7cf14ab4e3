"""`dialogbase bench`: the benchmarks are no part of the package, they live in a checkout."""

import errno
import importlib.util
import runpy
import sys
from typing import Annotated

from cyclopts import Parameter

from bootstrap.cli.options import DEFAULTS, OK, Common
from bootstrap.settings import SettingsError
from domain.errors import Fault


def bench(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    common: Common = DEFAULTS,
) -> int:
    """Measure against bare drivers and peers, on real servers.

    Run it from a checkout of the repository: the installed package doesn't hold the benchmarks.
    Other options go to them: see python -m benchmarks --help.
    """
    settings = common.settings()
    if settings.profile == "memory":
        raise SettingsError([Fault("--profile", "the benchmarks need servers to compare with")])
    sys.path.insert(0, "")  # a checkout is the working directory
    if importlib.util.find_spec("benchmarks") is None:
        raise FileNotFoundError(
            errno.ENOENT,
            "the benchmarks are run from a checkout of the repository, and the working directory "
            "is none",
        )
    options = [*arguments]
    if settings.profile == "servers":
        for option, url in (
            ("--url", settings.postgres_owner_url or settings.postgres_url),
            ("--mongo-url", settings.mongo_url),
            ("--redis-url", settings.redis_url),
        ):
            options += [] if url is None else [option, url]
    if common.json:
        options += ["--json", "-"]
    sys.argv = ["dialogbase bench", *options]
    try:
        runpy.run_module("benchmarks", run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return OK
