"""The page of findings: what is in it, what is drawn, and that a browser shows it without asking anyone."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import asked, browse, pixels
from PIL import Image
from test_outputs import Opened, broken, reaches_out, written_as
from test_rules_coco import clean, written
from test_validate_cli import photo

from labelkit.findings import Location
from labelkit.image_files import ImageFile
from labelkit.model import Header
from labelkit.outputs import html, shots
from labelkit.outputs import json as as_json
from labelkit.outputs.page import text
from labelkit.outputs.set_plots import coverage, set_plots
from labelkit.outputs.words import visible
from labelkit.survey import Survey
from labelkit.surveying import SurveyBuilder, file_facts
from labelkit.table import ImageRow, Table, no_pixels
from labelkit.validation import validate

SAMPLE = Path(__file__).parents[1] / "sample_data"
ELSEWHERE = '<img src="http://elsewhere.invalid/a.png">'


def survey(
    box: list[Any], size: tuple[int | None, int | None] = (60, 40), file: Path | None = None
) -> Survey:
    """A data set of one image with some boxes, and perhaps its file."""
    rows = [ImageRow("a.jpg", *size)]
    builder = SurveyBuilder(lambda record: False)
    builder.add_table(
        Table(
            images=rows,
            image=np.zeros(len(box), dtype=np.int64),
            category=["cat"] * len(box),
            box=np.array(box, dtype=np.float64).reshape(-1, 4),
            area=np.full(len(box), np.nan),
            crowd=np.zeros(len(box), dtype=bool),
            masks=[None] * len(box),
            runs=no_pixels,
            locate=lambda row: Location("a.json"),
        )
    )
    if file:
        image = ImageFile(rows[0], file, file.name)
        builder.add_file(image, file_facts(image))
    return builder.finish(Path("set"), "coco", Header())


def shot(box: tuple[float, float, float, float] | None, **options: Any) -> ElementTree.Element:
    made = shots.Shots(survey([], **options)).of(Location("a.json", image="a.jpg", box=box))
    return ElementTree.fromstring(made)


def view(drawn: ElementTree.Element) -> list[float]:
    svg = drawn.find("svg")
    assert svg is not None
    return [float(each) for each in (svg.get("viewBox") or "").split()]


# --- the page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["coco", "voc", "cityscapes", "jsonl"])
def test_a_page_of_every_format_is_whole_and_needs_nothing_else(source: str) -> None:
    opened = Opened(written_as(html, validate(SAMPLE / source)))
    assert f"{source}: what labelkit found" in opened.said
    assert reaches_out(opened) == []
    ids = [given["id"] for _, given in opened.elements if "id" in given]
    assert len(ids) == len(set(ids))
    links = [given["href"] for tag, given in opened.elements if tag == "a"]
    assert {link.removeprefix("#") for link in links if link} <= set(ids)


def test_every_finding_is_in_the_page_with_its_place_and_help(tmp_path: Path) -> None:
    done = validate(broken(tmp_path))
    document = written_as(html, done)
    opened = Opened(document)
    assert {each.code for each in done.findings} == {"GEO102", "GEO118", "REF112"}
    for finding in done.findings:
        assert finding.at is not None
        assert visible(finding.message) in opened.said
        assert visible(finding.at.image or "") in opened.said
    assert "ü, a%b.json:84:3" in opened.said
    assert "It matches nothing in evaluation" in opened.said
    assert opened.count("li") == len(done.findings)
    assert text("</script><b>dog") in document
    assert "<b>dog" not in document


def test_a_page_is_the_same_twice(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    path = broken(root)
    photo(root / "a.jpg")
    assert written_as(html, validate(path)) == written_as(html, validate(path))


def test_a_page_is_bounded_and_says_so(tmp_path: Path) -> None:
    said = clean()
    box = {**said["annotations"][2], "image_id": 1}
    said["annotations"] += [{**box, "id": 10 + k, "bbox": [k % 60, 1, 0, 9]} for k in range(3000)]
    written(tmp_path, said)
    photo(tmp_path / "a.jpg")
    document = written_as(html, validate(tmp_path, select=["GEO102"]))
    opened = Opened(document)
    assert opened.count("li") == html.PER_PAGE
    assert opened.count("image") == shots.PER_RULE
    assert "and 2,975 more" in opened.said
    assert (
        f"first {html.PER_PAGE} findings are shown, the first {shots.PER_RULE} with a picture;" in opened.said
    )
    assert len(document) < 200_000


def test_pictures_stop_where_the_page_would_be_too_big(tmp_path: Path) -> None:
    whole, at = survey([], file=photo(tmp_path / "a.jpg")), Location("a.json", image="a.jpg")
    for nearly in (shots.Shots(whole, size=shots.MOST_BYTES - 1), shots.Shots(whole, drawn=shots.MOST - 1)):
        assert "data:image" in nearly.of(at)
        assert nearly.of(at) == ""


def test_a_page_of_clean_data_says_none() -> None:
    opened = Opened(written_as(html, validate(SAMPLE / "coco", ignore=["SPL104", "STA103"])))
    assert "findingsNone" in opened.said
    assert "Findings" not in opened.said


def test_two_hundred_classes_are_a_few_bars_and_a_table() -> None:
    names = [f"class {k:03d}" for k in range(200) for _ in range(k + 1)]
    whole = survey([[1, 2, 3, 4]] * len(names))
    object.__setattr__(whole.table, "category", names)
    opened = Opened(set_plots(whole))
    assert "the first 16 of 200" in opened.said
    assert opened.said.count("class 199") == opened.said.count("class 000") + 2
    assert opened.count("tr") == 201


def test_boxes_are_counted_where_they_are() -> None:
    cells = coverage(survey([[0, 0, 30, 40], [0, 0, 30, 20], [30, 20, 30, 20], [9, 9, 0, 5], [70, 0, 5, 5]]))
    assert cells.shape == (21, 32)
    assert (cells[:10, :16] == 2).all()
    assert (cells[11:, :16] == 1).all()
    assert (cells[:10, 16:] == 0).all()
    assert (cells[11:, 16:] == 1).all()


def test_numbers_that_no_image_has_break_no_plot() -> None:
    wild = [[1e300, 1e300, 1e300, 1e300], [-1e308, 0, 1e308, 1e-300], [np.nan] * 4, [np.inf, 0, np.inf, 1]]
    for size in ((60, 40), (None, None), (1, 10**12)):
        assert "Objects of each class" in set_plots(survey(wild, size=size))


# --- pictures ----------------------------------------------------------------------------------------------


def test_a_box_is_drawn_on_its_image(tmp_path: Path) -> None:
    drawn = shot((20, 10, 20, 15), file=photo(tmp_path / "a.jpg"))
    assert view(drawn) == [0, 0, 60, 40]
    marks = [each.get("d") for each in drawn.findall(".//path")]
    assert marks == ["M20 10h20v15h-20z"] * 2
    image = drawn.find(".//image")
    assert image is not None
    assert [image.get(key) for key in ("x", "y", "width", "height")] == ["0", "0", "60", "40"]
    data = b64decode((image.get("href") or "").removeprefix("data:image/jpeg;base64,"))
    assert Image.open(BytesIO(data)).size == (60, 40)


def test_a_small_box_is_shown_with_what_is_around_it(tmp_path: Path) -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:120, 500:520] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    drawn = shot((500, 100, 20, 20), size=(600, 400), file=tmp_path / "a.png")
    assert view(drawn) == [470, 70, 80, 80]
    image = drawn.find(".//image")
    assert image is not None
    part = np.asarray(Image.open(BytesIO(b64decode((image.get("href") or "").partition(",")[2]))))
    assert part.shape == (80, 80, 3)
    assert part[30:50, 30:50, 0].min() > 120 > part[:25].max()
    assert "a part of 600 × 400" in "".join(drawn.itertext())


def test_a_box_outside_is_shown_with_the_frame_of_the_image() -> None:
    x, y, w, h = view(shot((100, -30, 20, 10)))
    assert x < 0 and y < -30 and x + w > 120 and y + h > 40
    far = shot((1e12, 0, 5, 5))
    assert view(far)[2] < 300
    assert "the object goes beyond it" in "".join(far.itertext())
    assert "the image is not shown" in "".join(far.itertext())


def test_a_box_without_area_is_a_line_that_can_be_seen() -> None:
    assert {each.get("d") for each in shot((20, 10, 0, 15)).findall(".//path")} == {"M20 10h0v15h0z"}
    assert {each.get("d") for each in shot((20, 10, -5, 15)).findall(".//path")} == {"M20 10h-5v15h5z"}


def test_findings_have_the_outline_of_their_object_where_someone_asks(tmp_path: Path) -> None:
    said = clean()
    for each in said["annotations"]:
        each["bbox"] = [1, 1, 0, 5]
    path = written(tmp_path, said)
    plain = validate(path, select=["GEO102"]).findings
    drawn = validate(path, select=["GEO102"], outlines=2).findings
    assert plain == drawn  # an outline is no part of a place
    assert [each.at.outline for each in plain if each.at] == [(), (), ()]
    ring, column, none = (each.at.outline for each in drawn if each.at)
    assert ring == ((2, 3, 12, 3, 12, 13, 2, 13),)
    assert column == ((2, 20, 12, 20, 12, 30, 2, 30),)  # the edges of its pixels
    assert none == ()
    assert '"outline"' not in written_as(as_json, validate(path, select=["GEO102"], outlines=2))
    masks = [each.at for each in validate(path, select=["GEO102"], outlines=9).findings if each.at]
    made = shots.Shots(survey([])).of(masks[0])
    assert 'class="shape" d="M2 3 12 3 12 13 2 13z"' in made


@pytest.mark.parametrize(
    "polygons", [[[1, 2, 3]], [[1e300, 2, -1e300, 4, 5, 6]], "x", [list(range(20_000))], [[]]]
)
def test_an_outline_that_cannot_be_drawn_stops_nothing(tmp_path: Path, polygons: object) -> None:
    said = clean()
    said["annotations"][0] |= {"bbox": [1, 1, 0, 5], "segmentation": polygons}
    done = validate(written(tmp_path, said), outlines=5)
    assert "GEO102" in {each.code for each in done.findings}
    assert "<svg" in written_as(html, done)


def test_where_nothing_can_be_drawn_there_is_no_picture(tmp_path: Path) -> None:
    at = Location("a.json", image="a.jpg")
    assert shots.Shots(survey([])).of(at) == ""
    assert shots.Shots(survey([])).of(Location("a.json")) == ""
    assert shots.Shots(survey([], size=(None, None))).of(at) == ""
    assert shots.Shots(survey([], size=(10**9, 10))).of(Location("a", image="a.jpg", box=(1, 1, 1, 1))) == ""


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_images_of_every_mode_are_shown(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    image = Image.linear_gradient("L").resize((60, 40))
    if mode in ("I;16", "I", "F"):
        values = np.asarray(image).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]) * 100
        image = Image.fromarray(values)
    else:
        image = image.convert(mode)
    image.save(path)
    shown = shot(None, file=path).find(".//image")
    assert shown is not None
    data = b64decode((shown.get("href") or "").partition(",")[2])
    pixels = np.asarray(Image.open(BytesIO(data)).convert("L"))
    assert int(pixels[-1].mean()) - int(pixels[0].mean()) > 200


def test_an_image_that_exif_turns_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = shot(None, file=photo(tmp_path / "a.jpg", exif=exif)).find(".//image")
    assert drawn is not None
    data = b64decode((drawn.get("href") or "").partition(",")[2])
    assert Image.open(BytesIO(data)).size == (60, 40)
    assert not Image.open(BytesIO(data)).getexif()


def test_broken_images_leave_the_frame(tmp_path: Path) -> None:
    good = photo(tmp_path / "a.jpg", (600, 400)).read_bytes()
    whole = survey([], size=(600, 400), file=tmp_path / "a.jpg")
    at = Location("a.json", image="a.jpg", box=(20, 30, 300, 300))
    assert "data:" in shots.Shots(whole).of(at)
    for data in (good[:700], good[:200] + bytes(9000), b"", b"GIF89a" + bytes(20)):
        (tmp_path / "a.jpg").write_bytes(data)
        made = shots.Shots(whole).of(at)
        assert "data:" not in made
        assert "the image is not shown" in made
    (tmp_path / "a.jpg").unlink()
    assert "the image is not shown" in shots.Shots(whole).of(at)


# --- a browser ---------------------------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A page of findings with pictures and hostile names."""
    said = clean()
    said["images"][1]["file_name"] = f"{ELSEWHERE}.jpg"
    said["categories"][0]["name"] = ELSEWHERE
    said["categories"][1]["name"] = "</title></script><script>document.title='taken'</script>"
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    said["annotations"].append({**said["annotations"][0], "id": 4, "bbox": [50, 3, 30, 10]})
    root = tmp_path / "data"
    root.mkdir()
    written(root, said)
    photo(root / "a.jpg")
    path = tmp_path / "report.html"
    path.write_text(written_as(html, validate(root)), "utf-8")
    return path


def test_a_browser_shows_the_page_and_runs_its_own_script_only(chromium: str, shown: Path) -> None:
    opened = Opened(browse(chromium, shown, "--dump-dom"))
    assert opened.said.lstrip().startswith("data: what labelkit found")  # the title is as it was
    assert opened.count("figure") == 4
    assert opened.count("image") == 1
    (bar,) = (given for _, given in opened.elements if "data-filter" in given)
    assert "hidden" not in bar  # the script ran: it shows the field for filtering


def test_a_browser_paints_the_page_in_light_and_in_dark(chromium: str, shown: Path) -> None:
    light = pixels(chromium, shown)
    dark = pixels(chromium, shown, "--blink-settings=preferredColorScheme=0")
    assert light.shape == dark.shape == (1600, 1000, 3)
    assert light[5, 5].min() > 230
    assert dark[5, 5].max() < 40
    for painted in (light, dark):
        assert len(np.unique(painted.reshape(-1, 3), axis=0)) > 500  # text, plots and a photograph
        yellow = (painted[..., 0] > 240) & (abs(painted[..., 1] - 210) < 20) & (painted[..., 2] < 80)
        assert yellow.sum() > 50  # the boxes on the pictures


def test_the_page_asks_nobody_for_anything(chromium: str, shown: Path) -> None:
    other = shown.with_name("other.html")
    other.write_text(f"<p>{ELSEWHERE}</p>", "utf-8")
    assert asked(chromium, other) == {"elsewhere.invalid"}  # else the next line would prove nothing
    assert asked(chromium, shown) == set()
    bare = re.sub("<meta http-equiv[^>]*>", "", shown.read_text("utf-8"))
    shown.write_text(bare, "utf-8")
    assert asked(chromium, shown) == set()  # not for its policy alone
