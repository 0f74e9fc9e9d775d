"""The promise of every rule, held to by a list: in every format that can have its defect, a set with exactly
that defect gives exactly that finding at its place, and the same set without it none.

A rule without a seed in some format fails here, unless ``CANNOT`` says why the format cannot have the defect.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import seeds
import seeds_everywhere
import seeds_of_documents
import seeds_of_formats
from seeds import FORMATS, RENAMED, Seed, place_of

from labelkit.findings import Finding
from labelkit.rules import rules

SEEDS = [*seeds.known(), *seeds_everywhere.seeds(), *seeds_of_documents.seeds(), *seeds_of_formats.seeds()]

# --- where a defect cannot be ------------------------------------------------------------------------------

IDS = "only COCO numbers its images, annotations and categories"
BOXES = "Cityscapes states no boxes"
POLYGONS = "VOC has no polygons: pixels are in its PNGs"
RINGS = "a polygon is one ring, which has no holes"
POINTS = "points are pairs: a number too many or too few is of the wrong type (STR105)"
AREAS = "only COCO states areas"
RUNS = "only COCO and records have RLEs"
CELLS = "boxes and pixels are drawn apart, with a border to be ignored between them, and are not compared"
PNGS = "records keep maps as layers, and have no PNGs"
COLOURS = "the colours are ids: any of them can be one (MSK119)"
NO_PALETTE = "the format has no palettes"
ONE_LIST = "all splits have one list of classes"
CLOSED = "the table of classes is the format's own; a label that it has not is REF105"
OF_VOC = "only VOC has it"
OF_CITYSCAPES = "only Cityscapes makes some of its files from others, and names them so"
OF_PANOPTIC = "only COCO's panoptic annotations list segments beside a PNG"
OF_STUFF = "only COCO has layers of stuff, which must not overlap"
SCHEMA = "a record that the schema refuses is told as such (STR110)"
NOT_NEEDED = "no evaluation needs a key that reading does without"
JUDGED = "every value is judged by itself, and has its own rule"
ONE_OWNER = "a pixel of its PNGs has one owner"
ONE_FILE = "it is one file, in no layout"


def but(names: str, reason: str) -> dict[str, str]:
    """The same reason for every format but these."""
    return {name: reason for name in FORMATS if name not in names.split()}


def no(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


CANNOT: dict[str, dict[str, str]] = {
    "CAT101": no("cityscapes", CLOSED),
    "CAT102": no("cityscapes", CLOSED),
    "CAT103": no("cityscapes", CLOSED),
    "CAT104": no("cityscapes", "its table has classes that no set has, so that all have this"),
    "CAT106": but("coco", ONE_LIST),
    "CAT107": no("cityscapes", CLOSED),
    "CAT108": no("cityscapes", CLOSED),
    "CNV101": no("cityscapes", BOXES),
    "CNV102": no("cityscapes", BOXES),
    "CNV103": but("voc", "only VOC counts from 1"),
    "CNV104": no("voc", "VOC has no crowds"),
    "CNV105": no("voc", POLYGONS),
    "CNV106": but("cityscapes", "only Cityscapes has two numberings of classes"),
    "GEO101": no("cityscapes", f"{BOXES}; a polygon that is so far out is GEO119"),
    "GEO102": no("cityscapes", BOXES),
    "GEO103": no("cityscapes", BOXES),
    "GEO104": no("voc", POLYGONS),
    "GEO105": no("voc", POLYGONS) | no("cityscapes", POINTS),
    "GEO106": no("voc", POLYGONS) | no("cityscapes", POINTS),
    "GEO107": no("voc", POLYGONS),
    "GEO108": no("voc", POLYGONS),
    "GEO109": no("voc", POLYGONS),
    "GEO110": no("voc", POLYGONS) | no("cityscapes coco", RINGS),
    "GEO111": no("voc", CELLS) | no("cityscapes", BOXES),
    "GEO112": but("coco", AREAS),
    "GEO113": but("coco", AREAS),
    "GEO114": no("cityscapes", BOXES),
    "GEO118": no("cityscapes", BOXES),
    "GEO119": no("voc", POLYGONS),
    "GEO120": no("cityscapes", BOXES),
    "GEO121": no("voc", CELLS) | no("cityscapes", BOXES),
    "LBL101": but("voc", OF_VOC),
    "LBL102": no("cityscapes", "Cityscapes has no image labels"),
    "MSK101": no("voc cityscapes", RUNS),
    "MSK102": no("voc cityscapes", RUNS),
    "MSK104": no("voc cityscapes", f"{RUNS}; a PNG that cannot be read is MSK108"),
    "MSK105": no("voc", "an object that no pixel shows is known by its box")
    | no("cityscapes", "an object that no pixel shows is hidden by others, as official data have it"),
    "MSK109": no("jsonl", PNGS),
    "MSK110": no("coco cityscapes", NO_PALETTE) | no("jsonl", PNGS),
    "MSK111": no("coco", COLOURS) | no("jsonl", PNGS),
    "MSK112": no("coco", COLOURS) | no("jsonl", "a value of no class says nothing of its pixels"),
    "MSK113": but("voc", "only VOC has a border to be ignored"),
    "MSK114": but("voc", OF_VOC),
    "MSK115": but("cityscapes", OF_CITYSCAPES),
    "MSK116": but("cityscapes", OF_CITYSCAPES),
    "MSK117": but("cityscapes", OF_CITYSCAPES),
    "MSK118": no("voc cityscapes", ONE_OWNER),
    "MSK119": but("coco", OF_PANOPTIC),
    "MSK120": no("coco cityscapes", NO_PALETTE) | no("jsonl", PNGS),
    "MSK121": but("cityscapes", OF_CITYSCAPES),
    "MSK122": but("coco", OF_PANOPTIC),
    "MSK123": but("coco", OF_STUFF),
    "MSK124": but("coco", OF_STUFF),
    "MSK129": no("coco cityscapes", NO_PALETTE) | no("jsonl", PNGS),
    "REF101": but("coco", IDS),
    "REF102": but("coco", IDS),
    "REF103": but("coco", IDS),
    "REF104": but("coco", IDS),
    "REF109": no("voc cityscapes", "an annotation file is named for its image"),
    "REF111": but("coco", IDS),
    "REF113": but("voc", "only VOC names the image in a file that is named for it"),
    "REF114": but("cityscapes", OF_CITYSCAPES),
    "REF115": but("cityscapes", OF_CITYSCAPES),
    "REF120": but("voc", "only VOC has lists of images"),
    "REF121": but("voc", "only VOC has lists of images"),
    "REF122": but("voc", "only VOC has lists of images"),
    "STA102": no("cityscapes", BOXES),
    "STA103": no("cityscapes", "an image of which no file says anything is in no list (REF107)"),
    "STR104": no("jsonl", SCHEMA),
    "STR105": no("jsonl", SCHEMA),
    "STR106": no("jsonl", ONE_FILE) | no("cityscapes", "what is elsewhere is STR115"),
    "STR107": but("voc", "only XML has DTDs"),
    "STR109": no("voc", "XML may start with the mark"),
    "STR110": no("coco cityscapes", JUDGED),
    "STR112": no("jsonl cityscapes", NOT_NEEDED),
    "STR113": but("voc", "only VOC's flags are texts"),
    "STR114": but("voc", "only VOC has parts"),
    "STR115": but("cityscapes", OF_CITYSCAPES),
}


def test_every_rule_has_a_seed_in_every_format_that_can_have_its_defect() -> None:
    seeded = {(seed.code, seed.format) for seed in SEEDS}
    every = {(code, name) for code in rules() for name in FORMATS}
    excused = {(code, name) for code, reasons in CANNOT.items() for name in reasons}
    assert every - seeded - excused == set(), "neither a seed nor a reason in CANNOT"
    assert seeded & excused == set(), "a seed where CANNOT says that there can be none"
    assert seeded | excused == every, "a rule or a format that is none"


def test_every_seed_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(map(str, SEEDS)).items() if times > 1] == []


# --- one defect, one finding -------------------------------------------------------------------------------

_clean: set[tuple[object, ...]] = set()


def assert_clean(seed: Seed, tmp: Path) -> None:
    """The set without the defect has no finding at all; once for all seeds of one set in one process."""
    key = id(seed.clean), repr(seed.options), seed.aside
    if key not in _clean:
        tmp.mkdir()
        assert [(each.code, place_of(each)) for each in seed.validated(seed.clean(tmp)).findings] == []
        _clean.add(key)


def is_at(seed: Seed, finding: Finding) -> bool:
    """Whether a finding is where the seed put the defect."""
    assert finding.at is not None
    if seed.place is not None:
        return seed.place in (place_of(finding), f"{finding.at.file}:*")
    if seed.image is None or finding.at.image is None:
        return seed.image is finding.at.image
    return seed.image in (RENAMED, Path(finding.at.image).stem)


@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_one_defect_is_one_finding_at_its_place_and_without_it_there_is_none(
    seed: Seed, tmp_path: Path
) -> None:
    assert_clean(seed, tmp_path / "clean")
    (tmp_path / "broken").mkdir()
    found = seed.validated(seed.broken(tmp_path / "broken")).findings
    assert [each.code for each in found] == [seed.code], found
    assert is_at(seed, found[0]), (place_of(found[0]), seed.place, seed.image)
    assert str(tmp_path) not in found[0].message + found[0].place  # the same on every machine
