"""Whatever a conversion refuses, validating finds; and no file, however broken, ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_malformed import FAULTS, UNREADABLE, cityscapes, coco, rows, voc

from labelkit.errors import UsageError
from labelkit.validation import validate


@pytest.mark.parametrize("name", [*UNREADABLE, *FAULTS])
def test_what_cannot_be_converted_is_found(name: str, tmp_path: Path) -> None:
    case = {**UNREADABLE, **FAULTS}[name]
    case[0](tmp_path / "set")
    try:
        result = validate(tmp_path / "set")
    except UsageError:
        assert name in UNREADABLE  # nothing says which format it is
        return
    assert result.fails("error"), result.findings


MADE = {"coco": coco(), "voc": voc(), "cityscapes": cityscapes(), "jsonl": rows()}


@pytest.mark.parametrize("name", MADE)
def test_what_they_are_made_from_has_no_error(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path / "set")
    assert not validate(tmp_path / "set").fails("error")
