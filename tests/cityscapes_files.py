"""Cityscapes sets for tests: small ones made by hand, read and written, and compared file by file."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats.cityscapes import FORMAT
from labelkit.geometry import rle
from labelkit.loss import fit, fit_header
from labelkit.model import (
    Header,
    Image,
    Instance,
    Layer,
    Layers,
    Mask,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import mask_runs

CITY = "val/testcity"
KINDS = ("polygons", "color", "labelIds", "instanceIds", "labelTrainIds", "instanceTrainIds")
Pixels = np.ndarray[Any, Any]


def read_all(path: Path, **options: Any) -> list[Any]:
    reader = FORMAT.open(path, **options)
    return [item for part in reader.parts() for item in reader.read(part)]


def records_of(items: list[Any]) -> list[Record]:
    errors = [item for item in items if isinstance(item, RecordError)]
    assert not errors, errors[0]
    return [item for item in items if isinstance(item, Record)]


def findings_of(items: list[Any]) -> list[Finding]:
    return [item for item in items if isinstance(item, Finding)]


def only_error(path: Path, **options: Any) -> RecordError:
    errors = [item for item in read_all(path, **options) if isinstance(item, RecordError)]
    assert len(errors) == 1
    return errors[0]


def fitted(record: Record, ordinal: int = 0, **options: Any) -> tuple[Record, list[Finding]]:
    """The fitted record; fitting it again, at another place, must change and tell nothing."""
    target, _ = fit_header(Header(), FORMAT, options)
    before = record.model_dump_json()
    result = fit(record, target, ordinal)
    again = fit(result.record, target, ordinal + 7)
    assert again.findings == []
    assert again.record == result.record
    assert record.model_dump_json() == before
    return result.record, result.findings


def codes(findings: list[Finding]) -> dict[str, int]:
    return dict(Counter(item.code for item in findings))


def write(root: Path, records: list[Record]) -> Path:
    root.mkdir(parents=True)
    writer = FORMAT.create(root, Header())
    writer.write(0, records)
    writer.finish()
    return root


def there_and_back(tmp_path: Path, record: Record, **options: Any) -> Record:
    root = write(tmp_path / f"out{len(list(tmp_path.iterdir()))}", [record])
    (back,) = records_of(read_all(root, **options))
    return back


def copy_files(source: Path, target: Path, keep: Callable[[str], bool]) -> Path:
    for file in sorted(source.rglob("*_gtFine_*")):
        if keep(file.name):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    return target


def files(root: Path) -> dict[str, Path]:
    return {file.relative_to(root).as_posix(): file for file in sorted(root.rglob("*_gtFine_*"))}


def pixels(file: Path) -> tuple[str, Pixels]:
    with PilImage.open(file) as image:
        return image.mode, np.array(image)


def assert_same_files(one: Path, other: Path) -> None:
    """Equal JSON with keys in equal order and equal tokens, and PNGs of equal mode and pixels."""
    ours, theirs = files(one), files(other)
    assert list(ours) == list(theirs)
    for name, file in ours.items():
        if name.endswith(".json"):
            tokens = [
                json.loads(x.read_text(), parse_float=str, parse_int=str, object_pairs_hook=list)
                for x in (file, theirs[name])
            ]
            assert tokens[0] == tokens[1], name
        else:
            (mode, painted), (expected_mode, expected) = pixels(file), pixels(theirs[name])
            assert mode == expected_mode, name
            assert np.array_equal(painted, expected), name


def stem(root: Path, core: str = "testcity_000000_000019", kind: str = "gtFine") -> str:
    return f"{root}/{kind}/{CITY}/{core}_{kind}_"


def make(root: Path, objects: list[Any], width: int = 8, height: int = 6, **rest: Any) -> Path:
    """A set of one polygons.json."""
    file = Path(stem(root) + "polygons.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects, **rest}))
    return root


def polygon(label: str, x: int, y: int, w: int, h: int, **rest: Any) -> dict[str, Any]:
    """A polygon that the official rule paints as this box."""
    return {"label": label, "polygon": [[x, y], [x + w - 1, y], [x + w - 1, y + h], [x, y + h]], **rest}


def save(root: Path, kind: str, values: Pixels) -> None:
    dtype = np.uint16 if kind.startswith("instance") else np.uint8
    file = Path(stem(root) + f"{kind}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(values.astype(dtype)).save(file)


def bits(text: str) -> Pixels:
    return np.array([[char == "#" for char in row] for row in text.split()])


def rle_mask(mask: Pixels) -> Mask:
    return Mask.of(Rle(mask.shape, rle.encode_text(rle.encode_mask(mask))))


def instance(category: str, mask: Pixels, **rest: Any) -> Instance:
    return Instance(category=category, mask=rle_mask(mask), **rest)


def record_of(*objects: Any, shape: tuple[int, int] = (6, 8), **rest: Any) -> Record:
    image = Image(path="photos/one.jpg", width=shape[1], height=shape[0])
    return Record(image=image, objects=objects, **rest)


def shown(record: Record, position: int) -> Pixels:
    item = record.objects[position]
    assert isinstance(item, Instance) and record.image.height and record.image.width
    return rle.decode_mask(mask_runs(record, item.mask), record.image.height, record.image.width)


def semantic_of(values: Pixels, classes: dict[int, str], ignore: int | None = None) -> SemanticMap:
    layers = tuple(Layer(value=int(v), mask=rle_mask(values == v)) for v in np.unique(values) if v)
    source = Layers(height=values.shape[0], width=values.shape[1], layers=layers)
    return SemanticMap(source=source, classes=classes, ignore=ignore)
