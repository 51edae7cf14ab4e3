"""Lines of a file that may be gzipped, huge or broken; and JSON that loses nothing on the way."""

import gzip
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import attrs

from domain.errors import Fault

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Unless a kind of record says otherwise. Its largest part, a document, has at most 1 MiB; this
leaves room for escapes and white space."""

_CHUNK: Final = 1024 * 1024
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, OSError)


class RefusedError(ValueError):
    """A line or record that can't come in; its message is the reason."""


def summary(faults: Sequence[Fault]) -> str:
    """The reason for which a record with these faults is refused; the first five."""
    shown = "; ".join(str(fault)[:200] for fault in faults[:5])
    return shown if len(faults) <= 5 else f"{shown}; and {len(faults) - 5} more"


@attrs.frozen
class Line:
    """A line of a file, counted from 1. Its content is None if it is longer than may be read."""

    number: int
    content: bytes | None
    max_bytes: int = MAX_LINE_BYTES


@contextmanager
def opened_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to be read from its beginning, more than once; `-` is standard input.

    What is gzipped is unpacked as it is read, whatever its name.

    Raises:
        OSError: if it can't be opened.
    """
    with ExitStack() as stack:
        file: IO[bytes]
        file = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
        if not file.seekable():  # a pipe
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy)
            file = copy
            file.seek(0)
        magic = file.read(2)
        file.seek(0)
        if magic == b"\x1f\x8b":
            unpacked = gzip.GzipFile(fileobj=file, mode="rb")
            stack.callback(unpacked.close)
            yield cast("IO[bytes]", unpacked)
        else:
            yield file


def count_lines(file: IO[bytes]) -> int:
    """How many lines there are to be read from the file's beginning; constant memory."""
    file.seek(0)
    count, last = 0, b"\n"
    try:
        while chunk := file.read(_CHUNK):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    except _BROKEN:
        pass  # `lines_of` says where
    return count + (last != b"\n")


def lines_of(file: IO[bytes], max_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """The file's lines without their ends; memory for one line.

    Raises:
        RefusedError: at the place where a gzipped file is broken; nothing comes after it.
    """
    file.seek(0)
    number = 0
    while True:
        number += 1
        try:
            content = file.readline(max_bytes + 1)
            too_long = len(content) > max_bytes
            while len(content) > max_bytes and not content.endswith(b"\n"):
                content = file.readline(max_bytes + 1) or b"\n"
        except _BROKEN as error:
            raise RefusedError(
                f"the file is broken from here on ({type(error).__name__})"
            ) from None
        if not content:
            return
        if number == 1:
            content = content.removeprefix(b"\xef\xbb\xbf")
        yield Line(number, None if too_long else content.rstrip(b"\r\n"), max_bytes)


def json_object_of(line: Line) -> dict[str, Any]:
    """The object on a line.

    Stricter than most parsers, for the sake of what they would silently change: a key that stands
    twice, NaN and infinities are refused. Integers come whole, however long (orjson makes floats
    of those beyond 64 bits); the domain then refuses what no store keeps.

    Raises:
        RefusedError: with the reason.
    """
    if line.content is None:
        raise RefusedError(f"is longer than {line.max_bytes} bytes")
    try:
        value = json.loads(
            line.content.decode(), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise RefusedError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise RefusedError(f"is not JSON: {error.msg} at character {error.colno}") from None
    except RecursionError:
        raise RefusedError("is nested too deep") from None
    except RefusedError:
        raise
    except ValueError:  # an integer of more digits than Python reads (4300)
        raise RefusedError("holds an integer beyond 64 bits") from None
    if not isinstance(value, dict):
        raise RefusedError("is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # adds, and goes on
        raise RefusedError(f"has the key {twice[:100]!r} twice in an object")
    return made


def _no_constant(name: str) -> Any:
    raise RefusedError(f"holds {name}, which JSON doesn't have")
