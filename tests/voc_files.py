"""A small VOC data set as the development kit has them, in which nothing is wrong: for tests of rules."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from labelkit.formats.voc.names import OFFICIAL, colormap

WIDTH, HEIGHT = 60, 40
PALETTE = [number for colour in colormap() for number in colour]


class Thing(NamedTuple):
    """An object: its class and its corners, from 1 and inclusive."""

    name: str
    corners: tuple[int, int, int, int]
    difficult: int = 0


# Two images with PNGs and one without; no class is alone, so that one object less leaves it an example.
IMAGES: dict[str, list[Thing]] = {
    "2007_000027": [Thing("person", (2, 5, 24, 30)), Thing("dog", (30, 8, 60, 35))],
    "2007_000032": [
        Thing("dog", (3, 4, 20, 30)),
        Thing("chair", (22, 6, 38, 36)),
        Thing("person", (40, 2, 58, 40)),
    ],
    "2007_000033": [Thing("chair", (4, 4, 30, 30)), Thing("dog", (33, 12, 50, 33), difficult=1)],
}
PAINTED = ("2007_000027", "2007_000032")
SETS = {"train": ("2007_000027", "2007_000033"), "val": ("2007_000032",)}
CLASSES = ("person", "dog", "chair")


def voc_set(root: Path) -> Path:
    """The data set below a folder, with its two lists of images, its class lists and its PNGs."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for seed, (id_, things) in enumerate(IMAGES.items()):
        (root / f"Annotations/{id_}.xml").write_text(xml(id_, things))
        photo(root / f"JPEGImages/{id_}.jpg", seed)
        if id_ in PAINTED:
            for folder, pixels in zip(("SegmentationClass", "SegmentationObject"), maps(things), strict=True):
                save(root / f"{folder}/{id_}.png", pixels)
    for name, ids in SETS.items():
        (root / f"ImageSets/Main/{name}.txt").write_text("".join(f"{id_}\n" for id_ in ids))
        painted = "".join(f"{id_}\n" for id_ in ids if id_ in PAINTED)
        (root / f"ImageSets/Segmentation/{name}.txt").write_text(painted)
        for category in CLASSES:
            lines = "".join(f"{id_} {value(id_, category):2d}\n" for id_ in ids)
            (root / f"ImageSets/Main/{category}_{name}.txt").write_text(lines)
    return root


def value(id_: str, category: str) -> int:
    """What a class list says of an image: FORMATS 2.2."""
    flags = [thing.difficult for thing in IMAGES[id_] if thing.name == category]
    return -1 if not flags else 0 if all(flags) else 1


def xml(id_: str, things: list[Thing]) -> str:
    """An annotation as those of VOC2007 are."""
    size = f"<width>{WIDTH}</width>\n\t\t<height>{HEIGHT}</height>\n\t\t<depth>3</depth>"
    objects = "".join(map(_object, things))
    return (
        f"<annotation>\n\t<folder>VOC2012</folder>\n\t<filename>{id_}.jpg</filename>\n"
        f"\t<size>\n\t\t{size}\n\t</size>\n\t<segmented>{int(id_ in PAINTED)}</segmented>\n"
        f"{objects}</annotation>\n"
    )


def _object(thing: Thing) -> str:
    corners = "".join(
        f"\t\t\t<{tag}>{number}</{tag}>\n"
        for tag, number in zip(("xmin", "ymin", "xmax", "ymax"), thing.corners, strict=True)
    )
    return (
        f"\t<object>\n\t\t<name>{thing.name}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<truncated>0</truncated>\n\t\t<difficult>{thing.difficult}</difficult>\n"
        f"\t\t<bndbox>\n{corners}\t\t</bndbox>\n\t</object>\n"
    )


def maps(things: list[Thing]) -> tuple[np.ndarray, np.ndarray]:
    """The class and the object map: each box filled, within a border of two pixels to be ignored."""
    classes, objects = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    for number, thing in enumerate(things, 1):
        left, top, right, bottom = thing.corners
        for pixels, index in ((classes, OFFICIAL.index(thing.name) + 1), (objects, number)):
            pixels[top - 1 : bottom, left - 1 : right] = 255
            pixels[top + 1 : bottom - 2, left + 1 : right - 2] = index
    return classes, objects


def save(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    """An index PNG; palette: the official one if not said."""
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(pixels.astype(np.uint8))
    image.putpalette(PALETTE if palette is None else palette)
    image.save(path)


def pixels_of(path: Path) -> np.ndarray:
    """The indices of a PNG, to be changed."""
    with Image.open(path) as image:
        return np.array(image)


def photo(path: Path, seed: int, size: tuple[int, int] = (WIDTH, HEIGHT), format: str | None = None) -> None:
    """An image like no other seed's."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size).save(path, format)
