"""Who uses an export's folder: one who writes it, or any number who read it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bootstrap.interchange.tenant.manifest import UnusableExportError

try:
    import fcntl
except ImportError:  # not everywhere; there, nobody is kept off
    fcntl = None  # type: ignore[assignment]  # as the block sees


@contextmanager
def held(folder: Path, *, to_write: bool) -> Iterator[None]:
    """For the block nobody else writes the folder, nor, if it is `to_write`, reads it; then it is
    made if it isn't there. The kernel lets go of it, however a process ends.

    Raises:
        UnusableExportError: if others do at the time.
    """
    if to_write:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold personal data
    if fcntl is None or not folder.is_dir():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that can't keep anybody off
            kind = fcntl.LOCK_EX if to_write else fcntl.LOCK_SH
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnusableExportError(
                    f"{folder} is just being {'used' if to_write else 'written'}: try again once "
                    "that is done"
                ) from None
        yield
    finally:
        os.close(descriptor)
