"""No contract is forgotten: neither by the plugin nor by these tests."""

from pathlib import Path

from ports.contracts import groups

FOLDER = Path(groups.__file__).parent


def test_every_module_of_contracts_is_listed_and_run_here() -> None:
    """Third parties run what `CONTRACTS` lists, we what stands beside this file."""
    holding = {path.stem for path in FOLDER.glob("*.py") if "def test_" in path.read_text()}
    assert set(groups.CONTRACTS) == holding
    imported = {
        name
        for name in holding
        for path in [Path(__file__).with_name(f"test_{name}.py")]
        if path.exists() and f"from ports.contracts.{name} import *" in path.read_text()
    }
    assert imported == holding
