"""What commands show to people."""

import pytest
from rich.markup import escape
from rich.table import Table

from bootstrap.cli import options


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\x08", "\x9b2J", "\u202e", "\u2066", "\x00"])
def test_what_would_steer_a_terminal_is_shown_and_does_nothing(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names and reasons are others': of integrations, of fields in a file."""
    table = Table("name")
    table.add_row(escape(f"c{text}d"))
    for console in (options.output(), options.messages()):
        console.print(f"[bold]{escape(f'a{text}b')}[/]")
        console.print(table)
    told = "".join(capsys.readouterr())
    assert text not in told
    shown = ascii(text)[1:-1]
    assert told.count(f"a{shown}b") == told.count(f"c{shown}d") == 2
