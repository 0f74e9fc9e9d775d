"""What is promised of every rule, as tables: which formats cannot have its defect, and which it is mended in.

``test_rule_coverage.py`` and ``test_fix_coverage.py`` hold the rules to it.
"""

from __future__ import annotations

from seeds import FORMATS

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
NO_BOX = "Label Studio states no box beside pixels"
BRUSHES = "a brush's code that is none, or not of its image, is told as such (STR110)"
TASKS = "Label Studio: a class stands in several controls, and a label without a value is none"
REVIEWED = "what is reviewed in Label Studio is mended there"
ONE_RING = "CVAT's polygons are one ring, which has no holes"
NO_BOX_IN_CVAT = "CVAT states no box beside a mask"
WINDOWS = "CVAT's masks are windows of the image, and have no size of their own"
MASKS = "CVAT's maps are masks of a class each, and there are no PNGs"


def but(names: str, reason: str) -> dict[str, str]:
    """The same reason for every format but these."""
    return {name: reason for name in FORMATS if name not in names.split()}


def no(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


CANNOT: dict[str, dict[str, str]] = {
    "CAT101": no("cityscapes", CLOSED) | no("labelstudio", TASKS),
    "CAT102": no("cityscapes", CLOSED) | no("labelstudio", TASKS),
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
    "GEO105": no("voc", POLYGONS) | no("cityscapes labelstudio", POINTS),
    "GEO106": no("voc", POLYGONS) | no("cityscapes", POINTS),
    "GEO107": no("voc", POLYGONS),
    "GEO108": no("voc", POLYGONS),
    "GEO109": no("voc", POLYGONS),
    "GEO110": no("voc", POLYGONS) | no("cityscapes coco labelstudio", RINGS),
    "GEO111": no("voc", CELLS) | no("cityscapes", BOXES) | no("labelstudio", NO_BOX),
    "GEO112": but("coco", AREAS),
    "GEO113": but("coco", AREAS),
    "GEO114": no("cityscapes", BOXES),
    "GEO118": no("cityscapes", BOXES),
    "GEO119": no("voc", POLYGONS),
    "GEO120": no("cityscapes", BOXES),
    "GEO121": no("voc", CELLS) | no("cityscapes", BOXES) | no("labelstudio", NO_BOX),
    "LBL101": but("voc", OF_VOC),
    "LBL102": no("cityscapes", "Cityscapes has no image labels"),
    "MSK101": no("voc cityscapes", RUNS) | no("labelstudio", BRUSHES),
    "MSK102": no("voc cityscapes", RUNS) | no("labelstudio", BRUSHES),
    "MSK104": no("voc cityscapes", f"{RUNS}; a PNG that cannot be read is MSK108")
    | no("labelstudio", BRUSHES),
    "MSK105": no("voc", "an object that no pixel shows is known by its box")
    | no("cityscapes", "an object that no pixel shows is hidden by others, as official data have it"),
    "MSK108": no("labelstudio", BRUSHES),
    "MSK109": no("jsonl labelstudio", PNGS),
    "MSK110": no("coco cityscapes", NO_PALETTE) | no("jsonl labelstudio", PNGS),
    "MSK111": no("coco", COLOURS) | no("jsonl labelstudio", PNGS),
    "MSK112": no("coco", COLOURS)
    | no("jsonl", "a value of no class says nothing of its pixels")
    | no("labelstudio", "a brush of no class is REF105"),
    "MSK113": but("voc", "only VOC has a border to be ignored"),
    "MSK114": but("voc", OF_VOC),
    "MSK115": but("cityscapes", OF_CITYSCAPES),
    "MSK116": but("cityscapes", OF_CITYSCAPES),
    "MSK117": but("cityscapes", OF_CITYSCAPES),
    "MSK118": no("voc cityscapes", ONE_OWNER),
    "MSK119": but("coco", OF_PANOPTIC),
    "MSK120": no("coco cityscapes", NO_PALETTE) | no("jsonl labelstudio", PNGS),
    "MSK121": but("cityscapes", OF_CITYSCAPES),
    "MSK122": but("coco", OF_PANOPTIC),
    "MSK123": but("coco", OF_STUFF),
    "MSK124": but("coco", OF_STUFF),
    "MSK129": no("coco cityscapes", NO_PALETTE) | no("jsonl labelstudio", PNGS),
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
    "STR106": no("jsonl labelstudio", ONE_FILE) | no("cityscapes", "what is elsewhere is STR115"),
    "STR107": but("voc cvat", "only XML has DTDs"),
    "STR109": no("voc", "XML may start with the mark"),
    "STR110": no("coco cityscapes", JUDGED),
    "STR112": no("jsonl cityscapes labelstudio", NOT_NEEDED),
    "STR113": but("voc", "only VOC's flags are texts"),
    "STR114": but("voc", "only VOC has parts"),
    "STR115": but("cityscapes", OF_CITYSCAPES),
}


IN_CVAT: dict[str, str] = {
    "GEO105": POINTS,
    "GEO110": ONE_RING,
    "GEO111": NO_BOX_IN_CVAT,
    "GEO121": NO_BOX_IN_CVAT,
    "MSK101": WINDOWS,
    "MSK104": "a mask that cannot be read is of the wrong type (STR105)",
    **dict.fromkeys(["MSK108", "MSK109", "MSK110", "MSK111", "MSK112", "MSK120", "MSK129"], MASKS),
    "STR106": ONE_FILE,
    "STR109": "XML may start with the mark",
    "STR112": NOT_NEEDED,
}
for _code, _reason in IN_CVAT.items():
    CANNOT.setdefault(_code, {})["cvat"] = _reason


# --- where it is mended ------------------------------------------------------------------------------------

MISSING = "nobody can know what it should have been"
OWNERS = "the pixels of an object are those of PNGs, in which others may lie beneath"

# The formats in which a rule's finding has a fix, and why it has none in others that can have the defect.
MENDED: dict[str, str] = {
    "CNV107": "coco voc cityscapes jsonl labelstudio cvat",
    "GEO102": "coco voc jsonl cvat",
    "GEO103": "coco voc jsonl cvat",
    "GEO104": "coco cityscapes jsonl cvat",
    "GEO106": "coco jsonl cvat",
    "GEO108": "coco cityscapes jsonl cvat",
    "GEO109": "coco cityscapes jsonl cvat",
    "GEO110": "jsonl",
    "GEO111": "coco jsonl",
    "GEO112": "coco",
    "GEO113": "coco",
    "GEO115": "coco voc cityscapes jsonl cvat",
    "GEO116": "coco voc cityscapes jsonl cvat",
    "GEO118": "coco voc jsonl cvat",
    "GEO119": "coco cityscapes jsonl cvat",
    "GEO120": "coco voc jsonl cvat",
    "GEO121": "coco jsonl",
    "MSK105": "coco jsonl cvat",
    "MSK107": "coco jsonl cvat",
    "MSK110": "voc",
    "MSK120": "voc",
    "MSK129": "voc",
    "REF102": "coco",
    "REF104": "coco",
    "REF105": "coco",
    "REF111": "coco",
    "STR105": "coco",
    "STR109": "coco cityscapes jsonl labelstudio",
    "STR112": "coco",
    "STR113": "voc",
}
NOT_MENDED: dict[str, dict[str, str]] = {
    "MSK107": no("voc cityscapes", OWNERS),
    "REF105": but("coco", "a name that no list has is a slip of the pen, and tells what was meant"),
    "STR105": but("coco", MISSING),
    "STR112": no("voc", MISSING),
}
for _code, _names in MENDED.items():
    if "labelstudio" not in _names.split():
        NOT_MENDED.setdefault(_code, {})["labelstudio"] = REVIEWED
# What comes to light with a fix, and was hidden by the defect.
LIGHT = {"STR113-voc-flag-of-letters": ["LBL101"]}
