"""`dialogbase bench`: the benchmarks are no part of the package, they live in a checkout."""

import importlib.util
import runpy
import sys
from typing import Annotated

from cyclopts import Parameter

from bootstrap.cli import options


def bench(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
) -> int:
    """Measure against bare drivers and peers; all options go to `python -m benchmarks`.

    Run it from a checkout of the repository: the installed package doesn't hold the benchmarks.
    """
    sys.path.insert(0, "")  # a checkout is the working directory
    if importlib.util.find_spec("benchmarks") is None:
        options.messages().print(
            "[bold red]dialogbase:[/] the benchmarks are run from a checkout of the repository; "
            "there is none in the working directory",
            soft_wrap=True,
        )
        return options.MISUSED
    sys.argv = ["dialogbase bench", *arguments]
    try:
        runpy.run_module("benchmarks", run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return options.OK
