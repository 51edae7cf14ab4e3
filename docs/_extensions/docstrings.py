"""Our docstrings, plain text with backticks, become what Sphinx reads.

They have paragraphs, lists, examples that are indented further than the paragraph before, and a
section `Raises:` (or `Raises, the first that holds:`) of errors and when they are raised. An
example becomes code, the section a list that leads to the errors.
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from sphinx.application import Sphinx

_SECTION = re.compile(r"Raises\b[^.]*:$")
_ERRORS = re.compile(r"[A-Z]\w+(?:Error|Exception)(?:, [A-Z]\w+(?:Error|Exception))*(?=[:,;. ]|$)")
_ITEM = re.compile(r"\s*(- |\d+\. )")
_TIED = re.compile(r"`([^`]+)`(?=\w)")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _named(item: str) -> str:
    """The errors that an item begins with, as references."""
    found = _ERRORS.match(item)
    if found is None:
        return item
    names = ", ".join(f":py:exc:`.{name}`" for name in found.group().split(", "))
    return names + item[found.end() :]


def _converted(lines: list[str]) -> Iterator[str]:
    before, within = "", ""
    for number, line in enumerate(lines):
        indent = _indent(line)
        if line.strip() and indent == 0:
            within = "raises" if _SECTION.match(line) else "list" if _ITEM.match(line) else ""
            yield _prose(line)
            if within == "raises":
                yield ""
        elif line.strip() and within == "raises":
            yield _prose(f"- {_named(line[4:])}" if indent == 4 else line[2:])
        elif line.strip() and not within and not before.strip():
            yield from (f".. code-block:: {_language(lines[number:])}", "", line)
            within = "code"
        else:
            yield line if within == "code" else _prose(line)
        before = line


def _language(lines: Sequence[str]) -> str:
    """Of the example that these lines begin with: Python if it may be, or plain text."""
    ends = (n for n, line in enumerate(lines) if line.strip() and _indent(line) == 0)
    example = textwrap.dedent("\n".join(lines[: next(ends, len(lines))]))
    try:
        compile(example, "<docstring>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return "text"
    return "python"


def _prose(line: str) -> str:
    """Markup ends at a word's end for Sphinx: `name`s doesn't, without help."""
    return _TIED.sub(r"`\1`\\ ", line)


def _process(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = _converted(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
