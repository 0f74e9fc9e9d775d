"""Exports broken at random: each is read as far as it goes, and what is read is written as what it says."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from labelstudio_files import CONFIG, annotation, moved, prediction, read, records, region, rewritten, task
from test_labelstudio_review import chosen, painted, predicted

from labelkit.errors import LabelkitError
from labelkit.formats import formats
from labelkit.loss import fit, fit_header
from labelkit.model import Record
from labelkit.validation import validate
from labelkit.visible import visible

PIXELS = np.arange(20).reshape(4, 5) % 3 == 0
POLYGON = {"points": [[1, 2], [3, 4], [5, 6.5]], "polygonlabels": ["bird"]}
META = {"labelkit": {"exact": {"0": 2.0000001}, "attributes": {"a": 1}}}
REVIEWED = [predicted("a"), moved(predicted("b"), x=3), region("c", "dog")]
EXPORT = [
    task([annotation(5, *REVIEWED, parent_prediction=11)], [prediction(11, predicted("a"), predicted("b"))]),
    task(
        [annotation(6, painted("m", PIXELS), chosen("w", "rain"))],
        [prediction(12, painted("n", PIXELS), chosen("v", "sunny", score=0.3))],
        "https://h/b.jpg",
    ),
    task(
        [],
        [prediction(13, region("p", "", type="polygonlabels", from_name="poly", value=POLYGON, meta=META))],
        "c.jpg",
        meta={"labelkit": {"path": "x/c.jpg", "width": 200, "height": 100, "splits": ["t"]}},
    ),
]
VALUES: list[Any] = [
    *(None, True, -1, 0, 1e308, 10**400, 3.5, "", "x", "labelkit-1", "../x", "object", "choices", "layer"),
    *([], {}, [[]], ["cat"], [1, 2], {"a": 1}, {"labelkit": None}, {"labelkit": {"labels": {"rain": 1}}}),
]


def places(value: Any, steps: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [steps, *(place for key, each in inner for place in places(each, (*steps, key)))]


def broken(draw: Random) -> bytes:
    """The export with up to three values replaced, removed or repeated, and sometimes a byte."""
    said = copy.deepcopy(EXPORT)
    for _ in range(draw.choice([1, 1, 2, 3])):
        *steps, last = draw.choice(places(EXPORT)[1:])
        with suppress(KeyError, IndexError, TypeError):  # of what is broken already
            inner: Any = said
            for step in steps:
                inner = inner[step]
            change = draw.random()
            if change < 0.2:
                del inner[last]
            elif change < 0.3 and isinstance(inner, list):
                inner.append(copy.deepcopy(inner[last]))
            else:
                inner[last] = draw.choice(VALUES)
    data = bytearray(json.dumps(said).encode())
    if draw.random() < 0.1:
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_broken_is_told_and_the_rest_is_read_and_written(seed: int, tmp_path: Path) -> None:
    draw = Random(seed)
    (tmp_path / "tasks.json").write_bytes(broken(draw))
    if draw.random() < 0.7:
        (tmp_path / "labels.xml").write_text(CONFIG, "utf-8")
    try:
        header, items = read(tmp_path)
    except LabelkitError:
        assert validate(tmp_path, format="labelstudio").findings
        return
    found = [item for item in items if isinstance(item, Record)]
    target, _ = fit_header(header, formats()["labelstudio"])
    fitted = [fit(record, target).record for record in found]
    rewritten(tmp_path / "again", header, found)
    assert [visible(each) for each in records(tmp_path / "again")] == [visible(each) for each in fitted]
    failed = [item for item in items if isinstance(item, LabelkitError)]
    codes = {finding.code[:3] for finding in validate(tmp_path, format="labelstudio").findings}
    assert not failed or codes & {"STR", "REF"}
