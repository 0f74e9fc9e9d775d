"""Drawing labels: which pixels change and to what, in which colours, and how names become files."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps

from labelkit.drawing.colours import Colour, class_colours, ink_on, seen
from labelkit.drawing.letters import written
from labelkit.drawing.paint import DASHED, DOTTED, SOLID, edge, rectangle
from labelkit.drawing.picture import FILL, HATCH, enlargement, picture
from labelkit.drawing.scene import scene
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Cell,
    ImageLabel,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Object,
    Polygons,
    Provenance,
    Record,
    SemanticMap,
)
from labelkit.model import Image as ModelImage
from labelkit.naming import Names
from labelkit.photos import load
from labelkit.pixels import rle_mask

RED: Colour = (255, 0, 0)
WIDTH, HEIGHT = 640, 480
COLOURS: dict[str, Colour] = {"cat": (230, 159, 0), "dog": (86, 180, 233)}


def photograph(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 254, (height, width, 3), dtype=np.uint8)


def ring() -> np.ndarray:
    """A disc with a hole, in the middle of the image."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(x - 320, y - 240)
    return (far < 120) & (far > 50)


def mask_of(pixels: np.ndarray) -> Mask:
    return rle_mask(rle.encode_mask(pixels), *pixels.shape)


def record(*objects: Object, width: int = WIDTH, height: int = HEIGHT, **fields: object) -> Record:
    image = ModelImage(path="a.jpg", width=width, height=height)
    return Record(image=image, objects=objects, **fields)  # type: ignore[arg-type]


def drawn(shown: Record, photo: np.ndarray | None) -> np.ndarray:
    """The part of the picture that is the image."""
    made = scene(shown, None)
    assert made.faults == ()
    times = enlargement(made.width, made.height)
    return picture(made, photo, COLOURS)[: made.height * times, : made.width * times]


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    found: np.ndarray = (before != after).any(axis=2)
    return found


# --- colours -----------------------------------------------------------------------------------------------


def test_colours_are_measured_as_css_defines_it() -> None:
    primaries = np.array([(255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)], dtype=float)
    expected = [
        (1, 0, 0),
        (0.62796, 0.22486, 0.12585),
        (0.86644, -0.23389, 0.1795),
        (0.45201, -0.03246, -0.31153),
    ]
    assert np.abs(seen(primaries)[0] - expected).max() < 1e-4  # CSS Color 4
    greys = np.repeat(np.arange(0, 256, 51)[:, None], 3, axis=1).astype(float)
    assert np.abs(seen(greys)[:, :, 1:]).max() < 1e-3  # a grey is one for all eyes


def test_the_first_colours_differ_for_all_eyes() -> None:
    colours = class_colours([Category(name=str(k)) for k in range(24)])
    points = seen(np.array(list(colours.values()), dtype=float))
    apart = [np.linalg.norm(points[:, a] - points[:, b], axis=1).min() for a, b in combinations(range(24), 2)]
    assert min(apart) > 0.04  # 0.02 is a just noticeable difference of large areas side by side


def test_a_class_keeps_its_colour_when_others_are_added() -> None:
    some = [Category(name="b"), Category(name="a", colour=(1, 2, 3)), Category(name="c")]
    colours = class_colours(some)
    assert colours["a"] == (1, 2, 3)
    more = class_colours([*some, Category(name="d"), Category(name="e")])
    assert {name: more[name] for name in colours} == colours
    assert len(set(more.values())) == 5


def test_a_stated_colour_is_given_to_no_other_class() -> None:
    first = class_colours([Category(name="a")])["a"]
    assert class_colours([Category(name="b"), Category(name="a", colour=first)])["b"] != first


def test_thousands_of_classes_have_colours() -> None:
    assert len(class_colours([Category(name=str(k)) for k in range(3000)])) == 3000


@given(ground=st.tuples(*[st.integers(0, 255)] * 3))
def test_words_are_legible_on_every_colour(ground: Colour) -> None:
    def light(colour: Colour) -> float:  # WCAG 2.2, relative luminance
        parts = [
            each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
            for each in np.array(colour) / 255
        ]
        return float(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])

    bright, dark = sorted((light(ground), light(ink_on(ground))), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5  # level AA


# --- words -------------------------------------------------------------------------------------------------


def words(said: str) -> np.ndarray:
    return written(said, size=20, ink=(0, 0, 0), ground=(255, 255, 255))


@pytest.mark.parametrize(
    ("one", "other"), [("cafe", "café"), ("猫", "犬"), ("Ж", "Я"), ("😀", "😃"), ("שלום", "שלוט"), ("a", "ạ")]
)
def test_names_that_differ_look_different(one: str, other: str) -> None:
    assert words(one).shape != words(other).shape or (words(one) != words(other)).any()


def test_what_cannot_be_seen_is_spelled() -> None:
    for said, spelled in (("a\u202eb", "a[U+202E]b"), ("\n", "[U+000A]"), ("\udc80", "[U+DC80]")):
        assert np.array_equal(words(said), words(spelled))


def test_letters_of_a_font_of_the_system_are_drawn_with_it() -> None:
    try:
        font = ImageFont.truetype("DejaVuSans.ttf", 20)
    except OSError:
        assert os.environ.get("CI") != "true", "DejaVu is missing (apt-get install fonts-dejavu-core)"
        pytest.skip("no DejaVu on this machine")
    image = Image.new("RGB", (200, 60), "white")
    ImageDraw.Draw(image).text((10, 40), "café", "black", font, anchor="ls")
    expected = np.asarray(image)
    left, _, right, _ = font.getbbox("café", anchor="ls")
    inside = words("café")
    assert inside.shape[1] >= right - left
    assert (expected < 128).any(axis=2).sum() == (inside < 128).any(axis=2).sum()


def test_without_fonts_letters_are_spelled_in_ascii(tmp_path: Path) -> None:
    code = (
        "import numpy as np\nfrom labelkit.drawing.letters import written\n"
        "w = lambda said: written(said, size=20, ink=(0, 0, 0), ground=(255, 255, 255))\n"
        "for a, b in (('café', \"cafe'\"), ('猫', '[U+732B]'), ('Äpfel', 'A\"pfel'), ('😀', '[U+1F600]')):\n"
        "    assert np.array_equal(w(a), w(b)), a\n"
    )
    env = {
        **os.environ,
        "XDG_DATA_DIRS": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "HOME": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_long_names_are_cut_and_all_lines_are_as_high() -> None:
    assert words("x" * 10_000).shape[1] < 20 * 60
    assert len({words(said).shape[0] for said in ("a", "gÄ", "", "猫")}) == 1


# --- boxes and edges ---------------------------------------------------------------------------------------


def outlined(box: Box, style: str = SOLID, line: int = 1) -> np.ndarray:
    """Where the line of a box is on a white image of 12 x 10."""
    image = np.full((10, 12, 3), 255, np.uint8)
    rectangle(image, box, RED, style, line=line)
    return (image == RED).all(axis=2)


@pytest.mark.parametrize(
    ("box", "columns", "rows"),
    [
        (Box(2, 1, 4, 3), (2, 5), (1, 3)),
        (Box(0, 0, 1, 1), (0, 0), (0, 0)),
        (Box(0, 0, 12, 10), (0, 11), (0, 9)),
        (Box(1.2, 1.7, 3.5, 2.1), (1, 4), (1, 3)),
        (Box(6, 4, -4, -3), (2, 5), (1, 3)),
        (Box(3, 2, 0, 5), (3, 3), (2, 6)),
    ],
)
def test_the_line_lies_on_the_outermost_pixels_of_the_box(
    box: Box, columns: tuple[int, int], rows: tuple[int, int]
) -> None:
    expected = np.zeros((10, 12), bool)
    expected[rows[0] : rows[1] + 1, list(columns)] = True
    expected[list(rows), columns[0] : columns[1] + 1] = True
    assert np.array_equal(outlined(box), expected)


wide = st.one_of(st.floats(-30, 30), st.sampled_from([1e300, -1e300, 0.0]))


@given(x=wide, y=wide, w=wide, h=wide, line=st.integers(1, 4), style=st.sampled_from([SOLID, DASHED, DOTTED]))
def test_nothing_is_painted_outside_a_box(
    x: float, y: float, w: float, h: float, line: int, style: str
) -> None:
    image = np.full((10, 12, 3), 255, np.uint8)
    rectangle(image, Box(x, y, w, h), RED, style, line=line)
    rows, columns = np.nonzero((image != 255).any(axis=2))
    (left, right), (top, bottom) = sorted((x, x + w)), sorted((y, y + h))
    touched = (
        (columns + 1 > left)
        & (columns < max(right, left + 1))
        & (rows + 1 > top)
        & (rows < max(bottom, top + 1))
    )
    assert touched.all()


def test_a_dashed_box_has_gaps_and_lies_on_the_solid_one() -> None:
    for style in (DASHED, DOTTED):
        solid, broken = outlined(Box(0, 0, 12, 10)), outlined(Box(0, 0, 12, 10), style)
        assert 0 < broken.sum() < solid.sum()
        assert not (broken & ~solid).any()


@pytest.mark.parametrize("line", [1, 2, 3])
def test_the_edge_of_a_mask_is_its_pixels_near_the_outside(line: int) -> None:
    mask = np.random.default_rng(line).random((20, 30)) < 0.9
    image = np.full((30, 40, 3), 255, np.uint8)
    edge(image, mask, RED, SOLID, line=line, x=5, y=4)
    outside = np.argwhere(~np.pad(mask, line)) - line
    expected = np.zeros((30, 40), bool)
    for y, x in np.argwhere(mask):
        expected[y + 4, x + 5] = np.abs(outside - (y, x)).sum(axis=1).min() <= line
    assert np.array_equal((image == RED).all(axis=2), expected)
    whole = np.zeros((30, 40), bool)
    whole[4:24, 5:35] = mask
    assert (image[~whole] == 255).all()


# --- pictures ----------------------------------------------------------------------------------------------


def test_a_mask_is_blended_inside_and_nothing_else_is_touched() -> None:
    photo, mask = photograph(), ring()
    made = drawn(record(Instance(category="cat", mask=mask_of(mask))), photo)
    touched = changed(photo, made)
    y, _ = np.nonzero(touched & ~mask)
    assert (
        y.max() < np.nonzero(mask)[0].min() and y.max() - y.min() < 25
    )  # the name, above the mask: not in its hole, not beside it
    assert (touched | ~mask).all()
    inner = ring()
    for _ in range(4):  # away from the edge
        inner[1:-1, 1:-1] = (
            inner[1:-1, 1:-1] & inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        )
    blended = np.rint(photo[inner] * (1 - FILL) + np.array(COLOURS["cat"]) * FILL)
    assert np.array_equal(made[inner], blended)
    assert (made[240, 320 + 119] == COLOURS["cat"]).all()  # the edge, outside and inside
    assert (made[240, 320 + 51] == COLOURS["cat"]).all()


@pytest.mark.parametrize("kind", ["polygons", "cell"])
def test_holes_of_polygons_and_cells_show_the_photograph(kind: str) -> None:
    photo = photograph()
    outer, hole = [100.0, 100, 400, 100, 400, 400, 100, 400], [200.0, 200, 300, 200, 300, 300, 200, 300]
    if kind == "polygons":
        shown = record(Instance(category="dog", mask=Mask.of(Polygons([[outer, hole]]))))
    else:
        pixels = np.zeros((HEIGHT, WIDTH), bool)
        pixels[100:400, 100:400] = True
        pixels[200:300, 200:300] = False
        layers = Layers(height=HEIGHT, width=WIDTH, layers=(Layer(value=7, mask=mask_of(pixels)),))
        maps = {"objects": InstanceMap(source=layers)}
        shown = record(Instance(category="dog", mask=Mask.of(Cell("objects", 7))), maps=maps)
    touched = changed(photo, drawn(shown, photo))
    assert not touched[201:299, 201:299].any()
    assert touched[101:199, 101:399].all() and touched[301:399, 101:399].all()
    assert not touched[402:].any()


def test_a_map_is_blended_by_class_and_what_it_ignores_is_striped() -> None:
    photo = photograph()
    values = np.zeros((HEIGHT, WIDTH), int)
    values[:100], values[100:200], values[200:300] = 3, 4, 255
    layers = tuple(Layer(value=value, mask=mask_of(values == value)) for value in (3, 4, 255))
    source = Layers(height=HEIGHT, width=WIDTH, layers=layers)
    maps = {"semantic": SemanticMap(source=source, classes={3: "cat", 4: "dog"}, ignore=255)}
    made = drawn(record(maps=maps), photo)
    for name, rows in (("cat", slice(0, 100)), ("dog", slice(100, 200))):
        assert np.array_equal(made[rows], np.rint(photo[rows] * (1 - FILL) + np.array(COLOURS[name]) * FILL))
    striped = changed(photo[200:300], made[200:300])
    assert 0.4 < striped.mean() < 0.6
    grey = np.rint(photo[200:300] * (1 - HATCH) + 128 * HATCH)
    assert np.array_equal(made[200:300][striped], grey[striped])
    assert not changed(photo[300:], made[300:]).any()


def test_what_a_map_and_an_object_say_is_blended_once() -> None:
    photo, mask = photograph(), ring()
    source = Layers(height=HEIGHT, width=WIDTH, layers=(Layer(value=1, mask=mask_of(mask)),))
    maps = {"semantic": SemanticMap(source=source, classes={1: "cat"})}
    item = Instance(category="cat", mask=mask_of(mask))
    assert np.array_equal(drawn(record(item, maps=maps), photo), drawn(record(item), photo))
    assert not np.array_equal(drawn(record(item, maps={**maps}), photo), drawn(record(maps=maps), photo))


@pytest.mark.parametrize(
    ("status", "share"),
    [("pending", (0.4, 0.7)), ("rejected", (0.3, 0.7)), ("accepted", (1, 1)), ("changed", (1, 1))],
)
def test_what_nobody_has_reviewed_is_dashed(status: str, share: tuple[float, float]) -> None:
    made = Provenance(run="r", model="m", score=0.5, status=status)  # type: ignore[arg-type]

    def lines(provenance: Provenance | None) -> int:
        box = BoundingBox(category="cat", box=Box(100, 100, 300, 300), provenance=provenance)
        found = drawn(record(box), photograph())[104:401, 90:410]
        return int((found == COLOURS["cat"]).all(axis=2).sum())

    assert share[0] <= lines(made) / lines(None) <= share[1]


def test_a_small_image_is_drawn_larger_and_a_large_one_with_thicker_lines() -> None:
    small = record(BoundingBox(category="cat", box=Box(10, 20, 20, 10)), width=60, height=40)
    made = drawn(small, photograph(60, 40))
    assert made.shape == (320, 480, 3)
    assert (made[30 * 8 - 1, 10 * 8 : 30 * 8] == COLOURS["cat"]).all()
    assert not (made[30 * 8, 10 * 8 : 30 * 8] == COLOURS["cat"]).all()
    large = record(BoundingBox(category="cat", box=Box(1000, 1000, 500, 500)), width=3000, height=2000)
    column = drawn(large, np.zeros((2000, 3000, 3), np.uint8))[1250, 990:1250]
    assert 7 <= (column == COLOURS["cat"]).all(axis=1).sum() <= 12


def test_without_an_image_labels_are_drawn_on_grey() -> None:
    made = drawn(record(BoundingBox(category="cat", box=Box(300, 300, 100, 100))), None)
    assert (made[0, 0] == made[-1, -1]).all()
    assert (made[399, 300:400] == COLOURS["cat"]).all()


def test_the_legend_is_below_the_image_and_names_what_is_in_it() -> None:
    bare = picture(scene(record(), None), photograph(), COLOURS)
    assert np.array_equal(bare, photograph())
    labels = (ImageLabel(category="dog", score=0.5), ImageLabel(category="cat", state="absent"))
    made = picture(scene(record(labels=labels), None), photograph(), COLOURS)
    assert np.array_equal(made[:HEIGHT], photograph())
    for colour in COLOURS.values():
        assert (made[HEIGHT:] == colour).all(axis=2).sum() > 100


LINES = {
    "solid": "solid: stated, accepted or changed by a person",
    "dashed": "dashed: predicted, not yet reviewed",
    "dotted": "dotted: rejected",
}


def has_words(legend: np.ndarray, said: str) -> bool:
    """Whether a line of the legend of a picture of the usual size has these words."""
    words = written(said, size=12, ink=(0, 0, 0), ground=(246, 247, 248))[..., 0]
    windows = np.lib.stride_tricks.sliding_window_view(legend[..., 0], words.shape)
    return bool((windows == words).all(axis=(2, 3)).any())


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["pending"], {"dashed"}),
        (["rejected"], {"dotted"}),
        (["pending", "accepted"], {"solid", "dashed"}),
        (["accepted", "changed"], set()),
        (["rejected", "pending", "changed"], {"solid", "dashed", "dotted"}),
    ],
)
@pytest.mark.parametrize("kind", ["boxes", "labels"])
def test_the_legend_explains_the_lines_that_are_drawn_and_no_others(
    kind: str, statuses: list[str], told: set[str]
) -> None:
    made = [Provenance(run="r", model="m", status=status) for status in statuses]  # type: ignore[arg-type]
    boxes = [BoundingBox(category="cat", box=Box(9, 9, 99, 99), provenance=each) for each in made]
    labels = tuple(ImageLabel(category="cat", provenance=each) for each in made)
    shown = record(*boxes) if kind == "boxes" else record(labels=labels)
    legend = picture(scene(shown, None), photograph(), COLOURS)[HEIGHT:]
    assert {style for style, words in LINES.items() if has_words(legend, words)} == told


@pytest.mark.parametrize(
    ("status", "share"), [("pending", (0.3, 0.7)), ("rejected", (0.3, 0.7)), ("accepted", (1, 1))]
)
def test_the_edge_of_an_image_label_is_drawn_as_that_of_an_object(
    status: str, share: tuple[float, float]
) -> None:
    made = Provenance(run="r", model="m", status=status)  # type: ignore[arg-type]
    shown = record(labels=(ImageLabel(category="cat", provenance=made),))
    chip = (picture(scene(shown, None), photograph(), COLOURS)[HEIGHT:] == COLOURS["cat"]).all(axis=2)
    rows, columns = np.nonzero(chip)
    top = chip[rows.min(), columns.min() : columns.max() + 1]
    assert share[0] <= top.mean() <= share[1]


def test_flags_and_scores_are_in_the_words() -> None:
    item = BoundingBox(
        category="cat", box=Box(0, 0, 9, 9), crowd=True, difficult=True, truncated=False, score=0.456
    )
    (thing,) = scene(record(item), None).things
    assert thing.shown.line == "cat 0.46 · crowd · difficult"
    predicted = Provenance(run="run 1", model="a model", score=0.25)
    item = BoundingBox(category="cat", box=Box(0, 0, 9, 9), uid="ab12", provenance=predicted)
    (thing,) = scene(record(item), None).things
    assert thing.shown.line == "cat 0.25"
    assert {"uid: ab12", "model: a model", "run: run 1", "status: pending"} <= set(thing.shown.details)


def test_what_cannot_be_drawn_is_a_fault_and_hides_nothing_else() -> None:
    wrong = [
        Mask(b'{"size":[3,3],"counts":[9]}'),
        Mask(b"[[1,2"),
        Mask.of(Cell("nowhere", 1)),
        Mask(b"[[1,2,3]]"),
    ]
    items = [Instance(category="cat", mask=mask) for mask in wrong]
    boxed = Instance(category="cat", mask=wrong[0], box=Box(1, 1, 5, 5))
    made = scene(record(*items, boxed, BoundingBox(category="dog", box=Box(0, 0, 1, 1))), None)
    assert len(made.faults) == 4
    assert made.unseen == ("object 4",)
    assert [thing.shown.category for thing in made.things] == ["cat", "dog"]
    small = Layers(height=5, width=5, layers=())
    made = scene(record(maps={"semantic": SemanticMap(source=small, classes={})}), None)
    assert "5 x 5 pixels, the image has 640 x 480" in made.faults[0]


def test_a_map_that_is_not_wanted_still_has_the_pixels_of_its_objects() -> None:
    source = Layers(height=HEIGHT, width=WIDTH, layers=(Layer(value=7, mask=mask_of(ring())),))
    maps = {"panoptic": SemanticMap(source=source, classes={7: "cat"})}
    shown = record(Instance(category="cat", mask=Mask.of(Cell("panoptic", 7))), maps=maps)
    with_map, without = scene(shown, None), scene(shown, None, has_maps=False)
    assert [len(each.areas) for each in (with_map, without)] == [1, 0]
    for each in (with_map, without):
        assert each.faults == ()
        assert [rle.area(thing.runs) for thing in each.things if thing.runs is not None] == [ring().sum()]


def test_only_scores_that_reach_the_least_are_drawn() -> None:
    scores = [None, 0.2, 0.5, 0.9]
    items = [BoundingBox(category="cat", box=Box(0, 0, 9, 9), score=score) for score in scores]
    assert [thing.shown.score for thing in scene(record(*items), None, least=0.5).things] == [None, 0.5, 0.9]


# --- photographs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_unless_only_its_stored_pixels_fit_the_labels(
    tmp_path: Path, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photograph(60, 40)).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        stored, turned = np.array(image), np.array(ImageOps.exif_transpose(image))
    displayed = (40, 60) if orientation > 4 else (60, 40)
    for stated in (None, (40, 60), (7, 7), displayed):
        made = load(tmp_path / "a.png", stated)
        assert np.array_equal(made.pixels, turned)
        assert made.size == displayed
    expected = stored if orientation > 4 else turned
    assert np.array_equal(load(tmp_path / "a.png", (60, 40)).pixels, expected)


def test_a_reduced_photograph_is_the_same_picture(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((1000, 600)).convert("RGB").save(tmp_path / "a.jpg")
    whole, small = load(tmp_path / "a.jpg"), load(tmp_path / "a.jpg", longest=100)
    assert (whole.pixels.shape, small.pixels.shape) == ((600, 1000, 3), (60, 100, 3))
    assert whole.size == small.size == (1000, 600)
    assert abs(small.pixels[:, 50, 0].astype(int) - whole.pixels[5::10, 500, 0]).max() < 6


# --- names of files ----------------------------------------------------------------------------------------


def test_plain_names_are_kept_and_others_stay_apart() -> None:
    names = Names(".png")
    assert names.of("train/a b.jpg") == "train/a b.jpg.png"
    assert names.of("train/ünter.PNG") == "train/ünter.PNG"
    given = [
        "x.png",
        "X.png",
        "x.png.jpg",
        "x.png/y",
        "../../etc/passwd",
        "/etc/passwd",
        "a:b",
        "a?b",
        "a/./b",
        "a/b",
    ]
    made = [names.of(path) for path in given]
    assert len({name.casefold() for name in made}) == len(given)
    assert not any(".." in name.split("/") or name.startswith("/") or ":" in name for name in made)


pieces = st.sampled_from(
    ["a", "A", "b.png", "..", ".", "é", "e\u0301", "a\\b", "c:", "\udc80", "x" * 300, " ", "\n"]
)
paths = st.lists(st.lists(pieces, min_size=1, max_size=3).map("/".join), max_size=12)


@given(given_paths=paths)
def test_any_paths_become_files_of_their_own_inside_the_folder(
    tmp_path_factory: pytest.TempPathFactory, given_paths: list[str]
) -> None:
    root, names, again = tmp_path_factory.mktemp("out"), Names(".png"), Names(".png")
    made = [names.of(path) for path in given_paths]
    assert made == [again.of(path) for path in given_paths]
    assert len({normalize("NFC", name.casefold()) for name in made}) == len(made)
    for name in made:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(exist_ok=False)
        assert file.resolve().is_relative_to(root.resolve())
