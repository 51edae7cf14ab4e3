"""What must have a page has one."""

import ast
import re
from pathlib import Path

import pytest

from tests.documentation.snippets import DOCS, ROOT

PORTS = DOCS / "ports"
PAGES = {
    page.stem: page.read_text(encoding="utf-8")
    for page in sorted(PORTS.glob("*.md"))
    if page.stem != "index"
}
DOCUMENTED = set(re.findall(r"auto\w+:: ([\w.]+)", "\n".join(PAGES.values())))
WITHIN: dict[str, str] = {
    "ports.background": "how dispatchers, synchronisers and projectors go on",
    "ports.batches": "how maintenance goes on in batches",
    "ports.calendars": "how a quota finds its window",
    "ports.criteria.automaton": "how an expression is matched",
    "ports.criteria.expressions": "what an expression is parsed into",
    "ports.lanes": "how a dispatcher goes about several entities",
    "ports.together": "how several things are awaited",
}
"""Parts of `ports` that nobody calls or implements, and of what."""


def _modules() -> list[str]:
    files = [*(ROOT / "ports").glob("*.py"), *(ROOT / "ports" / "criteria").glob("*.py")]
    named = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return sorted(name.removesuffix(".__init__") for name in named if name != "ports.__init__")


@pytest.mark.parametrize("module", _modules())
def test_every_module_of_the_ports_has_a_page(module: str) -> None:
    """Or is named as a part of something that has."""
    assert (module in DOCUMENTED) != (module in WITHIN)


def test_what_is_named_as_a_part_is_there() -> None:
    """So that the list doesn't outlive its modules."""
    assert set(WITHIN) <= set(_modules())


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_port_s_page_says_what_it_is_for_shows_it_and_has_its_guarantees(name: str) -> None:
    """Two sentences at least, a snippet, and the docstrings."""
    head, _, reference = PAGES[name].partition("\n## Reference\n")
    said = head.partition("```")[0]
    assert len(re.findall(r"[.:](?:\s|$)", said)) >= 2
    assert "```python" in head
    assert "auto" in reference
    assert re.search(rf"^{re.escape(name)}$", (PORTS / "index.md").read_text(), re.MULTILINE)


def test_every_port_of_a_scope_is_in_the_index_of_ports() -> None:
    """A property of `TenantScope` is a port."""
    tree = ast.parse((ROOT / "ports" / "stores.py").read_text(encoding="utf-8"))
    (scope,) = (
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TenantScope"
    )
    ports = {
        node.name.replace("_", "-")
        for node in scope.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and any("property" in ast.unparse(each) for each in node.decorator_list)
    }
    assert len(ports) > 10
    assert ports <= set(PAGES)


@pytest.mark.parametrize(
    "page", sorted((DOCS / "concepts").glob("*.md")), ids=lambda page: page.stem
)
def test_a_concept_has_a_picture_and_a_snippet(page: Path) -> None:
    """Each of those that the index lists."""
    if page.stem == "index":
        listed = set(re.findall(r"\]\(([\w-]+)\.md\)", page.read_text(encoding="utf-8")))
        assert {each.stem for each in page.parent.glob("*.md")} == listed | {"index"}
    else:
        told = page.read_text(encoding="utf-8")
        assert "```mermaid" in told
        assert "```python" in told
