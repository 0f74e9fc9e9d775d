"""One defect of VOC's PNGs, one finding at its file; and what closes a palette changes no label."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_rules_voc import A, B, Change, box, found, places, text
from voc_files import PALETTE, photo, pixels_of, save, voc_set

from labelkit.changes import Edit, Put, Remove
from labelkit.formats.voc.names import OFFICIAL, colormap
from labelkit.validation import Validation, validate

CLASS_A, OBJECT_A = f"SegmentationClass/{A}.png", f"SegmentationObject/{A}.png"
CLASS_B, OBJECT_B = f"SegmentationClass/{B}.png", f"SegmentationObject/{B}.png"
PERSON, DOG, CHAIR = (OFFICIAL.index(name) + 1 for name in ("person", "dog", "chair"))


def painted(name: str, paint: Callable[[np.ndarray], object]) -> Change:
    """Changes the pixels of a PNG."""

    def change(root: Path) -> None:
        pixels = pixels_of(root / name)
        paint(pixels)
        save(root / name, pixels)

    return change


def spot(pixels: np.ndarray, value: int, times: int = 3) -> None:
    """Some pixels of the background become another value."""
    pixels[0, :times] = value


def instead(pixels: np.ndarray, old: int, new: int) -> None:
    pixels[pixels == old] = new


def converted(name: str, mode: str) -> Change:
    """Gives a PNG another mode: the same values, or their colours where it has colours."""

    def change(root: Path) -> None:
        with Image.open(root / name) as image:
            changed = image if mode.startswith("RGB") else Image.fromarray(np.array(image))
            changed.convert(mode).save(root / name)

    return change


def smoothed(name: str) -> Change:
    """Colours, scaled up with smoothing."""

    def change(root: Path) -> None:
        with Image.open(root / name) as image:
            small = image.convert("RGB").resize((30, 20))
            small.resize(image.size, Image.Resampling.BILINEAR).save(root / name)

    return change


def palette(name: str, *colours: tuple[int, tuple[int, int, int]]) -> Change:
    def change(root: Path) -> None:
        numbers = [*PALETTE]
        for index, colour in colours:
            numbers[3 * index : 3 * index + 3] = colour
        save(root / name, pixels_of(root / name), numbers)

    return change


def cut(name: str) -> Change:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-40])


def both(first: Change, second: Change) -> Change:
    return lambda root: (first(root), second(root))


NEW_FIRST = f"\t<object>\n\t\t<name>chair</name>\n{box(1, 1, 9, 4)}\t</object>\n\t<object>"
# The code, the file, the number of the object, and words of the message of the one finding.
SEEDS: dict[str, tuple[Change, str, str, int | None, str]] = {
    "other size": (
        lambda root: save(root / CLASS_A, np.zeros((20, 30))),
        *("MSK108", CLASS_A, None, "30 x 20 pixels; expected 60 x 40, as the image"),
    ),
    "cut": (cut(CLASS_A), "MSK108", CLASS_A, None, "cannot be read"),
    "JPEG": (lambda root: photo(root / OBJECT_A, 9, format="JPEG"), "MSK108", OBJECT_A, None, "cannot be"),
    "grey with alpha": (converted(CLASS_A, "LA"), "MSK109", CLASS_A, None, "mode LA; expected P"),
    "objects with alpha": (converted(OBJECT_A, "LA"), "MSK109", OBJECT_A, None, "mode LA; expected P"),
    "grey": (converted(CLASS_A, "L"), "MSK129", CLASS_A, None, "mode L, which has no palette; expected P"),
    "colours": (converted(CLASS_A, "RGB"), "MSK110", CLASS_A, None, "mode RGB; expected P, with indices"),
    "colours of objects": (converted(OBJECT_A, "RGBA"), "MSK110", OBJECT_A, None, "mode RGBA"),
    "smoothed": (smoothed(CLASS_A), "MSK111", CLASS_A, None, "colours that no class has, first ("),
    "value of no class": (
        painted(CLASS_A, lambda pixels: spot(pixels, 99)),
        *("MSK112", CLASS_A, None, "values 99 (3 pixels), first at x=0, y=0; expected 0 to 20 or 255"),
    ),
    "colour of another palette": (
        palette(CLASS_A, (PERSON, (255, 0, 0))),
        *("MSK120", CLASS_A, None, "1 of 4 indices that occur have another colour, 15 has (255, 0, 0)"),
    ),
    "colours of other classes": (
        palette(CLASS_A, (PERSON, colormap()[DOG]), (DOG, colormap()[PERSON])),
        *("MSK120", CLASS_A, None, "the colours of 12, 15 are those of 15 (person), 12 (dog)"),
    ),
    "no void": (
        both(
            painted(CLASS_B, lambda pixels: instead(pixels, 255, 0)),
            painted(OBJECT_B, lambda pixels: instead(pixels, 255, 0)),
        ),
        *("MSK113", CLASS_B, None, "no pixel of value 255 between classes and background; 1 of 2 maps"),
    ),
    "void in one": (
        painted(CLASS_A, lambda pixels: spot(pixels, 255)),
        *("MSK114", OBJECT_A, None, "3 pixels are to be ignored (255) in one of the two PNGs only"),
    ),
    "class of another": (
        painted(CLASS_A, lambda pixels: instead(pixels, DOG, CHAIR)),
        *("MSK114", OBJECT_A, 2, f"pixels of value 2 are {CHAIR} (chair) in {CLASS_A}; expected {DOG} (dog)"),
    ),
    "value of no object": (
        painted(OBJECT_A, lambda pixels: spot(pixels, 7)),
        *("MSK114", OBJECT_A, 7, "3 pixels of value 7; expected none, for the XML has 2 objects"),
    ),
    "object added in front": (
        both(
            text(f"Annotations/{A}.xml", "\t<object>", NEW_FIRST),
            text("ImageSets/Main/chair_train.txt", f"{A} -1", f"{A}  1"),
        ),
        *("MSK114", OBJECT_A, None, "value 1 in that of object 2, value 2 in that of object 3; expected"),
    ),
    "objects without classes": (
        lambda root: (root / CLASS_A).unlink(),
        *("STR106", OBJECT_A, None, "no SegmentationClass PNG beside it"),
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_of_a_png_is_one_finding_at_its_file(name: str, tmp_path: Path) -> None:
    change, code, file, number, words = SEEDS[name]
    root = voc_set(tmp_path)
    change(root)
    ((found_code, at, message),) = places(root)
    assert (found_code, at.file, at.object) == (code, file, number), message
    assert words in message


def test_defects_of_the_png_are_found_beside_those_of_the_annotation(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(f"Annotations/{A}.xml", "<name>dog</name>", "")(root)
    converted(CLASS_A, "LA")(root)
    cut(OBJECT_A)(root)
    assert {code for code, _ in found(root)} == {"STR104", "MSK109", "MSK108"}


def test_each_object_whose_pixels_have_another_class_is_told(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    pixels = pixels_of(root / OBJECT_B)
    save(root / OBJECT_B, np.array([0, 3, 2, 1, *range(4, 256)])[pixels])
    told = [(code, at.file, at.object) for code, at, _ in places(root)]
    assert told == [("MSK114", OBJECT_B, 1), ("MSK114", OBJECT_B, 3)]


def test_a_misspelt_class_does_not_make_every_png_wrong(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(f"Annotations/{A}.xml", ">dog<", ">dgo<")(root)
    ((code, at, message),) = places(root)
    assert (code, at.element) == ("REF105", "object[2]/name")
    assert message == "class 'dgo'; expected one of labelmap.txt, or without it of VOC's 20"


def test_a_rim_to_be_ignored_within_an_object_is_no_disagreement(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    rim = (np.arange(40)[:, None] < 10) & (pixels_of(root / OBJECT_A) != 0)
    painted(CLASS_A, lambda pixels: np.copyto(pixels, 255, where=rim))(root)
    assert found(root) == []


# --- fixes -------------------------------------------------------------------------------------------------


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def apply(edits: list[Edit]) -> None:
    """Replaces bytes, from the last of a file to the first."""
    for edit in sorted(edits, key=lambda edit: -edit.start):
        said = edit.file.read_bytes()
        stop = len(said) if edit.stop is None else edit.stop
        edit.file.write_bytes(said[: edit.start] + edit.text + said[stop:])


def mended(result: Validation) -> list[bool]:
    """Applies every fix that says its edits; whether each was safe."""
    fixes = [result.fixes[number] for number in sorted(result.fixes)]
    for fix in pickle.loads(pickle.dumps(fixes)):
        assert not isinstance(fix.change, Put | Remove)
        apply([*fix.change()])
    return [fix.is_safe for fix in fixes]


CLOSED = ("grey", "colours", "colours of objects", "colour of another palette")


@pytest.mark.parametrize("name", CLOSED)
def test_closing_a_palette_keeps_every_index_and_touches_no_other_file(name: str, tmp_path: Path) -> None:
    change, _, file, *_ = SEEDS[name]
    root = voc_set(tmp_path)
    indices, before = pixels_of(root / file), files(root)
    change(root)
    assert mended(validate(root, fixes=True)) == [True]
    assert found(root) == []
    after = files(root)
    assert {key for key in before if before[key] != after[key]} <= {file}
    with Image.open(root / file) as image:
        assert image.mode == "P"
    assert (pixels_of(root / file) == indices).all()


def test_colours_of_other_classes_are_not_mended_for_nobody_knows_which_is_right(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    SEEDS["colours of other classes"][0](root)
    assert validate(root, fixes=True).fixes == {}


@pytest.mark.parametrize(
    ("said", "written", "is_safe"),
    [("True", "1", False), ("1.0", "1", False), ("yes", "1", False), ("False", "0", True), ("", "0", True)],
)
def test_a_flag_is_written_as_what_it_means(said: str, written: str, is_safe: bool, tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    file = f"Annotations/{A}.xml"
    clean = (root / file).read_bytes()
    text(file, "<truncated>0<", f"<truncated>{said}<")(root)
    assert mended(validate(root, fixes=True)) == [is_safe]
    assert (root / file).read_bytes() == clean.replace(b"<truncated>0<", f"<truncated>{written}<".encode(), 1)


def test_a_flag_that_means_nothing_is_not_mended(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(f"Annotations/{A}.xml", "<truncated>0<", "<truncated>2<")(root)
    assert validate(root, fixes=True).fixes == {}
