"""Coverage-guided fuzzing of ``labelkit validate``, its outputs and its mending, outside CI.

    pip install atheris        # CPython 3.11 to 3.13 on Linux and macOS have wheels
    python benchmarks/fuzz_validate.py coco -max_total_time=600
    python benchmarks/fuzz_validate.py coco crash-…      # runs one input again

The bytes are those of one file of a small data set (the first of them picks which), which is validated,
mended, and of some inputs also counted and written in every way; what must be so is in
tests/fuzz_survival.py. Half of the changes are libFuzzer's, half are made of values that data sets go wrong
with. All options are libFuzzer's; what it calls a crash is written to the working directory.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

if TYPE_CHECKING:
    from fuzz_sets import Made

_WRITTEN = 4  # of so many inputs the findings of one are written
Change = Callable[[Random, bytes], bytes]


class Target(NamedTuple):
    """What is fuzzed. seeds: inputs to begin with. run: one input; raises where something is wrong."""

    seeds: list[bytes]
    run: Callable[[bytes], object]
    change: Change


def main(arguments: Sequence[str]) -> None:
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not there: pip install atheris")
    with atheris.instrument_imports(include=["labelkit"]):
        import fuzz_breaks as breaks
        import fuzz_sets as sets
        import fuzz_survival  # noqa: F401  (with all of labelkit)
        from fuzz_images import change_image

    def change_document(random: Random, data: bytes) -> bytes:
        return random.choice([breaks.change_json, breaks.change_usual])(random, data)

    # A fixed place, for libFuzzer ends without tidying up; so a target runs once at a time.
    scratch = Path(tempfile.gettempdir()) / f"labelkit-fuzz-{''.join(arguments[1:2])}"
    warnings.simplefilter("error")  # one on stderr would be no less of a defect
    made = {
        "coco": lambda: _of_files(scratch, change_document, [
            (_alone("instances", sets.instances()), "annotations/instances_val.json"),
            (_alone("person_keypoints", sets.keypoints()), "annotations/person_keypoints_val.json"),
            (_alone("stuff", sets.stuff()), "annotations/stuff_val.json"),
            (_alone("labels", sets.labels()), "annotations/labels_val.json"),
            (sets.panoptic_set, "annotations/panoptic_val.json"),
            (sets.results_set, "results.json"),
        ]),
        "voc": lambda: _of_files(scratch, breaks.change_xml, [
            (sets.voc, "Annotations/2007_000027.xml"),
            (sets.voc, "ImageSets/Main/train.txt"),
            (sets.voc, "ImageSets/Main/person_train.txt"),
            (sets.voc, "labelmap.txt"),
        ]),
        "cityscapes": lambda: _of_files(scratch, change_document, [
            (sets.cityscapes_set, _frame("polygons.json")),
        ]),
        "jsonl": lambda: _of_files(scratch, breaks.change_lines, [(sets.jsonl_set, "records.jsonl")]),
        "png": lambda: _of_files(scratch, change_image, [
            (sets.voc, "SegmentationClass/2007_000027.png"),
            (sets.voc, "SegmentationObject/2007_000027.png"),
            (sets.cityscapes_set, _frame("labelIds.png")),
            (sets.cityscapes_set, _frame("instanceIds.png")),
            (sets.panoptic_set, "annotations/panoptic_val/a.png"),
            (sets.coco_set, "val/a.jpg"),
        ]),
        "baseline": lambda: _of_reading(scratch / "baseline.json", breaks.change_json),
        "config": lambda: _of_reading(scratch / "labelkit.toml", breaks.change_bytes),
    }  # fmt: skip
    if len(arguments) < 2 or arguments[1] not in made:
        sys.exit(f"usage: {arguments[0]} {'|'.join(made)} [options of libFuzzer]")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    target = made[arguments[1]]()
    corpus = scratch / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5 or not data:
            return atheris.Mutate(data, most)
        return (data[:1] + target.change(random, data[1:]))[:most]

    is_again = any(not each.startswith("-") for each in arguments[2:])
    inputs = [] if is_again else [str(corpus)]
    options = [arguments[0], "-max_len=65536", *arguments[2:], *inputs]
    atheris.Setup(options, target.run, custom_mutator=mutated)
    atheris.Fuzz()


def _alone(name: str, said: object) -> Callable[[Path], Made]:
    """Makes a data set of one COCO document."""
    from fuzz_sets import Made, coco_document

    def make(root: Path) -> Made:
        coco_document(root, name, said)
        return Made(root)

    return make


def _frame(name: str) -> str:
    return f"gtFine/val/testcity/testcity_000000_000019_gtFine_{name}"


def _of_files(
    scratch: Path, change: Change, choices: Sequence[tuple[Callable[[Path], object], str]]
) -> Target:
    """Data sets of which one file has the bytes of the input; the first byte picks it."""
    from fuzz_sets import Made
    from fuzz_survival import survives

    seeds, templates = [], []
    for number, (make, name) in enumerate(choices):
        template = scratch / f"template{number}"
        template.mkdir()
        made = make(template)
        file = template / name
        seeds.append(bytes([number]) + (file.read_bytes() if file.exists() else b"person:1,2,3::\n"))
        templates.append((template, made, name))

    def run(data: bytes) -> None:
        template, made, name = templates[(data[0] if data else 0) % len(templates)]
        root = scratch / "set"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(template, root)
        (root / name).write_bytes(data[1:])
        options = {key: root / value.relative_to(template) for key, value in made.options.items()}
        again = Made(root / made.source.relative_to(template), options)
        draw = zlib.crc32(data)
        survives(again, is_written=draw % _WRITTEN == 0, mendings=[draw // _WRITTEN % 2 == 1])

    return Target(seeds, run, change)


def _of_reading(file: Path, change: Change) -> Target:
    """What a person gives beside the data set: whatever is wrong with it is a UsageError."""
    from labelkit.baseline import read_baseline, write_baseline
    from labelkit.config import read_config
    from labelkit.errors import UsageError

    entry = {"fingerprint": "a" * 32, "count": 1, "code": "GEO101", "file": "a.json"}
    seeds = {
        "baseline.json": json.dumps({"labelkit_baseline": 1, "findings": [entry]}),
        "labelkit.toml": 'select = ["GEO"]\nfail-on = "info"\n[rules.GEO114]\nlimit = 3\n'
        '[per-file-ignores]\n"a*" = ["GEO"]\n[formats.voc]\nbase = "0"\n',
    }

    def run(data: bytes) -> None:
        file.write_bytes(data[1:])
        try:
            if file.suffix == ".toml":
                read_config(file)
            else:
                write_baseline(file, read_baseline(file))
        except UsageError as error:
            str(error).encode("utf-8", "backslashreplace")

    return Target([b"\0" + seeds[file.name].encode()], run, change)


if __name__ == "__main__":
    main(sys.argv)
