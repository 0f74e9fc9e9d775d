"""The hook for pre-commit: its manifest is valid, and fits the command and the files of data sets."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"


def hook() -> dict[str, object]:
    (only,) = yaml.safe_load(MANIFEST.read_text("utf-8"))
    assert only["id"] == "labelkit-validate"
    return only


def test_pre_commit_accepts_the_manifest() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_hook_runs_when_a_file_of_a_data_set_changes_and_not_for_code() -> None:
    pattern = re.compile(str(hook()["files"]))
    samples = [path for path in (ROOT / "sample_data").rglob("*") if path.is_file() and path.suffix != ".md"]
    assert len(samples) > 50
    assert [path.name for path in samples if not pattern.search(path.as_posix())] == []
    assert not any(pattern.search(name) for name in ("train.py", "README.md", "pyproject.toml", "json"))


def test_the_hook_fails_where_the_data_set_does(tmp_path: Path) -> None:
    """As pre-commit calls it: the entry, then the args, and no file names."""
    assert hook()["pass_filenames"] is False
    entry = [sys.executable, "-m", *shlex.split(str(hook()["entry"]))]
    data = tmp_path / "data" / "coco"
    shutil.copytree(ROOT / "sample_data" / "coco", data)
    assert subprocess.run([*entry, "data/coco"], cwd=tmp_path, capture_output=True).returncode == 0
    file = data / "annotations" / "instances_train.json"
    file.write_text(file.read_text("utf-8") + "}", "utf-8")
    done = subprocess.run([*entry, "data/coco"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "instances_train.json" in done.stdout
