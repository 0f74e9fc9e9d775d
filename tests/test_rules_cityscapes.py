"""One defect, one finding, at its place: Cityscapes sets that are right but for one thing."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from test_oracles import painted_by_the_official_scripts

from labelkit.findings import Finding
from labelkit.formats import Parcel, formats
from labelkit.formats.cityscapes.pngs import shown_as
from labelkit.formats.cityscapes.table import colours, official_values, parse_label
from labelkit.geometry import raster, rle
from labelkit.mending import mend
from labelkit.validation import validate

WIDTH, HEIGHT = 40, 30
CITY = "val/bonn"
A, B, C = (f"bonn_00000{number}_000019" for number in (1, 2, 3))
Pixels = np.ndarray[Any, Any]
Objects = list[dict[str, Any]]


def box(label: str, x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"label": label, "polygon": [[x, y], [x + w - 1, y], [x + w - 1, y + h], [x, y + h]]}


def objects(shift: int) -> Objects:
    """A road, two cars, one of them partly hidden by the other, a hidden one, a group, a pole and the sky."""
    return [
        box("road", 0, 15, 40, 15),
        box("sky", 0, 0, 40, 8),
        box("car", 4 + shift, 12, 10, 8),
        box("car", 14 + shift, 14, 4, 4),
        box("car", 12 + shift, 13, 9, 7),
        box("persongroup", 28, 10, 8, 9),
        box("polegroup", 37, 2, 2, 20),
        {"label": "out of roi", "polygon": [[0, 28], [40, 28], [40, 30], [0, 30]]},
        {**box("truck", 1, 1, 3, 3), "deleted": 1},
    ]


def painted(said: Objects, fill: Callable[..., Any] = raster.official_polygon) -> Pixels:
    """instanceIds of the objects."""
    kept = [item for item in said if not item.get("deleted")]
    values = official_values([parse_label(item["label"]) or ("road", False) for item in kept])
    layers = [(k, fill(item["polygon"], HEIGHT, WIDTH)) for k, item in enumerate(kept, 1)]
    return np.array([0, *values], dtype=np.int32)[rle.paint(layers, HEIGHT, WIDTH)]


def place(root: Path, core: str, kind: str, type: str = "gtFine") -> Path:
    suffix = "json" if kind == "polygons" else "png"
    return root / type / CITY / f"{core}_{type}_{kind}.{suffix}"


def write_json(root: Path, core: str, said: Objects, **changes: Any) -> None:
    document = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": said, **changes}
    place(root, core, "polygons").write_text(json.dumps(document, indent=4), "utf-8")


def write_pngs(root: Path, core: str, values: Pixels) -> None:
    for kind, dtype in (
        ("labelIds", np.uint8),
        ("labelTrainIds", np.uint8),
        ("instanceIds", np.uint16),
        ("instanceTrainIds", np.uint16),
    ):
        PilImage.fromarray(shown_as(kind, values).astype(dtype)).save(place(root, core, kind))
    PilImage.fromarray(colours()[shown_as("labelIds", values)]).save(place(root, core, "color"))


def image(root: Path, core: str, shift: int) -> Path:
    path = photo(root, core)
    path.parent.mkdir(parents=True, exist_ok=True)
    gradient = PilImage.linear_gradient("L").rotate(90 * shift).resize((WIDTH, HEIGHT))
    gradient.convert("RGB").save(path)
    return path


def city_set(root: Path) -> Path:
    """Three frames with all six files each, and their images."""
    place(root, A, "polygons").parent.mkdir(parents=True)
    for shift, core in enumerate((A, B, C)):
        write_json(root, core, objects(shift))
        write_pngs(root, core, painted(objects(shift)))
        image(root, core, shift)
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return city_set(tmp_path / "cityscapes")


IGNORED = ("CAT104", "CAT105", "STA")  # of a set of three images


def found(root: Path, **options: Any) -> list[Finding]:
    return validate(root, ignore=[code for code in IGNORED if _known(code)], **options).findings


def _known(code: str) -> bool:
    from labelkit.rules import rules

    return any(each.startswith(code) for each in rules())


def test_the_clean_set_has_no_finding(data: Path) -> None:
    assert found(data) == []
    assert found(data / "gtFine", images_dir=data / "leftImg8bit") == []


# --- polygons.json -----------------------------------------------------------------------------------------


def edited(change: Callable[[Objects], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        said = objects(1)
        change(said)
        write_json(root, B, said)

    return make


def top(**changes: Any) -> Callable[[Path], None]:
    return lambda root: write_json(root, B, objects(1), **changes)


def without(key: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        path = place(root, B, "polygons")
        said = json.loads(path.read_text("utf-8"))
        said.pop(key)
        path.write_text(json.dumps(said, indent=4), "utf-8")

    return make


def text(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        path = place(root, B, "polygons")
        path.write_bytes(change(path.read_bytes()))

    return make


HIDDEN = 3  # the polygon that no pixel shows, so that no PNG tells when it changes
JSON = f"gtFine/{CITY}/{B}_gtFine_polygons.json"
IMAGE = f"{CITY}/{B}_leftImg8bit.png"

# What is done; the code, the element, and words of the message of the one finding.
SEEDS: dict[str, tuple[Callable[[Path], None], str, str | None, str]] = {
    "label missing": (
        edited(lambda s: s[HIDDEN].pop("label")), "STR104", "objects[3].label", "no 'label'",
    ),
    "polygon missing": (
        edited(lambda s: s[HIDDEN].pop("polygon")), "STR104", "objects[3].polygon", "no 'polygon'",
    ),
    "no height": (without("imgHeight"), "STR104", "imgHeight", "no 'imgHeight'"),
    "no objects": (without("objects"), "STR104", "objects", "no 'objects'"),
    "height as text": (top(imgHeight="30"), "STR105", "imgHeight", "'30'; expected a whole number"),
    "height of truth": (top(imgHeight=True), "STR105", "imgHeight", "True; expected a whole number"),
    "height of nothing": (top(imgHeight=0), "STR105", "imgHeight", "0; expected"),
    "width of a planet": (top(imgWidth=10**9), "STR105", "imgWidth", "the limit is"),
    "objects of nothing": (top(objects=None), "STR105", "objects", "null; expected a list"),
    "object of a number": (edited(lambda s: s.append(7)), "STR105", "objects[9]", "7; expected an object"),
    "label of a number": (
        edited(lambda s: s[HIDDEN].update(label=26)), "STR105", "objects[3].label", "26; expected a label",
    ),
    "polygon of text": (
        edited(lambda s: s[HIDDEN].update(polygon="1,1")), "STR105", "objects[3].polygon", "a list of points",
    ),
    "point of three": (
        edited(lambda s: s[HIDDEN]["polygon"].insert(1, [1, 2, 3])),
        "STR105", "objects[3].polygon[1]", "[ 1, 2, 3 ]",
    ),
    "point of text": (
        edited(lambda s: s[HIDDEN]["polygon"].append("16,14")), "STR105", "objects[3].polygon[4]", "16,14",
    ),
    "unknown label": (
        edited(lambda s: s[HIDDEN].update(label="carr")), "REF105", "objects[3].label", "'car'",
    ),
    "group of unknown": (
        edited(lambda s: s[HIDDEN].update(label="vangroup")), "REF105", "objects[3].label", "'vangroup'",
    ),
    "key twice": (
        text(lambda data: data.replace(b'"label"', b'"label": "bus",\n"label"', 1)),
        "STR102", "objects[0].label", "'label' twice",
    ),
    "spaced key twice": (
        text(lambda data: data.replace(b'"label"', b'"label" : "bus",\n"label"', 1)),
        "STR102", "objects[0].label", "'label' twice",
    ),
    "list twice": (
        text(lambda data: data.replace(b'"imgHeight"', b'"objects": [],\n"imgHeight"', 1)),
        "STR102", "objects", "'objects' twice",
    ),
    "byte order mark": (text(lambda data: b"\xef\xbb\xbf" + data), "STR109", None, "byte order mark"),
    "not UTF-8": (text(lambda data: data.replace(b"sky", b"sk\xff")), "STR111", None, "not UTF-8"),
    "NaN": (text(lambda data: data.replace(b"[\n", b"[NaN,\n", 1)), "STR103", None, "NaN"),
    "truncated": (text(lambda data: data[:-9]), "STR101", None, "too early"),
    "no JSON": (text(lambda data: data.replace(b":", b"=", 1)), "STR101", None, "malformed"),
    "a list": (text(lambda data: b"[]"), "STR101", None, "expected"),
    "one point": (
        edited(lambda s: s[HIDDEN].update(polygon=[[16, 15]])), "GEO104", "objects[3].polygon", "1 points",
    ),
    "two points": (
        edited(lambda s: s[HIDDEN].update(polygon=[[16, 15], [17, 15]])),
        "GEO104", "objects[3].polygon", "2 points",
    ),
    "no points": (
        edited(lambda s: s[HIDDEN].update(polygon=[])), "GEO104", "objects[3].polygon", "0 points",
    ),
    "a line": (
        edited(lambda s: s[HIDDEN].update(polygon=[[15, 15], [17, 15], [16, 15]])),
        "GEO108", "objects[3].polygon", "no area",
    ),
    "pasted twice": (
        edited(lambda s: s.insert(1, s[0])), "GEO115", "objects[1].polygon", "objects[0].polygon",
    ),
    "drawn twice": (
        edited(lambda s: s.insert(1, box("road", 0, 16, 40, 14))),
        "GEO116", "objects[1].polygon", "in one class with",
    ),
    "two classes": (
        edited(lambda s: s.insert(0, box("sidewalk", 0, 15, 40, 15))),
        "GEO117", "objects[1].polygon", "'road' and 'sidewalk' at one place",
    ),
    "a bow tie": (
        edited(lambda s: s.insert(0, {"label": "terrain", "polygon": [[1, 16], [9, 26], [9, 16], [1, 26]]})),
        "GEO107", "objects[0].polygon", "crosses itself near x=5, y=21",
    ),
    "a point twice": (
        edited(lambda s: s[0]["polygon"].insert(1, [0, 15])), "GEO109", "objects[0].polygon", "repeats",
    ),
    "point on another planet": (
        edited(lambda s: s.insert(0, {"label": "terrain", "polygon": [[1, 16], [10**12, 16], [1, 18]]})),
        "GEO119", "objects[0].polygon", "more than 1,000,000 pixels out",
    ),
    "polygon outside": (
        edited(lambda s: s[7]["polygon"].__setitem__(1, [45, 28])), "GEO119", "objects[7].polygon", "by 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_of_a_polygons_file_is_one_finding_at_its_place(name: str, data: Path) -> None:
    seed, code, element, words = SEEDS[name]
    seed(data)
    findings = found(data)
    assert [(each.code, each.at.element if each.at else "") for each in findings] == [(code, element)], (
        findings
    )
    at = findings[0].at
    assert at is not None
    assert at.file == JSON
    assert words in findings[0].message


def test_every_defect_of_a_file_is_found(data: Path) -> None:
    said = objects(1)
    said[0].pop("label")
    said[2]["label"] = "carr"
    said[4]["polygon"][1] = [1]
    said[5]["polygon"] = [[1, 1]]
    said[8]["label"] = "no label at all"  # deleted
    write_json(data, B, said, imgWidth="40")
    findings = [(each.code, each.at.element) for each in found(data) if each.at]
    assert sorted(findings) == [
        ("GEO104", "objects[5].polygon"),
        ("REF105", "objects[2].label"),
        ("STR104", "objects[0].label"),
        ("STR105", "imgWidth"),
        ("STR105", "objects[4].polygon[1]"),
    ]


def test_line_and_byte_are_those_of_the_value(data: Path) -> None:
    said = objects(1)
    said[HIDDEN]["polygon"] = [[16, 15]]
    write_json(data, B, said)
    (finding,) = found(data)
    lines = place(data, B, "polygons").read_bytes().split(b"\n")
    at = finding.at
    assert at is not None and at.line is not None and at.offset is not None
    assert (at.image, at.object, at.box) == (IMAGE, 4, (16, 15, 0, 0))
    assert b'"polygon": [' in lines[at.line - 1]
    assert len(b"\n".join(lines[: at.line - 1])) < at.offset < len(b"\n".join(lines[: at.line]))
    assert place(data, B, "polygons").read_bytes()[at.offset :].startswith(b"[\n")


def test_bytes_count_the_byte_order_mark(data: Path) -> None:
    said = objects(1)
    said[HIDDEN]["label"] = "carr"
    write_json(data, B, said)
    path = place(data, B, "polygons")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    by_code = {each.code: each.at for each in found(data)}
    assert by_code.keys() == {"STR109", "REF105"}
    at = by_code["REF105"]
    assert at is not None
    assert path.read_bytes()[at.offset :].startswith(b'"carr"')


# --- fixes -------------------------------------------------------------------------------------------------


def without_pngs(root: Path) -> None:
    for file in root.rglob("*_gtFine_*.png"):
        file.unlink()


@pytest.mark.parametrize("layout", [{"indent": 4}, {}, {"separators": (",", ":")}])
def test_a_mended_polygon_keeps_its_whole_numbers_and_its_layout(layout: dict[str, Any], data: Path) -> None:
    without_pngs(data)
    path = place(data, B, "polygons")
    document = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects(1)}
    clean = json.dumps(document, **layout)
    document["objects"][0]["polygon"].insert(0, document["objects"][0]["polygon"][0])  # type: ignore[index]
    path.write_text(json.dumps(document, **layout), "utf-8")
    _, (done,) = mend(lambda: validate(data, select=["GEO109"], fixes=True), unsafe=False)
    assert done.summary == "leave out the repeated points"
    assert path.read_text("utf-8") == clean


def test_a_polygon_that_pngs_were_made_from_is_not_mended(data: Path) -> None:
    said = objects(1)
    said[0]["polygon"].insert(0, said[0]["polygon"][0])
    write_json(data, B, said)
    done = validate(data, select=["GEO109"], fixes=True)
    assert ([each.code for each in done.findings], done.fixes) == (["GEO109"], {})


# --- PNGs --------------------------------------------------------------------------------------------------


def repainted(
    kinds: str | tuple[str, ...], change: Callable[[Pixels], object], core: str = B
) -> Callable[[Path], None]:
    """Change the values of PNGs."""

    def make(root: Path) -> None:
        for kind in (kinds,) if isinstance(kinds, str) else kinds:
            path = place(root, core, kind)
            with PilImage.open(path) as picture:
                values = np.array(picture)
            change(values)
            PilImage.fromarray(values).save(path)

    return make


def put(rows: slice, columns: slice, value: Any) -> Callable[[Pixels], None]:
    def change(values: Pixels) -> None:
        values[rows, columns] = value

    return change


def renamed(table: dict[int, int]) -> Callable[[Pixels], None]:
    def change(values: Pixels) -> None:
        values[:] = np.vectorize(lambda value: table.get(value, value))(values)

    return change


def all_pngs(change: Callable[[Pixels], object]) -> Callable[[Path], None]:
    """Change instanceIds, and paint the others from it."""

    def make(root: Path) -> None:
        values = painted(objects(1))
        change(values)
        write_pngs(root, B, values)

    return make


def pillow(root: Path) -> None:
    for shift, core in enumerate((A, B, C)):
        write_pngs(root, core, painted(objects(shift), raster.pillow_polygon))


CORNER = (slice(20, 22), slice(0, 3))  # six pixels of road
CAR = (slice(13, 16), slice(5, 7))  # six pixels of the first car

# What is done; the code, the file, the element, and words of the message of the one finding.
PNG_SEEDS: dict[str, tuple[Callable[[Path], None], str, str, str | None, str]] = {
    "labelIds changed": (
        repainted("labelIds", put(*CORNER, 11)),
        "MSK115", "labelIds", None, "6 pixels contradict instanceIds, first at x=0, y=20: building where",
    ),
    "instanceIds changed": (
        repainted("instanceIds", put(*CORNER, 11)),
        "MSK115", "instanceIds", None, "road (6); expected labelIds = instanceIds",
    ),
    "labelTrainIds changed": (
        repainted("labelTrainIds", put(*CORNER, 255)),
        "MSK115", "labelTrainIds", None, "no class where labelIds says road (6)",
    ),
    "instanceTrainIds changed": (
        repainted("instanceTrainIds", put(*CAR, 13005)),
        "MSK115", "instanceTrainIds", None, "car 13005 where instanceIds says car 13000 (6)",
    ),
    "color changed": (
        repainted("color", put(*CORNER, (70, 70, 70, 255))),
        "MSK115", "color", None, "building where labelIds says road (6)",
    ),
    "all changed": (
        all_pngs(put(*CORNER, 11)),
        "MSK116", "instanceIds", None, "building where objects[0] (road) is painted",
    ),
    "object painted away": (
        all_pngs(renamed({26002: 7})),
        "MSK116", "instanceIds", None, "objects[4] (car)",
    ),
    "class of an object changed": (
        all_pngs(renamed({26002: 28000})),
        "MSK117", "instanceIds", "value 28000", "no polygon has the value 28000",
    ),
    "polygon moved": (
        edited(lambda s: s[5].update(box("persongroup", 28, 11, 8, 9))),
        "MSK116", "instanceIds", None, "16 pixels (1.3 %) differ from the polygons, first at x=28, y=10",
    ),
    "hidden polygon lost": (
        edited(lambda s: s.pop(HIDDEN)),
        "MSK117", "instanceIds", "value 26002", "objects[3] (car) has 26002 and not 26001",
    ),
    "polygon lost": (
        edited(lambda s: s.pop(4)),
        "MSK117", "instanceIds", "value 26002", "26002",
    ),
    "object renumbered": (
        repainted(("instanceIds",), renamed({26000: 26007})),
        "MSK117", "instanceIds", "value 26007", "objects[2] (car) has 26007 and not 26000",
    ),
    "group numbered": (
        repainted(("instanceIds",), renamed({24: 24000})),
        "MSK117", "instanceIds", "value 24000", "no polygon has the value 24000 (72 pixels)",
    ),
    "object without number": (
        repainted(("instanceIds", ), renamed({26000: 26})),
        "MSK117", "instanceIds", "value 26", "objects[2] (car) has 26 and not 26000",
    ),
    "road numbered": (
        repainted(("instanceIds",), renamed({7: 7001})),
        "MSK117", "instanceIds", "value 7001", "numbers road, which has no instances; expected 7",
    ),
    "trained road numbered": (
        repainted(("instanceTrainIds",), renamed({10: 10001})),
        "MSK117", "instanceTrainIds", "value 10001", "numbers sky, which has no instances; expected 10",
    ),
    "unknown label id": (
        repainted("labelIds", put(*CORNER, 34)), "MSK112", "labelIds", None, "34",
    ),
    "unknown instance": (
        repainted("instanceIds", put(*CORNER, 60000)), "MSK112", "instanceIds", None, "60000",
    ),
    "unknown train id": (
        repainted("labelTrainIds", put(*CORNER, 19)), "MSK112", "labelTrainIds", None, "19",
    ),
    "unknown colour": (
        repainted("color", put(*CORNER, (1, 2, 3, 255))), "MSK111", "color", None, "6 ",
    ),
    "labelIds of colours": (
        lambda root: shutil.copy(place(root, B, "color"), place(root, B, "labelIds")) and None,
        "MSK109", "labelIds", None, "mode RGBA; expected L",
    ),
    "another size": (
        lambda root: PilImage.new("L", (20, 15), 7).save(place(root, B, "labelIds")),
        "MSK108", "labelIds", None, "20 x 15 pixels; expected 40 x 30",
    ),
    "no PNG": (
        lambda root: place(root, B, "instanceIds").write_bytes(b"no"),
        "MSK108", "instanceIds", None, "no readable image",
    ),
    "cut PNG": (
        lambda root: cut(place(root, B, "labelTrainIds")),
        "MSK108", "labelTrainIds", None, "cannot be decoded",
    ),
    "a link": (lambda root: link(place(root, B, "color")), "STR108", "color", None, "leaves its folder"),
    "no polygons": (
        lambda root: place(root, B, "polygons").unlink(), "REF114", "polygons", None, "2 of 3 frames",
    ),
    "no instanceIds": (
        lambda root: place(root, B, "instanceIds").unlink(), "REF115", "instanceIds", None, "2 of 3 frames",
    ),
}  # fmt: skip


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("name", PNG_SEEDS)
def test_one_defect_of_a_png_is_one_finding_at_its_place(name: str, data: Path) -> None:
    seed, code, kind, element, words = PNG_SEEDS[name]
    seed(data)
    findings = found(data)
    assert [each.code for each in findings] == [code], findings
    at = findings[0].at
    assert at is not None
    assert at.file == place(Path(), B, kind).as_posix()
    assert (at.element, at.image or IMAGE) == (element, IMAGE)
    assert words in findings[0].message


def test_what_disagrees_is_boxed(data: Path) -> None:
    edited(lambda s: s[5].update(box("persongroup", 28, 11, 8, 9)))(data)
    (finding,) = found(data)
    assert finding.at is not None
    assert (finding.at.object, finding.at.box) == (6, (28, 10, 8, 10))


def test_pngs_painted_by_pillow_are_recognised(data: Path) -> None:
    pillow(data)
    findings = found(data)
    assert [each.code for each in findings] == ["MSK121"] * 3
    assert "today's Pillow" in findings[0].message and "on borders differ" in findings[0].message
    assert found(data, options={"raster": "pillow"}) == []


def test_a_defect_among_pngs_painted_by_pillow_is_found(data: Path) -> None:
    pillow(data)
    repainted(("labelIds", "instanceIds"), put(*CORNER, 11))(data)
    for kind in ("color", "labelTrainIds", "instanceTrainIds"):
        place(data, B, kind).unlink()
    findings = [each for each in found(data) if each.code not in ("MSK121", "REF115")]
    assert [each.code for each in findings] == ["MSK116"]
    assert "6 pixels" in findings[0].message and "pillow rule" in findings[0].message


def test_more_than_a_thousand_objects_of_a_class_are_found(data: Path) -> None:
    hidden = [box("car", x, y, w, 1) for w in (2, 3) for y in range(15, 29) for x in range(36)]
    write_json(data, B, [*hidden[:1000], *objects(1)])
    findings = found(data)
    assert [(each.code, each.at.element if each.at else "") for each in findings] == [
        ("MSK117", "objects[1002].label")
    ]


def test_a_frame_of_pngs_alone_is_judged(data: Path) -> None:
    for core in (A, B, C):
        place(data, core, "polygons").unlink()
    assert found(data) == []
    repainted("labelIds", put(*CORNER, 11))(data)
    assert [each.code for each in found(data)] == ["MSK115"]


# --- files, and the whole set ------------------------------------------------------------------------------


def renamed_frame(core: str) -> Callable[[Path], None]:
    """Give all files of a frame another name."""

    def make(root: Path) -> None:
        for path in [*root.rglob(f"{B}_*")]:
            path.rename(path.with_name(path.name.replace(B, core)))

    return make


def stray(name: str) -> Callable[[Path], None]:
    return lambda root: shutil.copy(place(root, B, "labelIds"), root / "gtFine" / name) and None


def photo(root: Path, core: str) -> Path:
    return root / "leftImg8bit" / CITY / f"{core}_leftImg8bit.png"


def turned(path: Path) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    PilImage.radial_gradient("L").resize((HEIGHT, WIDTH)).save(path, exif=exif)


def copied(root: Path, core: str) -> None:
    """A frame once more under another name, with another image."""
    for path in [*root.rglob(f"{B}_gtFine_*")]:
        shutil.copy(path, path.with_name(path.name.replace(B, core)))
    image(root, core, 3)


FILES = f"gtFine/{CITY}/"
IMAGES = f"leftImg8bit/{CITY}/"

# What is done; the code, the file, and words of the message of the one finding.
FILE_SEEDS: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "city with an underscore": (
        renamed_frame("bad_bonn_000002_000019"),
        "STR115", f"{FILES}bad_bonn_000002_000019_gtFine_polygons.json", "4 parts; expected <city>",
    ),
    "frame without sequence": (
        renamed_frame("bonn_000019"), "STR115", f"{FILES}bonn_000019_gtFine_polygons.json", "2 parts",
    ),
    "kind in other letters": (
        stray(f"{CITY}/{B}_gtFine_labelIDs.png"),
        "STR115", f"{FILES}{B}_gtFine_labelIDs.png", "belongs to no frame",
    ),
    "file in no city": (
        stray(f"val/{B}_gtFine_labelIds.png"), "STR115", f"gtFine/val/{B}_gtFine_labelIds.png", "no frame",
    ),
    "image missing": (
        lambda root: (photo(root, B)).unlink(), "REF106", IMAGE, "no such image file",
    ),
    "image that nobody labelled": (
        lambda root: image(root, "bonn_000009_000019", 3) and None,
        "REF107", f"{IMAGES}bonn_000009_000019_leftImg8bit.png", "no annotation file",
    ),
    "image of another size": (
        lambda root: PilImage.radial_gradient("L").save(photo(root, B)),
        "IMG104", f"{IMAGES}{B}_leftImg8bit.png", "256 x 256 pixels; expected 40 x 30",
    ),
    "image that is none": (
        lambda root: (photo(root, B)).write_bytes(b"<html>") and None,
        "IMG101", f"{IMAGES}{B}_leftImg8bit.png", "not a readable image",
    ),
    "cut image": (
        lambda root: photo(root, B).write_bytes(photo(root, B).read_bytes()[:-40]) and None,
        "IMG102", f"{IMAGES}{B}_leftImg8bit.png", "cannot be decoded to its end",
    ),
    "image that EXIF turns": (
        lambda root: turned(photo(root, B)),
        "CNV107", f"{IMAGES}{B}_leftImg8bit.png", "turned by EXIF orientation 6",
    ),
    "names that differ by case": (
        lambda root: copied(root, "BONN_000002_000019"),
        "REF110", f"{CITY}/{B}_leftImg8bit.png", "by case only",
    ),
    "no images": (
        lambda root: shutil.rmtree(root / "leftImg8bit"), "REF112", "", "none of 3 image files is there",
    ),
    "empty image": (
        lambda root: (photo(root, B)).write_bytes(b"") and None,
        "IMG109", f"{IMAGES}{B}_leftImg8bit.png", "no bytes",
    ),
    "image of another type": (
        lambda root: PilImage.effect_noise((WIDTH, HEIGHT), 9).save(
            photo(root, B), format="JPEG"
        ),
        "IMG103", f"{IMAGES}{B}_leftImg8bit.png", "a JPEG file",
    ),
    "one image twice": (
        lambda root: shutil.copy(photo(root, A), photo(root, B)) and None,
        "IMG107", f"{IMAGES}{B}_leftImg8bit.png", "the same bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILE_SEEDS)
def test_one_defect_of_the_files_is_one_finding(name: str, data: Path) -> None:
    seed, code, file, words = FILE_SEEDS[name]
    seed(data)
    findings = found(data)
    where = [(each.code, each.at.file if each.at else "") for each in findings]
    assert where == [(code, file or data.name)], findings
    assert words in findings[0].message


def test_a_link_to_something_else_than_the_image_is_found(data: Path) -> None:
    link(data / IMAGES / f"{B}_leftImg8bit.png")
    assert ("STR108", IMAGE) in [(each.code, each.at.file if each.at else "") for each in found(data)]


def test_one_image_in_two_splits_is_found(data: Path) -> None:
    for folder in ("gtFine", "leftImg8bit"):
        target = data / folder / "train" / "bonn"
        target.mkdir(parents=True)
        for path in (data / folder / CITY).glob(f"{A}_*"):
            shutil.copy(path, target)
    findings = found(data)
    assert [each.code for each in findings] == ["SPL101"]


def test_a_group_in_two_splits_is_found(data: Path) -> None:
    for folder in ("gtFine", "leftImg8bit"):
        for path in [*(data / folder / CITY).glob(f"{B}_*")]:
            target = data / folder / "train" / "bonn" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    assert found(data) == []
    assert [each.code for each in found(data, group="bonn")] == ["SPL103"]


def test_a_class_of_one_split_is_told(data: Path) -> None:
    edited(lambda s: s.insert(0, box("terrain", 0, 10, 3, 3)))(data)
    place(data, B, "labelIds").unlink()  # the polygons are all there is
    for path in (data / "gtFine" / CITY).glob(f"{B}_*.png"):
        path.unlink()
    target = data / "gtFine" / "train" / "bonn"
    target.mkdir(parents=True)
    shutil.move(place(data, B, "polygons"), target)
    shutil.copytree(data / IMAGES, data / "leftImg8bit" / "train" / "bonn")
    told = [each for each in found(data) if each.code == "SPL104"]
    assert [each.at.element if each.at else "" for each in told] == ["split val"]
    assert "terrain" in told[0].message


def test_several_objects_where_one_is_expected_are_found(data: Path) -> None:
    assert [each.code for each in found(data, task="localization")] == ["LOC101"] * 3


def test_an_object_that_covers_its_image_is_found(data: Path) -> None:
    write_json(data, B, whole := [box("sky", 0, 0, WIDTH, HEIGHT)])
    write_pngs(data, B, painted(whole))
    (finding,) = found(data)
    assert (finding.code, finding.at and finding.at.element) == ("MSK106", "objects[0].polygon")


def test_a_speck_that_only_a_png_has_is_told(data: Path) -> None:
    for core in (A, B, C):
        place(data, core, "polygons").unlink()
    said = [box("car", 2, 2, 25, 20), box("car", 36, 2, 1, 1)]
    write_pngs(data, B, np.where(painted(said) > 0, 26000, 0))
    (finding,) = found(data)
    assert finding.at is not None
    assert (finding.code, finding.at.file) == ("MSK107", place(Path(), B, "instanceIds").as_posix())
    assert (finding.at.element, finding.at.object, finding.at.box) == ("value 26000", 1, (2, 2, 35, 20))


def test_places_are_those_below_the_folder_that_was_named(data: Path) -> None:
    edited(lambda s: s[HIDDEN].update(polygon=[[16, 15]]))(data)
    place(data, C, "instanceIds").unlink()
    folder = data / "gtFine"
    files = {each.at.file for each in found(folder, images_dir=data / "leftImg8bit") if each.at}
    assert files == {f"{CITY}/{B}_gtFine_polygons.json", f"{CITY}/{C}_gtFine_instanceIds.png"}


def test_what_the_official_panoptic_script_writes_belongs_there(data: Path) -> None:
    folder = data / "gtFine" / "cityscapes_panoptic_val"
    folder.mkdir()
    shutil.copy(place(data, B, "color"), folder / f"{B}_gtFine_panoptic.png")
    (data / "gtFine" / "cityscapes_panoptic_val.json").write_text("{}")
    shutil.copy(place(data, B, "color"), data / "gtFine" / CITY / f"{B}_gtFine_edges.png")  # one's own
    assert found(data) == []


@pytest.mark.parametrize("name", ["cityscapes", "coco-panoptic/sample_data"])
def test_parcels_can_be_sent_to_other_processes(name: str, data: Path, corpus: Path) -> None:
    root = data if name == "cityscapes" else corpus / name
    items = [*formats()[name.partition("-")[0].split("/")[0]].inspect(root)]  # type: ignore[misc]
    parcels = [item for item in items if isinstance(item, Parcel)]
    assert parcels
    for parcel in parcels:
        again = pickle.loads(pickle.dumps(parcel))
        assert len([*again.make(*again.arguments)]) == len([*parcel.make(*parcel.arguments)])


@given(position=st.integers(0, 10**6), text=st.sampled_from(["[", "}", '"', "0", "null", "-", ",", "\x00"]))
@settings(max_examples=40)
def test_a_byte_that_is_wrong_never_ends_a_run(position: int, text: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        place(root, B, "polygons").parent.mkdir(parents=True)
        write_json(root, B, objects(1))
        write_pngs(root, B, painted(objects(1)))
        path = place(root, B, "polygons")
        whole = path.read_bytes()
        at = position % len(whole)
        path.write_bytes(whole[:at] + text.encode() + whole[at + 1 :])
        validate(root)


def test_labels_among_the_images_are_no_images(data: Path) -> None:
    for path in (data / IMAGES).iterdir():
        path.rename(data / "gtFine" / CITY / path.name)
    assert found(data) == []


def test_a_class_without_example_is_told(data: Path) -> None:
    (finding,) = validate(data, select=["CAT104"]).findings
    assert "categories without an example" in finding.message and "road" not in finding.message


def trained(root: Path, kinds: tuple[str, ...] = ()) -> None:
    """labelIds that are train ids. kinds: which files of a frame are left."""
    for core in (A, B, C):
        shutil.copy(place(root, core, "labelTrainIds"), place(root, core, "labelIds"))
        for path in (root / "gtFine" / CITY).glob(f"{core}_*"):
            if kinds and not any(path.stem.endswith(kind) for kind in kinds):
                path.unlink()


def test_a_few_strange_values_are_no_train_ids(data: Path) -> None:
    for core in (A, B, C):
        repainted("labelIds", put(*CORNER, 255), core)(data)
    assert [each.code for each in found(data)] == ["MSK112"] * 3


@pytest.mark.parametrize(
    "kinds", [(), ("_polygons", "_labelIds"), ("_instanceIds", "_labelIds"), ("_labelIds",)]
)
def test_train_ids_as_label_ids_are_one_finding(kinds: tuple[str, ...], data: Path) -> None:
    trained(data, kinds)
    findings = found(data)
    assert [each.code for each in findings] == ["CNV106"], findings
    assert "all 3 labelIds PNGs hold train ids" in findings[0].message
    assert findings[0].at is not None
    assert findings[0].at.file == place(Path(), A, "labelIds").as_posix()


def test_label_ids_as_train_ids_are_one_finding(data: Path) -> None:
    for core in (A, B, C):
        shutil.copy(place(data, core, "labelIds"), place(data, core, "labelTrainIds"))
    findings = found(data)
    assert [each.code for each in findings] == ["CNV106"], findings
    assert "all 3 labelTrainIds PNGs hold label ids" in findings[0].message


def test_what_the_official_scripts_paint_today_is_recognised(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    shutil.copytree(corpus / "cityscapes-golden" / "gtFine", root / "gtFine")
    for path in sorted(root.rglob("*.png")):
        dtype = np.uint16 if "instance" in path.stem else np.uint8
        PilImage.fromarray(painted_by_the_official_scripts(path).astype(dtype)).save(path)
    findings = [each for each in found(root) if each.code.startswith("MSK")]
    frames = {each.at.image for each in findings if each.at and each.code == "MSK121"}
    assert len(frames) == len(findings) == 10, findings
