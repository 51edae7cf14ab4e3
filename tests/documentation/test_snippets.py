"""Every snippet of every page runs."""

import re
from pathlib import Path

import pytest

from bootstrap import SettingsError
from domain.errors import ValidationError
from tests.documentation.snippets import LANGUAGES, NOT_CODE, PAGES, name_of, run

_REASONED = re.compile(r'(?:next|start) "[^"]+"|end')
_TOLD = (AssertionError, SyntaxError, SettingsError, ValidationError)
_FENCE = re.compile(r"^[ ]*```([^\n]*)\n.*?^[ ]*```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_s_snippets_run_in_their_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the memory profile, in this process."""
    monkeypatch.setenv("DIALOGBASE_PROFILE", "memory")
    monkeypatch.chdir(tmp_path)
    told = page.read_text(encoding="utf-8")
    fences = [language.strip() for language in _FENCE.findall(told)]
    assert {each for each in fences if each not in NOT_CODE} <= set(LANGUAGES)
    skips = re.findall(r"<!--\s*skip:(.*?)-->", told)
    assert [skip for skip in skips if not _REASONED.fullmatch(skip.strip())] == []
    ran = run(page, tmp_path)
    assert ran - len(skips) == sum(language in LANGUAGES for language in fences)


WRONG = {
    "a false statement": "```python\nassert 1 == 2\n```",
    "what can't be awaited": "```python\nawait acme.flows.get_by_id('no id')\n```",
    "a test that fails": "```python\n# test_it.py\ndef test_it(): assert False\n```",
    "what doesn't compile, skipped": '<!-- skip: next "why" -->\n\n```python\nif\n```',
    "no command": "```sh\ndialogbase nonsense\n```",
    "no option": "```sh\ndialogbase doctor --nonsense\n```",
    "what fails in memory": "```sh\ndialogbase import flows none.jsonl -t a --profile memory\n```",
    "no target": "```sh\nmake nonsense\n```",
    "no extra": "```sh\npip install '.[nonsense]'\n```",
    "no setting": "```sh\nexport DIALOGBASE_NONSENSE=1\n```",
    "somebody else's command": "```sh\npg_dump\n```",
    "no setting in a file": "```toml\nnonsense = 1\n```",
    "SQL": "```sql\nSELECT 1\n```",
}


@pytest.mark.parametrize("page", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the tests above would say nothing."""
    monkeypatch.setenv("DIALOGBASE_PROFILE", "memory")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "page.md"
    file.write_text(f"# Wrong\n\n{page}\n", encoding="utf-8")
    with pytest.raises(_TOLD):
        run(file, tmp_path)


def test_there_are_snippets() -> None:
    """Or the test above would say nothing."""
    assert sum("```python" in page.read_text(encoding="utf-8") for page in PAGES) > 20
