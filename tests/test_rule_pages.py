"""Every rule has its page in docs/rules, made from its docstring; no page is without a rule."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from labelkit.outputs.rule_text import cell, markdown, rule_text
from labelkit.rules import FAMILIES, Rule, rule, rules
from labelkit.rules import rule_of as made
from labelkit.table import Table

DOCS = Path(__file__).parents[1] / "docs" / "rules"
MENDED = {"none": "", "safe": "`--fix`", "unsafe": "`--unsafe-fixes`", "both": "`--fix`, in part"}
MEND = "mend it with LABELKIT_WRITE=1 pytest tests/test_rule_pages.py"


def own() -> dict[str, Rule]:
    """The rules of labelkit itself, whatever plug-ins are installed."""
    return {code: item for code, item in rules().items() if item.check.__module__.startswith("labelkit.")}


def index() -> str:
    parts = [
        "# The rules of `labelkit validate`",
        f"{len(own())} rules. `labelkit rules` lists them, and `labelkit rules GEO102` shows a page in the "
        "terminal. A finding of severity *error* makes the command exit with 1, unless `--fail-on` says "
        "otherwise.",
    ]
    for family, about in FAMILIES.items():
        rows = [
            f"| [{code}]({code}.md) | {item.name} | {item.severity} | {MENDED[item.fixes]} | "
            f"{cell(item.summary)} |"
            for code, item in own().items()
            if code.startswith(family)
        ]
        if rows:
            parts += [
                f"## {family} · {about}",
                "\n".join(["| code | name | severity | mended by | finds |", "|---|---|---|---|---|", *rows]),
            ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    return {"README.md": index(), **{f"{code}.md": markdown(item) for code, item in own().items()}}


def test_every_rule_has_its_page_and_no_page_is_stale() -> None:
    if os.environ.get("LABELKIT_WRITE"):
        DOCS.mkdir(parents=True, exist_ok=True)
        for path in DOCS.glob("*.md"):
            path.unlink()
        for name, text in pages().items():
            (DOCS / name).write_text(text, "utf-8")
    there = {path.name: path.read_text("utf-8") for path in DOCS.iterdir()}
    assert sorted(there) == sorted(pages()), MEND
    assert [name for name, text in pages().items() if there[name] != text] == [], MEND


def test_the_pages_link_to_each_other_only() -> None:
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)]*)\)", path.read_text("utf-8")):
            assert (DOCS / target).is_file(), f"{path.name}: {target}"


@pytest.mark.parametrize("code", rules())
def test_a_rule_says_why_it_matters_how_to_mend_it_and_gives_an_example(code: str) -> None:
    said = rule_text(rules()[code])
    assert said.summary.endswith(".")
    assert said.why and said.fix and said.example
    undocumented = [name for name, _, words in said.options if not words]
    assert undocumented == [], "options that the docstring does not name: `Options: name, what it is; …`"


@rule("XYZ101", "info")
def far_apart(table: Table, *, limit: float = 3.0, side: int | None = None) -> None:
    """Things are far apart.

    There is more to say,
    on two lines.

    Why: it
    matters.
    Fix: move them.
    Example: `"a": [1, 2]`
    Options: limit, the distance; in metres; side, of the road.
    """


def test_a_docstring_is_taken_apart() -> None:
    said = rule_text(made(far_apart))
    assert said.summary == "Things are far apart."
    assert (said.more, said.why, said.fix) == (
        "There is more to say, on two lines.",
        "It matters.",
        "Move them.",
    )
    assert said.options == (
        ("limit", 3.0, "the distance; in metres"),
        ("side", None, "of the road"),
    )
    page = markdown(made(far_apart))
    assert page.startswith("# XYZ101 far-apart\n\n**info** · ")
    assert '## Example\n\n```\n"a": [1, 2]\n```\n' in page
    assert "| `side` | not set | of the road |" in page


def test_the_name_of_a_code_never_changes() -> None:
    """People write names into configurations. A new rule is added to the file; no line of it is changed."""
    file = Path(__file__).parent / "expected" / "rule_names.txt"
    said = dict(line.split() for line in file.read_text("utf-8").splitlines())
    if os.environ.get("LABELKIT_WRITE"):
        said = {**{code: item.name for code, item in own().items()}, **said}
        file.write_text("".join(f"{code} {name}\n" for code, name in sorted(said.items())), "utf-8")
    assert {code: item.name for code, item in own().items()} == said, MEND
