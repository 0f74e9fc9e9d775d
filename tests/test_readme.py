"""The README says what is: its table is made from the code, and its tour is what the commands print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from test_rules_coco import clean, written

from labelkit.formats import FEATURES, formats

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def table() -> str:
    names = list(formats())
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for key, text in FEATURES.items():
        cells = ["yes" if key in formats()[name].carries else "" for name in names]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_table_of_formats_is_made_from_what_they_carry() -> None:
    text = README.read_text("utf-8")
    pattern = re.compile(r"(<!-- made by [^\n]*-->\n)(.*?)(\n<!-- end -->)", re.DOTALL)
    made = pattern.sub(lambda match: match[1] + table() + match[3], text)
    if os.environ.get("LABELKIT_WRITE"):
        README.write_text(made, "utf-8")
    assert README.read_text("utf-8") == made, "mend it with LABELKIT_WRITE=1 pytest tests/test_readme.py"


def test_the_tour_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    text = README.read_text("utf-8")
    match = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert match
    commands = re.findall(r"^\$ (labelkit .*)$", match[1], re.MULTILINE)
    assert commands
    printed = []
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        printed.append("\n".join([f"$ {command}", *lines]) + "\n")
    if os.environ.get("LABELKIT_WRITE"):
        README.write_text(text.replace(match[1], "\n".join(printed)), "utf-8")
    else:
        assert match[1] == "\n".join(printed), "mend it with LABELKIT_WRITE=1 pytest tests/test_readme.py"


def test_the_defects_that_the_readme_shows_are_found_and_mended(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][0]["bbox"] = [2, 3, 0, 10]
    said["annotations"].append({**said["annotations"][2], "id": 4})
    written(tmp_path, said)
    text = README.read_text("utf-8")
    blocks = re.findall(r"(    \$ (labelkit validate instances_val.json.*)\n(?:    .*\n)*)", text)
    assert [command.partition("json")[2] for _, command in blocks] == ["", " --fix", " --diff --unsafe-fixes"]
    made = text
    for block, command in blocks:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        shown = [f"    {line}".rstrip() for line in done.stdout.splitlines()]
        made = made.replace(block, "\n".join([f"    $ {command}", *shown]) + "\n")
    if os.environ.get("LABELKIT_WRITE"):
        README.write_text(made, "utf-8")
    assert README.read_text("utf-8") == made, "mend it with LABELKIT_WRITE=1 pytest tests/test_readme.py"
