"""Where the documentation lies, and its code blocks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Every page that a reader sees.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    ROOT / "examples" / "README.md",
]


def docs_commands() -> ModuleType:
    """Return the module that CI reads code blocks with; its folder is not a package."""
    path = ROOT / ".ci" / "docs_commands.py"
    spec = importlib.util.spec_from_file_location("docs_commands", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
