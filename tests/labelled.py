"""A small data set as pre-labelling and reviewing leave it: scores, provenance, uids, labels of a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from labelkit.canonical import encode_record
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Header,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Polygons,
    Provenance,
    Record,
    SemanticMap,
)
from labelkit.model import Image as ModelImage
from labelkit.pixels import rle_mask

WIDTH, HEIGHT = 640, 480
HEADER = Header(categories=(Category(name="cat"), Category(name="dog", colour=(10, 200, 30))))


def predicted(score: float, status: str = "pending") -> Provenance:
    return Provenance(run="run 7", model="maskrcnn", score=score, status=status)  # type: ignore[arg-type]


def box(category: str, score: float | None, status: str = "pending", **fields: object) -> BoundingBox:
    """A box of a model, or of a person where there is no score."""
    made = None if score is None else predicted(score, status)
    given = {"box": Box(100, 100, 200, 100), **fields}
    return BoundingBox(category=category, provenance=made, **given)  # type: ignore[arg-type]


def disc(category: str) -> Instance:
    """A person's disc with a hole."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(x - 320, y - 240)
    return Instance(category=category, mask=rle_mask(rle.encode_mask((far < 99) & (far > 40)), HEIGHT, WIDTH))


def halves() -> SemanticMap:
    """A map of a cat on the left and a dog on the right."""
    values = np.ones((HEIGHT, WIDTH), int)
    values[:, 320:] = 2
    layers = tuple(
        Layer(value=value, mask=rle_mask(rle.encode_mask(values == value), HEIGHT, WIDTH)) for value in (1, 2)
    )
    return SemanticMap(source=Layers(height=HEIGHT, width=WIDTH, layers=layers), classes={1: "cat", 2: "dog"})


def image(path: str, *objects: BoundingBox | Instance, **fields: object) -> Record:
    where = ModelImage(path=path, width=WIDTH, height=HEIGHT)
    return Record(image=where, objects=objects, **fields)  # type: ignore[arg-type]


RECORDS = (
    image("b.jpg", box("cat", 0.9, uid="c0ffee"), box("dog", 0.2)),
    image("a 10.jpg", disc("cat")),
    image(
        "a 2.jpg",
        box("dog", 0.55, "accepted"),
        box("dog", 0.6, "rejected"),
        box("cat", 0.95),
        labels=(ImageLabel(category="dog", score=0.3),),
    ),
    image("c/empty.jpg", splits=("val",)),
    image(
        "c/square.png",
        Instance(category="dog", mask=Mask.of(Polygons([[[10.0, 10, 60, 10, 60, 60, 10, 60]]])), crowd=True),
        splits=("val",),
    ),
)


def photograph(seed: int = 0) -> np.ndarray:
    """Smooth, so that JPEG keeps it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack(
        [x * 200 // WIDTH + 20, y * 200 // HEIGHT + 20, (x + y + 60 * seed) % 400 // 2], axis=2
    ).astype(np.uint8)


def written(root: Path, records: tuple[Record, ...] = RECORDS, header: Header = HEADER) -> Path:
    """The data set as jsonl, with its images."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [b'{"labelkit":1,"header":%b}' % header.model_dump_json(exclude_none=True).encode()]
    lines += map(encode_record, records)
    (root / "records.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    for seed, record in enumerate(records):
        file = root / "images" / record.image.path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(seed)).save(file)
    return root
