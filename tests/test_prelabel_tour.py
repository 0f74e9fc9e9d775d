"""The README's tour of pre-labelling, from photos to what became of the labels, run word for word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_TOUR = re.compile(r"(?<=<!-- tour of prelabel -->\n```console\n).*?(?=```\n<!-- end -->)", re.DOTALL)

pytestmark = pytest.mark.slow  # a model is trained


def edit(review: Path) -> None:
    """What a reviewer does in the exported file: delete, rename, move, draw."""
    text = review.read_text("utf-8")
    shapes = re.findall(r"[ \t]*<box .*?</box>\n", text, re.DOTALL)
    assert len(shapes) > 5
    text = text.replace(shapes[0], "", 1)
    label = re.search(r'label="([^"]*)"', shapes[1])
    assert label
    other = "blue disc" if label[1] == "red disc" else "red disc"
    text = text.replace(shapes[1], shapes[1].replace(f'label="{label[1]}"', f'label="{other}"', 1), 1)
    left = re.search(r'xtl="([0-9.]+)"', shapes[2])
    assert left
    aside = f'xtl="{float(left[1]) + 4:.2f}"'
    text = text.replace(shapes[2], shapes[2].replace(left[0], aside, 1), 1)
    place = 'source="manual" occluded="0" xtl="1" ytl="2" xbr="30" ybr="20" z_order="0"'
    drawn = f'<box label="red bar" {place}></box>\n'
    text = text.replace(shapes[3], shapes[3] + drawn, 1)
    review.write_text(text, "utf-8")


def alike(text: str) -> str:
    """A text without its numbers, widths and repeated rows, which depend on the machine that trains."""
    text = re.sub(r"\b[0-9a-f]{16}\b", "RUN", text)
    text = re.sub(r"[0-9]+(?:[.,][0-9]+)*", "0", text)
    text = re.sub(r"[ ─-]+", " ", text)
    return re.sub(r"^(.*\n)\1+", r"\1", text, flags=re.MULTILINE)


def test_the_tour_of_the_readme_does_what_it_shows(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    found = _TOUR.search(README.read_text("utf-8"))
    assert found
    cache = pytestconfig.rootpath / ".pytest_cache" / "labelkit-models"
    lines: list[str] = []
    for line in (line for line in found[0].splitlines() if line.startswith(("$", "#"))):
        lines.append(line)
        if line.startswith("#"):
            edit(tmp_path / "review" / "annotations.xml")
            continue
        words = shlex.split(line[2:])
        if words[0] == "python":
            words = [sys.executable, str(ROOT / words[1]), *words[2:], "--cache", str(cache)]
        else:
            words = [sys.executable, "-m", *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=1200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        lines += done.stdout.splitlines()
    made = "\n".join(line.rstrip() for line in lines) + "\n"
    if os.environ.get("LABELKIT_WRITE"):
        README.write_text(_TOUR.sub(lambda match: made, README.read_text("utf-8")), "utf-8")
    assert alike(found[0]) == alike(made), "mend it with LABELKIT_WRITE=1 pytest tests/test_prelabel_tour.py"
