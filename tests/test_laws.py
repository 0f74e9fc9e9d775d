"""The laws that every format gets without a line of test code: parametrised over the registry.

The records are made by hypothesis; each law is a promise of the README. Timing never decides a test.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import HEADER, record_lists, records

from labelkit.carrier import carrier_path
from labelkit.formats import FEATURES, formats
from labelkit.formats.jsonl import JsonlWriter
from labelkit.loss import Fitted, fit, fit_header
from labelkit.model import Box, Header, Record, SemanticMap
from labelkit.pipeline import convert, open_dataset
from labelkit.visible import visible, visible_header

NAMES = list(formats())
PAIRS = [(a, b) for a in NAMES for b in NAMES if a != b]
DEPTH = int(os.environ.get("LABELKIT_DEPTH", "1"))  # more examples for whoever has the time
EXAMPLES = settings(max_examples=25 * DEPTH)
FEW = settings(max_examples=6 * DEPTH)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def write_jsonl(root: Path, header: Header, items: list[Record]) -> Path:
    root.mkdir()
    writer = JsonlWriter(root, header)
    writer.write(0, items)
    writer.finish()
    return root


def fit_all(name: str, items: list[Record], header: Header = HEADER) -> tuple[Header, list[Fitted]]:
    target, _ = fit_header(header, formats()[name])
    return target.header, [fit(record, target, ordinal) for ordinal, record in enumerate(items)]


def write(name: str, root: Path, header: Header, items: list[Record]) -> Path:
    root.mkdir()
    writer = formats()[name].create(root, header)
    writer.write(0, items)
    writer.finish()
    return root


def read(name: str, root: Path, **options: object) -> tuple[Header, list[Record]]:
    if name == "voc":
        options.setdefault("base", "1")
    dataset = open_dataset(root, format=name, **options)
    return dataset.header, list(dataset)


def shown(items: list[Record]) -> list[dict[str, object]]:
    """What records show, whatever order the format keeps its files in; paths are compared apart."""
    return [visible(record) for record in sorted(items, key=lambda record: record.image.path)]


def stems(items: list[Record]) -> list[str]:
    """Paths without suffix: Cityscapes knows an image's suffix by the file only, and there is none here."""
    return sorted(str(Path(record.image.path).with_suffix("")) for record in items)


def files(root: Path) -> dict[str, bytes]:
    """Every file but the carrier."""
    skip = carrier_path(root)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path != skip
    }


@pytest.mark.parametrize("name", NAMES)
def test_carries_names_only_things_there_are(name: str) -> None:
    assert formats()[name].carries <= set(FEATURES)
    assert formats()[name].name == name


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(record=records())
def test_fitting_a_fitted_record_changes_nothing_and_tells_nothing(name: str, record: Record) -> None:
    target, _ = fit_header(HEADER, formats()[name])
    once = fit(record, target, 3)
    again_target, findings = fit_header(target.header, formats()[name])
    assert (again_target.header, findings) == (target.header, [])
    twice = fit(once.record, target, 3)
    assert twice.findings == []
    assert twice.record == once.record
    assert twice.origins == tuple(range(len(once.record.objects)))


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(record=records())
def test_who_made_a_map_is_kept_or_told(name: str, record: Record) -> None:
    target, _ = fit_header(HEADER, formats()[name])
    fitted = fit(record, target)
    for key, item in record.maps.items():
        if isinstance(item, SemanticMap) and item.provenance and key in fitted.record.maps:
            now = fitted.record.maps[key]
            assert isinstance(now, SemanticMap)
            told = [each.place for each in fitted.findings if "provenance" in each.message]
            assert now.provenance == item.provenance or f"{record.image.path}:map {key}" in told


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(items=record_lists())
def test_what_was_fitted_is_read_back_the_same(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        got_header, got = read(name, root)
        assert shown(got) == shown([each.record for each in fitted])
        assert stems(got) == stems([each.record for each in fitted])
        assert visible_header(got_header) == visible_header(header)


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(items=record_lists())
def test_a_writer_leaves_its_input_unchanged(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    before = [each.record.model_dump_json() for each in fitted]
    with folder() as tmp:
        write(name, tmp / "a", header, [each.record for each in fitted])
    assert [each.record.model_dump_json() for each in fitted] == before


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(items=record_lists())
def test_parts_written_in_any_order_give_the_same_bytes(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        results = []
        for order in (range(len(items)), reversed(range(len(items)))):
            root = tmp / f"out{len(results)}"
            root.mkdir()
            writer = formats()[name].create(root, header)
            for part in order:
                writer.write(part, [fitted[part].record])
            pickle.loads(pickle.dumps(writer)).finish()
            results.append(files(root))
        assert results[0] == results[1]


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(items=record_lists())
def test_readers_pickle_small_and_read_the_same_after(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        reader = open_dataset(root, format=name).reader
        first = [record for part in reader.parts() for record in reader.read(part)]
        data = pickle.dumps(reader)
        assert len(data) < 20_000
        copy = pickle.loads(data)
        assert [record for part in copy.parts() for record in copy.read(part)] == first


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(items=record_lists())
def test_reading_and_writing_a_format_gives_its_bytes_back(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        convert(root, tmp / "b", to=name)
        assert files(tmp / "b") == files(root)
        assert not carrier_path(tmp / "b").exists()


@pytest.mark.parametrize(("name", "other"), PAIRS)
@FEW
@given(items=record_lists())
def test_there_and_back_with_the_carrier_gives_everything(name: str, other: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        convert(root, tmp / "b", to=other)
        convert(tmp / "b", tmp / "c", to=name)
        got_header, got = read(name, tmp / "c")
        assert shown(got) == shown([each.record for each in fitted])
        assert visible_header(got_header) == visible_header(header)
        if "order" in formats()[name].carries:
            assert [record.image.path for record in got] == [each.record.image.path for each in fitted]
        if "raw" not in formats()[name].carries:  # else it has what the other format said, too
            assert files(tmp / "c") == files(root)


@pytest.mark.parametrize(("name", "other"), PAIRS)
@FEW
@given(
    items=record_lists(),
    pick=st.integers(0, 100),
    kind=st.sampled_from(["move", "relabel", "delete", "add"]),
)
def test_an_edit_in_the_target_wins_and_everything_else_returns(
    name: str, other: str, items: list[Record], pick: int, kind: str
) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        convert(root, tmp / "b", to=other)
        there_header, there = read(other, tmp / "b", carrier=False)
        edited = edit(there_header, there, pick, kind)
        if edited is None:
            return
        position, there[position], value = edited
        target, _ = fit_header(there_header, formats()[other])
        remade = [fit(record, target, k).record for k, record in enumerate(there)]
        write(other, tmp / "edited", target.header, remade)
        if carrier_path(tmp / "b").exists():
            shutil.copy(carrier_path(tmp / "b"), carrier_path(tmp / "edited"))
        before, after = read(other, tmp / "b")[1], read(other, tmp / "edited")[1]
        assert [each.image.path for each in after] == [each.image.path for each in before]
        for k, (old, new) in enumerate(zip(before, after, strict=True)):
            gone, come = differences(visible(old)["objects"], visible(new)["objects"])
            if k != position:
                assert visible(new) == visible(old)
            elif kind == "delete":
                assert (len(come), len(gone)) in ((0, 1), (0, 0))  # 0: it was derived, and is not restored
            else:
                assert len(gone) <= 1
                assert len(come) == 1
                assert value in come[0].values()
        convert(tmp / "edited", tmp / "c", to=name)  # and what came of it can be written


def differences(old: list[Any], new: list[Any]) -> tuple[list[Any], list[Any]]:
    """What is only in the one and only in the other, with multiplicity."""
    gone, come = list(old), []
    for item in new:
        if item in gone:
            gone.remove(item)
        else:
            come.append(item)
    return gone, come


def edit(header: Header, items: list[Record], pick: int, kind: str) -> tuple[int, Record, Any] | None:
    """One object of one record moved, relabelled, deleted or added, and the value that must be seen."""
    places = [
        (r, o)
        for r, record in enumerate(items)
        for o, item in enumerate(record.objects)
        if kind not in ("move", "add") or item.kind == "box"
    ]
    if not places:
        return None
    r, o = places[pick % len(places)]
    objects, item = list(items[r].objects), items[r].objects[o]
    value: Any = None
    if kind == "delete":
        del objects[o]
    elif kind == "relabel":
        value = next(
            (each.name for each in header.categories if each.name != item.category and each.thing), None
        ) or next((each.name for each in header.categories if each.name != item.category), None)
        if value is None:
            return None
        objects[o] = item.model_copy(update={"category": value})
    else:
        assert item.box is not None
        moved = Box(item.box.x + 100.5, item.box.y + 100, item.box.w, item.box.h)
        value = list(moved)
        if kind == "move":
            objects[o] = item.model_copy(update={"box": moved})
        else:
            objects.append(item.model_copy(update={"box": moved, "raw": {}}))
    # A semantic map that still shows the object would be a second statement; it is derived anew.
    maps = {name: each for name, each in items[r].maps.items() if name != "semantic"}
    return r, items[r].model_copy(update={"objects": tuple(objects), "maps": maps}), value
