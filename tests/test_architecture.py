"""Imports go one way, and no format knows another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "labelkit"

# A module imports only from rows above its own, or its own package.
LAYERS = [
    {"findings"},
    {"errors", "model", "geometry", "changes", "naming", "elide"},
    {"storage"},
    {"pixels", "map_png", "shapes", "places", "globs"},
    {"table", "drawing"},
    {"image_files", "outline", "extracted"},
    {"map_files", "photos"},
    {"visible", "canonical", "merge_maps", "implied_maps", "align"},
    {"restore"},
    {"formats", "schema", "derive", "publish"},
    {"select", "loss", "checks", "classmaps", "images", "survey", "likeness"},
    {"tally", "surveying"},
    {"rules", "engine"},
    {"checking"},
    {"carrier", "options", "triage", "baseline", "matching", "journal", "thresholds"},
    {"dataset"},
    {"inspection", "conversion"},
    {"pipeline", "validation", "statistics", "predict", "comparing"},
    {"image_folder", "prelabels"},
    {"labelling", "run_record"},
    {"prelabelling"},
    {"mending", "config"},
    {"outputs"},
    {"showing"},
    {"cli"},
    {"__main__", "__init__"},
]


def imports(path: Path) -> set[str]:
    """Every labelkit module that a file imports, also inside functions, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("labelkit.")}


def layer(name: str) -> int:
    (number,) = [number for number, names in enumerate(LAYERS) if name in names]
    return number


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imports(path):
        other = name.split(".")[1]
        if own != "__init__" and (ROOT / other).exists() | (ROOT / f"{other}.py").exists() and other != own:
            assert layer(other) < layer(own), f"{path.name} imports {name}"


def test_no_format_knows_another() -> None:
    homes = [path for path in (ROOT / "formats").iterdir() if not path.name.startswith("_")]
    for home in homes:
        name = home.name.removesuffix(".py")
        for path in [home] if home.is_file() else home.rglob("*.py"):
            for module in imports(path):
                parts = module.split(".")
                if parts[1] == "formats" and len(parts) > 2:
                    others = {other.name.removesuffix(".py") for other in homes} - {name}
                    assert parts[2] not in others, f"{path} imports {module}"


def test_only_the_command_line_prints_or_exits() -> None:
    for path in ROOT.rglob("*.py"):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("print", "exit", "sys.exit", "click.echo"), f"{path}: {name}"
