"""How these pages are built: `make docs`. Nothing is fetched from anywhere meanwhile."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE / "_extensions"), str(_HERE.parent)]

project = "Dialogbase"
author = "The authors of Dialogbase"
extensions = [
    "docstrings",
    "figures",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["_extensions"]
nitpicky = True

html_theme = "furo"
html_title = "Dialogbase"
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# As GitHub shows them, so that a page reads well there, too.
myst_fence_as_directive = ["mermaid"]
# A reader's browser draws the diagrams.
mermaid_output_format = "raw"

# The docstrings say who wrote them for whom: one that has none is not for readers.
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88

# In a docstring, what stands between backticks is a name or a piece of code: a name that these
# pages know leads there.
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    # Python's own, which stand elsewhere; and type variables.
    ("py:class", r"(_asyncio|abc|collections|contextlib|datetime|decimal|enum|fractions)\..*"),
    ("py:class", r"(pathlib|uuid)\..*"),
    ("py:class", r"(\w+\.)*[A-Z]"),
    # What a service doesn't call; and the libraries beneath.
    (
        "py:class",
        r"(adapters|bootstrap|dependency_injector|fastapi|logging|pydantic|starlette|structlog)\..*",
    ),
    # What no reader needs: the parts that an expression is parsed into, and private bases.
    ("py:class", r"ports\.criteria\.expressions\..*"),
    ("py:class", r"(\w+\.)*_\w+"),
    ("py:class", r"Mapping\[str, Json\].*"),
    ("py:class", r"Header|PydanticUndefined|types\.Annotated"),
]
