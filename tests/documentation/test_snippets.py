"""Every snippet of every page runs."""

import re
from pathlib import Path

import pytest

from tests.documentation.snippets import LANGUAGES, NOT_CODE, PAGES, name_of, run

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
    skips = re.findall(r"<!--+\s*skip: \w+", told)
    ran = run(page, tmp_path)
    assert ran - len(skips) == sum(language in LANGUAGES for language in fences)


def test_there_are_snippets() -> None:
    """Or the test above would say nothing."""
    assert sum("```python" in page.read_text(encoding="utf-8") for page in PAGES) > 20
