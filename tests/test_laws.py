"""The laws that every format gets without a line of test code: parametrised over the registry.

The records are made by hypothesis; each law is a promise of the README. Timing never decides a test.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import HEADER, record_lists, records

from labelkit.carrier import carrier_path
from labelkit.formats import FEATURES, formats
from labelkit.formats.jsonl import JsonlWriter
from labelkit.loss import Fitted, fit, fit_header
from labelkit.model import Box, Header, Record
from labelkit.pipeline import convert, open_dataset
from labelkit.visible import visible, visible_header

NAMES = list(formats())
PAIRS = [(a, b) for a in NAMES for b in NAMES if a != b]
EXAMPLES = settings(max_examples=40)
FEW = settings(max_examples=12)


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
@given(items=record_lists())
def test_what_was_fitted_is_read_back_the_same(name: str, items: list[Record]) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        got_header, got = read(name, root)
        assert shown(got) == shown([each.record for each in fitted])
        assert sorted(each.image.path for each in got) == sorted(each.record.image.path for each in fitted)
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
def test_there_and_back_with_the_carrier_gives_everything(
    name: str, other: str, items: list[Record]
) -> None:
    header, fitted = fit_all(name, items)
    with folder() as tmp:
        root = write(name, tmp / "a", header, [each.record for each in fitted])
        convert(root, tmp / "b", to=other)
        convert(tmp / "b", tmp / "c", to=name)
        got_header, got = read(name, tmp / "c")
        assert shown(got) == shown([each.record for each in fitted])
        assert visible_header(got_header) == visible_header(header)
        assert files(tmp / "c") == files(root)


@pytest.mark.parametrize(("name", "other"), PAIRS)
@FEW
@given(items=record_lists(), pick=st.integers(0, 100), kind=st.sampled_from(["move", "relabel", "delete"]))
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
        position, changed = edited
        target, _ = fit_header(there_header, formats()[other])
        remade = [
            fit(changed if k == position else record, target, k).record for k, record in enumerate(there)
        ]
        write(other, tmp / "edited", target.header, remade)
        if carrier_path(tmp / "b").exists():
            shutil.copy(carrier_path(tmp / "b"), carrier_path(tmp / "edited"))
        convert(tmp / "edited", tmp / "c", to=name)
        _, got = read(name, tmp / "c", carrier=False)
        _, before = read(name, root)
        paths = sorted(record.image.path for record in there)
        touched = paths.index(there[position].image.path)
        by_order = {path: k for k, path in enumerate(sorted(each.image.path for each in before))}
        assert len(got) == len(before) == len(by_order)
        untouched = [k for k in range(len(paths)) if k != touched]
        same_order = sorted(record.image.path for record in before) == sorted(r.image.path for r in got)
        assert same_order
        if [Path(path).stem for path in paths] == [Path(path).stem for path in sorted(by_order)]:
            for k in untouched:
                assert shown(got)[k] == shown(before)[k]


def edit(header: Header, items: list[Record], pick: int, kind: str) -> tuple[int, Record] | None:
    """One object of one record moved, relabelled or deleted."""
    places = [
        (r, o)
        for r, record in enumerate(items)
        for o, item in enumerate(record.objects)
        if kind != "move" or item.kind == "box"
    ]
    if not places:
        return None
    r, o = places[pick % len(places)]
    record, item = items[r], items[r].objects[o]
    if kind == "delete":
        objects = (*record.objects[:o], *record.objects[o + 1 :])
    else:
        if kind == "move":
            changed = item.model_copy(
                update={"box": Box(item.box.x + 100, item.box.y + 100, item.box.w, item.box.h)}
            )
        else:
            others = [each.name for each in header.categories if each.name != item.category]
            if not others:
                return None
            changed = item.model_copy(update={"category": others[pick % len(others)]})
        objects = (*record.objects[:o], changed, *record.objects[o + 1 :])
    return r, record.model_copy(update={"objects": objects})
