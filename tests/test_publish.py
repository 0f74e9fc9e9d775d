"""Publishing: whole or absent, whatever happens on the way."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from labelkit.errors import DestinationError
from labelkit.publish import refuse_overlap, staged


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(destination: Path) -> AbstractContextManager[Path]:
    return staged(destination, overwrite=False)


def test_what_was_staged_appears_when_the_block_ends(tmp_path: Path) -> None:
    with staged(tmp_path / "out", overwrite=False) as stage:
        (stage / "out").mkdir()
        (stage / "out" / "a").write_text("new")
        assert names(tmp_path) != ["out"]
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "new"


def test_a_file_and_its_carrier_appear_beside_each_other(tmp_path: Path) -> None:
    with staged(tmp_path / "out.json", overwrite=False) as stage:
        (stage / "out.json").write_text("{}")
        (stage / "out.json.labelkit.jsonl").write_text("carried")
    assert names(tmp_path) == ["out.json", "out.json.labelkit.jsonl"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), staged(tmp_path / "out", overwrite=False) as stage:
        (stage / "out").mkdir()
        raise error
    assert names(tmp_path) == []


def test_a_failure_leaves_the_old_data(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(RuntimeError), staged(tmp_path / "out", overwrite=True) as stage:
        (stage / "out").mkdir()
        raise RuntimeError
    assert names(tmp_path / "out") == ["old"]


def test_an_existing_destination_is_refused_and_an_empty_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out", overwrite=False) as stage:
        (stage / "out").mkdir()
        (stage / "out" / "a").touch()
    with pytest.raises(DestinationError, match=r"exists already.*--overwrite"), refused(tmp_path / "out"):
        pass
    with staged(tmp_path / "out", overwrite=True) as stage:
        (stage / "out").mkdir()
    assert names(tmp_path / "out") == []


def test_an_interrupted_swap_is_repaired_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / ".out.labelkit-old").mkdir()
    (tmp_path / ".out.labelkit-old" / "precious").touch()
    with pytest.raises(DestinationError, match="exists already"), refused(tmp_path / "out"):
        pass
    assert names(tmp_path / "out") == ["precious"]


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".out.labelkit-new.999999999").mkdir()
    with staged(tmp_path / "out", overwrite=False) as stage:
        (stage / "out").mkdir()
    assert names(tmp_path) == ["out"]


def test_the_staging_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    living = tmp_path / f".out.labelkit-new.{os.getppid()}"
    living.mkdir()
    with staged(tmp_path / "out", overwrite=False) as stage:
        (stage / "out").mkdir()
    assert living.is_dir()


@pytest.mark.parametrize("destination", ["data", "data/inside", "."])
def test_a_destination_that_touches_the_source_is_refused(tmp_path: Path, destination: str) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DestinationError, match="source"):
        refuse_overlap(tmp_path / "data", tmp_path / destination)
    refuse_overlap(tmp_path / "data", tmp_path / "elsewhere")


def test_what_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="made by someone else"), refused(tmp_path / "out") as stage:
        (stage / "out").mkdir()
        (stage / "out" / "mine").touch()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["theirs"]


def test_folders_made_on_the_way_go_when_nothing_is_published(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), refused(tmp_path / "deep" / "er" / "out"):
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_folder_replaces_a_file_only_when_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DestinationError, match="exists already"), refused(tmp_path / "out"):
        pass
    with staged(tmp_path / "out", overwrite=True) as stage:
        (stage / "out").mkdir()
    assert (tmp_path / "out").is_dir()
    assert names(tmp_path) == ["out"]


def test_a_signal_just_after_the_stage_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def interrupted(self: Path, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), refused(tmp_path / "out"):
        pass
    assert names(tmp_path) == []
