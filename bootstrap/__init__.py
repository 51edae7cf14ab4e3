"""The composition root: settings, the container, `open`, and the command line.

    async with bootstrap.open() as platform:
        acme = platform.for_tenant("acme")

The only package that knows every other one; nothing in `domain`, `ports` or `adapters` imports it.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootstrap.container import Container, NotMigratedError
    from bootstrap.platform import Platform, open
    from bootstrap.settings import Settings, SettingsError, Stores

__all__ = [
    "Container",
    "NotMigratedError",
    "Platform",
    "Settings",
    "SettingsError",
    "Stores",
    "open",
]

_HOMES = {
    "Container": "bootstrap.container",
    "NotMigratedError": "bootstrap.container",
    "Platform": "bootstrap.platform",
    "Settings": "bootstrap.settings",
    "SettingsError": "bootstrap.settings",
    "Stores": "bootstrap.settings",
    "open": "bootstrap.platform",
}
_OWN_FOLDER = Path(__file__).resolve().parents[1]


def _require_own_siblings() -> None:
    """Refuse to work with a stranger's `domain`, `ports` or `adapters`."""
    for name in ("domain", "ports", "adapters"):
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # imported already, by something that gave it no spec
            spec = None
        found = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        if not any(Path(place).resolve() == _OWN_FOLDER / name for place in found):
            where = ", ".join(found) or "nowhere"
            raise ImportError(
                f"Dialogbase's package {name!r} lies in {_OWN_FOLDER / name}, but Python finds "
                f"{name!r} in {where}. Top-level names clash: rename the other package, put it "
                "into a package of its own, or let Dialogbase's folder come first on sys.path.",
                name=name,
            )


_require_own_siblings()


def __getattr__(name: str) -> Any:
    # Late, so that what only needs `bootstrap.embedded` or a setting pays for nothing else.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
