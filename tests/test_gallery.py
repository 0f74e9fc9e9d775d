"""The gallery of ``labelkit show``: what is in the file, and what a browser makes of it."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from browser import asked, browse, driven, pixels
from hypothesis import given
from labelled import RECORDS, box, halves, image, photograph, predicted, written
from made import HEADER, records
from PIL import Image
from test_html import ELSEWHERE
from test_outputs import Opened, reaches_out

from labelkit.canonical import encode_record
from labelkit.drawing.colours import class_colours
from labelkit.drawing.picture import enlargement, picture
from labelkit.drawing.scene import scene
from labelkit.geometry import rle
from labelkit.geometry.raster import pillow_polygon
from labelkit.model import (
    Category,
    Header,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.outputs.cards import SIDE, card
from labelkit.outputs.page import text
from labelkit.outputs.words import visible
from labelkit.pixels import rle_mask
from labelkit.showing import show

NUMBERS = {"cat": 0, "dog": 1}

# What a person sees and does, in a page that is open.
SEE = """
  const panel = document.querySelector("[data-panel]");
  const items = () => [...document.querySelectorAll("[data-item]")].filter((item) => item.checkVisibility());
  const names = () => items().map((item) => item.dataset.name);
  const said = (shape) => (shape.querySelector("title")?.textContent ?? shape.title).split("\\n")[0];
  const shapes = () => [...document.querySelectorAll("[data-k]")]
    .filter((each) => getComputedStyle(each).display !== "none")
    .map((each) => said(each) + (each.dataset.s ?? "")).sort();
  const set = (field, value) => {
    const element = typeof field === "string" ? panel.elements[field] : field;
    if (element.type === "checkbox") element.checked = value; else element.value = value;
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const check = (k, value) => set(panel.querySelector(`input[name=class][value="${k}"]`), value);
"""
ALL = ["cat", "cat0.9", "cat0.95", "dog", "dog0.2", "dog0.3", "dog0.55", "dog0.6"]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery")
    show(written(root / "set"), root / "out", png=False)
    return root / "out" / "index.html"


# --- the file ----------------------------------------------------------------------------------------------


def test_a_gallery_is_one_whole_file_that_needs_nothing_else(gallery: Path) -> None:
    opened = Opened(gallery.read_text("utf-8"))
    assert reaches_out(opened) == []
    assert opened.count("image") == 5
    ids = [given["id"] for _, given in opened.elements if "id" in given]
    assert len(ids) == len(set(ids))
    assert "5 images, 7 objects, 1 image label" in opened.said


def test_all_that_is_known_of_a_label_is_in_its_title(gallery: Path) -> None:
    titles = re.findall(r"<title>([^<]*)</title>", gallery.read_text("utf-8"))
    assert "cat\nscore: 0.9\nstatus: pending\nmodel: maskrcnn\nrun: run 7\nuid: c0ffee" in titles
    assert "dog\ncrowd" in titles


def test_photographs_are_embedded_small(tmp_path: Path) -> None:
    source = written(tmp_path / "set", RECORDS[:1])
    Image.fromarray(photograph()).resize((3000, 2250)).save(source / "images/b.jpg")
    text = (source / "records.jsonl").read_text().replace('"width":640', '"width":3000')
    (source / "records.jsonl").write_text(text.replace('"height":480', '"height":2250'))
    show(source, tmp_path / "out", png=False)
    (data,) = re.findall(
        r'href="data:image/jpeg;base64,([^"]*)"', (tmp_path / "out/index.html").read_text("utf-8")
    )
    embedded = Image.open(BytesIO(b64decode(data)))
    assert embedded.size == (SIDE, SIDE * 3 // 4)
    expected = np.asarray(Image.fromarray(photograph()).resize(embedded.size)).astype(int)
    assert abs(np.asarray(embedded) - expected).mean() < 4


def paths(record: Record, kind: str) -> list[list[np.ndarray]]:
    """The rings of every path of a kind on a record's card."""
    made = card(scene(record, None), record.image.path, None, NUMBERS, id="x").html
    lines = re.findall(rf'<path class="{kind}" d="([^"]*)"', made)
    return [
        [np.array(ring.rstrip("z").split(), dtype=float).reshape(-1, 2) for ring in line.split("M")[1:]]
        for line in lines
    ]


def test_a_box_is_drawn_as_it_is_stated() -> None:
    ((ring,),) = paths(image("a", box("cat", None, box=(10.5, 20, 30.25, 5))), "box")
    assert ring.tolist() == [[10.5, 20], [40.8, 20], [40.8, 25], [10.5, 25]]  # a tenth of a pixel of 640


def test_polygons_keep_their_points_and_holes() -> None:
    rings = [[10.0, 10, 110, 10, 110, 110, 10, 110], [40.0, 40, 60, 40, 60, 60, 40, 60]]
    second = [[200.0, 200, 210, 200, 205, 210]]
    item = Instance(category="cat", mask=Mask.of(Polygons([rings, second])))
    drawn = paths(image("a", item), "fill")
    assert [[ring.ravel().tolist() for ring in part] for part in drawn] == [rings, second]


@pytest.mark.parametrize("size", [(640, 480), (100, 80), (2000, 1500)])
def test_outlines_of_pixels_are_nearly_exact(size: tuple[int, int]) -> None:
    """Filled again they differ by less than a seen pixel along their edge."""
    width, height = size
    y, x = np.mgrid[:height, :width] / height
    wave = np.sin(9 * x) + np.cos(7 * y + 4 * x)
    mask = (wave > 0.4) & (np.hypot(x - 0.6, y - 0.4) > 0.1) & (x > 0.2) & (y > 0.1)
    item = Instance(category="cat", mask=rle_mask(rle.encode_mask(mask), height, width))
    record = image("a", item).model_copy(
        update={"image": RECORDS[0].image.model_copy(update={"width": width, "height": height})}
    )
    again = np.zeros_like(mask)
    for part in paths(record, "fill"):
        for ring in part:
            again ^= rle.decode_mask(pillow_polygon(np.rint(ring - 0.5), height, width), height, width)
    edge = np.abs(np.diff(mask.astype(int), axis=0)).sum() + np.abs(np.diff(mask.astype(int), axis=1)).sum()
    assert (again != mask).sum() < 1.2 * max(width / 640, 1) * edge


@given(record=records())
def test_any_record_is_drawn_with_all_its_labels(record: Record) -> None:
    seen = scene(record, None)
    assert len(seen.things) + len(seen.faults) + len(seen.unseen) == len(record.objects)
    numbers = {category.name: number for number, category in enumerate(HEADER.categories)}
    made = card(seen, record.image.path, None, numbers, id="x")
    marked = [given for _, given in Opened(made.html).elements if "data-k" in given]
    assert len(marked) == len(record.labels) + len(seen.things) + len([a for a in seen.areas if a.shown])
    colours = class_colours(HEADER.categories)
    times = enlargement(seen.width, seen.height)
    picture_of = picture(seen, None, colours)
    assert picture_of.shape[0] >= seen.height * times and picture_of.shape[1] >= seen.width * times


def test_what_maps_ignore_is_striped_and_classes_are_areas() -> None:
    values = np.zeros((480, 640), int)
    values[:100], values[100:200] = 3, 255
    layers = tuple(
        Layer(value=value, mask=rle_mask(rle.encode_mask(values == value), 480, 640)) for value in (3, 255)
    )
    source = Layers(height=480, width=640, layers=layers)
    item = SemanticMap(source=source, classes={3: "dog"}, ignore=255, provenance=predicted(0.5))
    made = card(scene(image("a", maps={"semantic": item}), None), "a", None, NUMBERS, id="s7")
    assert (
        'fill="url(#s7)"><path class="fill" d="M0.0 100.0 640.0 100.0 640.0 200.0 0.0 200.0z"/>' in made.html
    )
    assert '<g class="area k1 dashed" data-k="1" data-s="0.5" data-m="semantic"><title>dog\n' in made.html
    assert made.has_ignored and made.classes == {"dog": 1} and made.objects == 0


# --- a browser ---------------------------------------------------------------------------------------------


def test_everything_is_shown_at_first(chromium: str, gallery: Path) -> None:
    seen = driven(chromium, gallery, f"{SEE} return [names(), shapes(), document.title];")
    assert seen == [[record.image.path for record in RECORDS], ALL, "set: labels"]


def test_a_class_that_is_not_checked_hides_exactly_its_shapes(chromium: str, gallery: Path) -> None:
    without, words, again, nothing, all_again = driven(
        chromium,
        gallery,
        f"""{SEE}
        const seen = [];
        check(1, false); seen.push(shapes());
        seen.push([...document.querySelectorAll("svg text")]
          .filter((each) => getComputedStyle(each).display !== "none")
          .map((each) => each.textContent).sort());
        check(1, true); seen.push(shapes());
        panel.querySelector("[data-none]").click(); seen.push(shapes());
        panel.querySelector("[data-all]").click(); seen.push(shapes());
        return seen;""",
    )
    assert without == [shape for shape in ALL if "dog" not in shape]
    assert words == ["cat", "cat 0.90", "cat 0.95"]
    assert again == all_again == ALL
    assert nothing == []


def test_the_range_of_scores_hides_what_is_outside(chromium: str, gallery: Path) -> None:
    seen = driven(
        chromium,
        gallery,
        f"""{SEE}
        const seen = [];
        set("from", 0.55); seen.push(shapes());
        set("to", 0.9); seen.push(shapes());
        set("unscored", false); seen.push(shapes());
        seen.push([panel.elements.from.nextElementSibling.textContent]);
        return seen;""",
    )
    assert seen == [
        ["cat", "cat0.9", "cat0.95", "dog", "dog0.55", "dog0.6"],
        ["cat", "cat0.9", "dog", "dog0.55", "dog0.6"],
        ["cat0.9", "dog0.55", "dog0.6"],
        ["0.55"],
    ]


def test_images_are_sorted_by_what_is_shown_of_them(chromium: str, gallery: Path) -> None:
    orders = ["source", "name", "most", "fewest", "low", "high", "unsure"]
    seen = driven(
        chromium,
        gallery,
        f"""{SEE}
        const seen = {{}};
        for (const order of {orders}) {{ set("order", order); seen[order] = names(); }}
        check(1, false); set("order", "most"); seen.cats = names();
        return seen;""",
    )
    source = ["b.jpg", "a 10.jpg", "a 2.jpg", "c/empty.jpg", "c/square.png"]
    assert seen == {
        "source": source,
        "name": ["a 2.jpg", "a 10.jpg", "b.jpg", "c/empty.jpg", "c/square.png"],
        "most": ["a 2.jpg", "b.jpg", "a 10.jpg", "c/square.png", "c/empty.jpg"],
        "fewest": ["c/empty.jpg", "a 10.jpg", "c/square.png", "b.jpg", "a 2.jpg"],
        "low": ["b.jpg", "a 2.jpg", "a 10.jpg", "c/empty.jpg", "c/square.png"],
        "high": ["a 2.jpg", "b.jpg", "a 10.jpg", "c/empty.jpg", "c/square.png"],
        "unsure": ["a 2.jpg", "b.jpg", "a 10.jpg", "c/empty.jpg", "c/square.png"],
        "cats": ["b.jpg", "a 10.jpg", "a 2.jpg", "c/empty.jpg", "c/square.png"],
    }


def test_images_are_found_by_words_and_left_out_where_nothing_of_them_is_shown(
    chromium: str, gallery: Path
) -> None:
    seen = driven(
        chromium,
        gallery,
        f"""{SEE}
        const seen = [], find = panel.querySelector("input[type=search]");
        for (const word of ["C0FFEE", "crowd", "a 2", ""]) {{ set(find, word); seen.push(names()); }}
        set("bare", false); seen.push(names());
        check(0, false); seen.push(names());
        seen.push([panel.querySelector(".row > output").textContent]);
        return seen;""",
    )
    assert seen[:3] == [["b.jpg"], ["c/square.png"], ["a 2.jpg"]]
    assert len(seen[3]) == 5
    assert seen[4] == ["b.jpg", "a 10.jpg", "a 2.jpg", "c/square.png"]
    assert seen[5] == ["b.jpg", "a 2.jpg", "c/square.png"]
    assert seen[6] == ["3 of 5 images, 4 objects, 1 image label shown"]


def test_a_long_name_is_cut_where_it_is_shown_and_found_whole(chromium: str, tmp_path: Path) -> None:
    long = "a long name of a class, " * 3 + "b" * 13
    categories = (Category(name=long), Category(name="dog"))
    header = Header(categories=categories)
    found = (
        image("a.jpg", box(long, 0.9)),
        image("b.jpg", labels=(ImageLabel(category=long),)),
        image("c.jpg"),
    )
    show(written(tmp_path / "set", found, header), tmp_path / "out", png=False)
    short = f"a long name of \u2026 {'b' * 13}"
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert f">{short} 0.90</text>" in page and f">{short}</span>" in page
    assert f"<title>{long}\n" in page and f'title="{long}\n' in page
    script = f"""{SEE}
        set(panel.querySelector("input[type=search]"), "{long}"); return names();"""
    assert driven(chromium, tmp_path / "out/index.html", script) == ["a.jpg", "b.jpg"]


def test_image_labels_and_maps_are_counted_as_they_are_shown(chromium: str, tmp_path: Path) -> None:
    labelled = image("a.jpg", labels=(ImageLabel(category="cat"), ImageLabel(category="dog")))
    mapped = image("b.jpg", maps={"semantic": halves()})
    show(written(tmp_path / "set", (labelled, mapped)), tmp_path / "out", png=False)
    seen = driven(
        chromium,
        tmp_path / "out/index.html",
        f"""{SEE}
        const told = () => [...document.querySelectorAll("[data-count], .row > output[aria-live]")]
          .map((element) => element.textContent);
        const seen = [told()];
        check(0, false); seen.push(told());
        check(1, false); seen.push(told());
        return seen;""",
    )
    assert seen == [
        ["2 of 2 images, 2 image labels, 1 semantic map shown", "2 image labels", "1 semantic map"],
        ["2 of 2 images, 1 image label, 1 semantic map shown", "1 image label", "1 semantic map"],
        ["2 of 2 images, 0 objects shown", "0 objects", "0 objects"],
    ]


def test_an_image_is_opened_large_with_its_labels_in_words(chromium: str, gallery: Path) -> None:
    seen = driven(
        chromium,
        gallery,
        f"""{SEE}
        const viewer = document.querySelector("[data-viewer]");
        const rows = () => [...viewer.querySelectorAll("tr")]
          .filter((row) => !row.hidden).map((row) => row.textContent);
        const title = () => viewer.querySelector("[data-title]").textContent;
        const seen = [];
        check(1, false);
        document.querySelector(".open").click();
        seen.push(viewer.open, title(), rows(), viewer.querySelectorAll("svg image").length);
        viewer.querySelector("[data-step='1']").click();
        seen.push(title());
        viewer.querySelector("[data-close]").click();
        return [...seen, viewer.open];""",
    )
    assert seen == [
        True,
        "b.jpg",
        ["catscore: 0.9 · status: pending · model: maskrcnn · run: run 7 · uid: c0ffee"],
        1,
        "a 10.jpg",
        False,
    ]


HOSTILE = "</title></script><script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of hostile names: of classes, files, runs, uids and attributes."""
    root = tmp_path_factory.mktemp("hostile")
    header = Header(
        categories=(Category(name=ELSEWHERE), Category(name=HOSTILE), Category(name="\u202e\n\"'"))
    )
    items = [
        box(name, 0.5, uid=f'"><svg onload=alert(1)>{HOSTILE}', attributes={ELSEWHERE: HOSTILE})
        for name in (ELSEWHERE, HOSTILE, "\u202e\n\"'")
    ]
    labels = (ImageLabel(category=HOSTILE, score=1e300), ImageLabel(category=ELSEWHERE, score=-1e300))
    records = (image('"><img src=x>.jpg', *items, labels=labels), image("b' onclick='alert(1).jpg"))
    show(written(root / "set", records, header), root / "<script>alert(1)<", png=False)
    return next(root.glob("*/index.html"))


def test_hostile_names_are_text_and_nothing_else(chromium: str, hostile: Path) -> None:
    document = hostile.read_text("utf-8")
    opened = Opened(document)
    assert reaches_out(opened) == []
    assert opened.count("script") == 1 and opened.count("img") == 0
    assert text(ELSEWHERE) in document and visible("\u202e\n") in opened.said
    assert not [given for _, given in opened.elements if any(key.startswith("on") for key in given)]
    seen = driven(
        chromium, hostile, f"{SEE} check(1, false); return [names().length, shapes().length, document.title];"
    )
    assert seen == [2, 3, "set: labels"]


def test_a_gallery_asks_nobody_for_anything(chromium: str, hostile: Path) -> None:
    assert asked(chromium, hostile) == set()
    bare = hostile.with_name("bare.html")
    bare.write_text(re.sub("<meta http-equiv[^>]*>", "", hostile.read_text("utf-8")), "utf-8")
    assert asked(chromium, bare) == set()  # not for its policy alone


def test_a_gallery_is_painted_in_light_and_in_dark(chromium: str, gallery: Path) -> None:
    light = pixels(chromium, gallery)
    dark = pixels(chromium, gallery, "--blink-settings=preferredColorScheme=0")
    assert light[5, 5].min() > 230
    assert dark[5, 5].max() < 40
    for painted in (light, dark):
        green = np.abs(painted - (10, 200, 30)).max(axis=2) < 3
        assert green.sum() > 300  # the lines of dogs


def test_five_hundred_images_open_and_are_filtered(chromium: str, tmp_path: Path) -> None:
    records = tuple(image(f"{k:03}.jpg", *[box("cat", k / 500)] * 6, box("dog", 0.5)) for k in range(500))
    source = written(tmp_path / "set", records[:1])
    lines = (source / "records.jsonl").read_bytes().splitlines()[:1]
    (source / "records.jsonl").write_bytes(b"\n".join([*lines, *map(encode_record, records)]))
    for record in records[1:]:
        (source / "images" / record.image.path).hardlink_to(source / "images/000.jpg")
    done = show(source, tmp_path / "out", png=False)
    assert (done.images, done.is_cut) == (500, False)
    seen = driven(
        chromium,
        tmp_path / "out/index.html",
        f"""{SEE}
        const seen = [names().length, shapes().length];
        check(0, false); seen.push(shapes().length);
        check(0, true); check(1, false); set("from", 0.5); set("bare", false);
        seen.push(shapes().length, names().length);
        set("order", "high"); seen.push(names()[0]);
        return seen;""",
    )
    assert seen == [500, 3500, 500, 1500, 250, "499.jpg"]


def test_a_gallery_without_scores_or_labels_works(chromium: str, tmp_path: Path) -> None:
    show(written(tmp_path / "set", (image("a.jpg"),)), tmp_path / "out", png=False)
    seen = driven(
        chromium, tmp_path / "out/index.html", f"{SEE} set('order', 'low'); return [names(), shapes()];"
    )
    assert seen == [["a.jpg"], []]


def test_the_browser_helper_sees_complaints(chromium: str, gallery: Path) -> None:
    """Else nothing above would prove that there are none."""
    with pytest.raises(AssertionError, match="CONSOLE"):
        driven(chromium, gallery, "console.error('wrong'); return 1;")
    with pytest.raises(AssertionError):
        driven(chromium, gallery, "throw new Error('wrong');")
    assert "labels" in browse(chromium, gallery, "--dump-dom")
