"""The command line, `dialogbase`.

Exit codes: 0, done; 1, done but not all is well (a record refused, a check failed), or a server or
file failed; 2, the command or the settings are wrong; 130, interrupted.
"""

from bootstrap.cli.app import call, main

__all__ = ["call", "main"]
