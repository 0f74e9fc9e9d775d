"""What must be so of any data set, however broken: for fuzzing.

No run ends by anything but a ``LabelkitError`` that says why; every finding can be written by every output;
mending comes to an end, leaves nothing beside the files, and does what it says.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np
from fuzz_sets import Made

from labelkit.baseline import Baseline
from labelkit.cli.reports import output
from labelkit.cli.validate import OUTPUTS
from labelkit.dataset import open_dataset, source_format
from labelkit.errors import DestinationError, LabelkitError, UsageError
from labelkit.findings import fingerprint
from labelkit.mending import Mended, mend, plan
from labelkit.model import Record
from labelkit.outputs import diff, stats_html, stats_json, stats_text
from labelkit.pixels import mask_runs
from labelkit.statistics import statistics
from labelkit.validation import Validation, validate

# A file that cannot be read; less than that (STR110) may only be seen once something else is mended.
_UNREADABLE = {"STR101", "STR102", "STR103", "STR107", "STR111", "IMG101", "IMG102"}


def survives(made: Made, *, is_written: bool = True, mendings: Sequence[bool] = (False, True)) -> bool:
    """Validate, write, count and mend a data set; fails where something is not as it must be.

    is_written: whether all outputs are written, which takes as long as the rest. mendings: whether fixes are
    made that are not safe, one time after the other. Returns: whether it is a data set at all. It is changed.
    """
    try:
        format = source_format(made.source).name  # as the command does: it must not be another after mending
    except UsageError:  # nothing says which it is
        return False
    made = Made(made.source, made.options, format)
    try:
        done = validated(made)
    except UsageError as error:  # an option names what cannot be one
        assert error.place == "--coco-gt"
        return False
    assert_once(done)
    if is_written:
        write_all(done)
        count(made)
    for unsafe in mendings:
        done = assert_mended(made, done, unsafe=unsafe)
    return True


def validated(made: Made) -> Validation:
    return validate(made.source, format=made.format, options=made.options, fixes=True, outlines=3)


def assert_once(done: Validation) -> None:
    """No finding is told twice."""
    told = Counter((each.code, each.at, each.message) for each in done.findings)
    assert not [each for each, times in told.items() if times > 1]


# --- outputs -----------------------------------------------------------------------------------------------


def write_all(done: Validation) -> None:
    """Write the findings in every way there is, and read what programs read."""
    written = {name: text_of(done, output(*where)) for name, where in OUTPUTS.items()}
    for name in ("json", "sarif"):
        json.loads(written[name], parse_constant=_no_constant)
    lines = written["jsonl"].split("\n")[:-1]  # no other character ends a line of JSON Lines
    assert len([json.loads(line, parse_constant=_no_constant) for line in lines]) == len(done.findings)
    ElementTree.fromstring(written["junit"])
    HTMLParser().feed(written["html"])
    counted = sum(line.startswith("  ") for line in written["full"].split("\n"))
    assert counted == len(done.findings)
    known = Baseline().renewed(done.findings, done.conclusive)
    assert known.known(done.findings) == set(range(len(done.findings)))
    Baseline.model_validate_json(known.model_dump_json())
    pickle.dumps(list(done.fixes.values()))


def text_of(value: Any, write: Callable[[Any, Any], None]) -> str:
    """What is written of a value, as UTF-8 as a file has it."""
    with BytesIO() as data, TextIOWrapper(data, "utf-8", "backslashreplace", newline="\n") as stream:
        write(value, stream)
        stream.flush()
        return data.getvalue().decode()


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def count(made: Made) -> None:
    """Count the data set, and write the numbers in every way there is."""
    try:
        counted = statistics(made.source, format=made.format, options=made.options)
    except LabelkitError:
        return
    json.loads(text_of(counted, stats_json.write), parse_constant=_no_constant)
    text_of(counted, stats_text.write)
    HTMLParser().feed(text_of(counted, stats_html.write))


# --- mending -----------------------------------------------------------------------------------------------


def assert_mended(made: Made, before: Validation, *, unsafe: bool) -> Validation:
    """Mend, and look at what has become of it. Returns: what is found then."""
    diff.write(plan(before, unsafe=unsafe), made.source, StringIO())
    names, meant = listing(made), meaning(made)
    try:
        after, done = mend(lambda: validated(made), unsafe=unsafe)
    except DestinationError:
        assert listing(made) == names
        return before
    assert listing(made) == names
    assert_gone(before, after, done)
    if not unsafe:
        assert_same(meant, meaning(made))
    return after


def listing(made: Made) -> list[str]:
    """All that lies where the data set lies."""
    folder = made.source if made.source.is_dir() else made.source.parent
    return sorted(str(path) for path in folder.rglob("*"))


def assert_gone(before: Validation, after: Validation, done: list[Mended]) -> None:
    """What was mended is not found again, and no mending has broken a file."""
    left, was, mended = (
        Counter(map(fingerprint, findings))
        for findings in (after.findings, before.findings, [each.finding for each in done])
    )
    for key, times in mended.items():
        assert left[key] <= max(was[key] - times, 0), [f for f in after.findings if fingerprint(f) == key]
    new = {finding.code for finding in after.findings} - {finding.code for finding in before.findings}
    assert not new & _UNREADABLE, (new, done)


def meaning(made: Made) -> dict[str, list[Any]]:
    """What safe mending must leave, by image: classes, flags, pixels and boxes of its objects."""
    try:
        dataset = open_dataset(made.source, format=made.format, carrier=False, **made.options)
        items = [item for part in dataset.reader.parts() for item in dataset.reader.read(part)]
    except (LabelkitError, OSError):
        return {}
    return {item.image.path: _shown(item) for item in items if isinstance(item, Record)}


def _shown(record: Record) -> list[Any]:
    return [
        (
            item.category, bool(item.crowd), bool(item.difficult), bool(item.truncated), item.score,
            _pixels(record, item) if item.kind == "instance" else None, item.box,
        )
        for item in record.objects
    ]  # fmt: skip


def _pixels(record: Record, item: Any) -> Any:
    try:
        return mask_runs(record, item.mask).tobytes()
    except ValueError:
        return "unreadable"


def assert_same(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> None:
    """Every object is there yet, and none is new; a box may move by less than a pixel, a copy may go."""
    assert before.keys() <= after.keys()
    for path, objects in before.items():
        for some, others in ((objects, after[path]), (after[path], objects)):
            assert all(any(_is_same(one, other) for other in others) for one in some), path


def _is_same(one: Any, other: Any) -> bool:
    box, moved = one[-1], other[-1]
    is_near = box is None or moved is None or np.allclose([*box], [*moved], rtol=1e-9, atol=1)
    return bool(is_near) and one[:-1] == other[:-1]
