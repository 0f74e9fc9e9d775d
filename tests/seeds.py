"""Every defect that the tests of rules seed, as one list: a set with it, and the same set without it.

The tables of defects stay beside the tests that look at their messages; here they are values of one kind, so
that ``test_rule_coverage.py`` can hold all of them to one promise, and count which rule has a defect in which
format.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import test_rules_cityscapes as cityscapes
import test_rules_coco as coco
import test_rules_cvat as cvat
import test_rules_geometry as geometry
import test_rules_jsonl as jsonl
import test_rules_panoptic as panoptic
import test_rules_survey as survey
import test_rules_voc as voc
import test_rules_voc_maps as voc_maps
from test_laws import fit_all, write
from voc_files import voc_set

from labelkit.findings import Finding
from labelkit.validation import Validation, validate

Make = Callable[[Path], Path]
FORMATS = ("coco", "voc", "cityscapes", "jsonl", "labelstudio", "cvat")
NO_IMAGES = "REF112"  # true of every set that is annotations alone
OF_FEW = ("CAT104", "CAT105", "SPL104", "STA103")  # what sets of a few images and objects have anyway
RENAMED = "(renamed)"  # an image that the format calls by a name of its own


class Seed(NamedTuple):
    """A defect in a format.

    clean, broken: write the set without and with it into an empty folder, and say what is validated. place:
    where the finding is, as file:element, or as file:* where no test says more; None where several formats
    share the seed, which put it at places of their own: then image is the name (without folders and suffix)
    of its image, or RENAMED, or None for the whole set. options: of validating. aside: codes that are true of
    such a set besides.
    """

    code: str
    format: str
    name: str
    clean: Make
    broken: Make
    place: str | None = None
    image: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    aside: tuple[str, ...] = OF_FEW

    def __str__(self) -> str:
        return f"{self.code}-{self.format}-{self.name}".replace(" ", "-")

    def validated(self, path: Path, *, fixes: bool = False) -> Validation:
        """The set as every rule sees it, but for what is true of it besides."""
        ignored = [code for code in self.aside if code != self.code]
        given = dict(self.options)
        if "gt" in (own := given.get("options", {})):
            given["options"] = {**own, "gt": path.parent / own["gt"]}
        return validate(path, format=self.format, ignore=ignored, fixes=fixes, **given)


def place_of(finding: Finding) -> str:
    """Where a finding is, as file:element."""
    assert finding.at is not None
    return finding.at.file + (f":{finding.at.element}" if finding.at.element else "")


def after(clean: Make, spoil: Callable[[Path], object]) -> Make:
    """A clean set in which something is done; the root is what was written."""

    def make(tmp: Path) -> Path:
        path = clean(tmp)
        spoil(path)
        return path

    return make


# --- COCO --------------------------------------------------------------------------------------------------


def document(change: Callable[[dict[str, Any]], object] = lambda said: None) -> Make:
    """The clean document of instances, changed."""

    def make(tmp: Path) -> Path:
        said = copy.deepcopy(coco.clean())
        change(said)
        return coco.written(tmp, said)

    return make


CLEAN = document()
_ALIKE = {"names alike": "B.jpg", "names but for suffix": "b.png"}  # places that are images


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _of_coco() -> Iterator[Seed]:
    aside = (NO_IMAGES, *OF_FEW)
    for name, (change, code, element, _) in coco.SEEDS.items():
        file = "instances_val.json"
        place = _ALIKE.get(name) or (f"{file}:{element}" if element else file)
        yield Seed(code, "coco", name, CLEAN, document(change), place, aside=aside)
    for name, (spoil, code, _) in coco.TEXTS.items():
        broken = after(CLEAN, bytes_of(spoil))
        yield Seed(code, "coco", f"text, {name}", CLEAN, broken, "instances_val.json:*", aside=aside)
    for name, (number, said, words) in geometry.AREAS.items():
        if words is not None:
            place = f"instances_val.json:annotations[{number}]"
            change = partial(_updated, number=number, said=said)
            yield Seed("GEO112", "coco", f"area, {name}", CLEAN, document(change), place, aside=aside)


def _updated(document: dict[str, Any], *, number: int, said: dict[str, Any]) -> None:
    document["annotations"][number].update(said)


def _of_panoptic() -> Iterator[Seed]:
    def clean(tmp: Path) -> Path:
        return panoptic.panoptic_set(tmp / "coco")

    for name, (spoil, code, file, element, _) in panoptic.SEEDS.items():
        place = f"{file}:{element}" if element else file
        aside = (NO_IMAGES, *OF_FEW)
        yield Seed(code, "coco", f"panoptic, {name}", clean, after(clean, spoil), place, aside=aside)


# --- VOC ---------------------------------------------------------------------------------------------------


def voc_clean(tmp: Path) -> Path:
    return voc_set(tmp / "VOC2012")


def _of_voc() -> Iterator[Seed]:
    def seed(name: str, code: str, spoil: Callable[[Path], object], place: str, **options: Any) -> Seed:
        given = tuple(options.items())
        return Seed(code, "voc", name, voc_clean, after(voc_clean, spoil), place, options=given)

    for name, (old, nth, new, code, element, _, _) in voc.SEEDS.items():
        yield seed(name, code, voc.text(voc.XML_A, old, new, nth), f"{voc.XML_A}:{element}")
    for name, (old, new, code, element, _) in voc.RECORDS.items():
        limits = {"GEO114": {"limit": 20, "smallest": 1}}
        spoil = voc.text(voc.XML_C, old, new)
        yield seed(name, code, spoil, f"{voc.XML_C}:{element}", rule_options=limits)
    for name, (change, code, _, _) in voc.FILES.items():
        yield seed(f"file, {name}", code, partial(_rewritten, change=change), voc.XML_A)
    for name, (spoil, code, file) in voc.PHOTOS.items():
        yield seed(f"image, {name}", code, spoil, file)
    for name, (spoil, code, file, _, element, _) in voc.LISTS.items():
        yield seed(name, code, spoil, f"{file}:{element}" if element else file)
    for name, (spoil, code, file, _, _) in voc_maps.SEEDS.items():
        yield seed(f"PNG, {name}", code, spoil, file)


def _rewritten(root: Path, *, change: Callable[[bytes], bytes]) -> None:
    (root / voc.XML_A).write_bytes(change((root / voc.XML_A).read_bytes()))


# --- Cityscapes --------------------------------------------------------------------------------------------


def city_clean(tmp: Path) -> Path:
    return cityscapes.city_set(tmp / "cityscapes")


def _of_cityscapes() -> Iterator[Seed]:
    def seed(name: str, code: str, spoil: Callable[[Path], object], place: str) -> Seed:
        return Seed(code, "cityscapes", name, city_clean, after(city_clean, spoil), place)

    for name, (spoil, code, element, _) in cityscapes.SEEDS.items():
        yield seed(name, code, spoil, f"{cityscapes.JSON}:{element}" if element else cityscapes.JSON)
    for name, (spoil, code, kind, element, _) in cityscapes.PNG_SEEDS.items():
        file = cityscapes.place(Path(), cityscapes.B, kind).as_posix()
        yield seed(f"PNG, {name}", code, spoil, f"{file}:{element}" if element else file)
    for name, (spoil, code, file, _) in cityscapes.FILE_SEEDS.items():
        yield seed(f"file, {name}", code, spoil, file or "cityscapes")


# --- jsonl -------------------------------------------------------------------------------------------------


def lines(change: Callable[[list[dict[str, Any]]], object] = lambda said: None) -> Make:
    """The clean file of records with its images, changed."""

    def make(tmp: Path) -> Path:
        said = jsonl.clean()
        change(said)
        return jsonl.written(tmp / "records", said)

    return make


LINES = lines()


def _replaced(root: Path, *, old: bytes, new: bytes) -> None:
    file = root / "records.jsonl"
    file.write_bytes(file.read_bytes().replace(old, new))


def _of_jsonl() -> Iterator[Seed]:
    for name, (change, code, _, element, _) in jsonl.SEEDS.items():
        place = f"records.jsonl:{element}" if element else "records.jsonl"
        yield Seed(code, "jsonl", name, LINES, lines(change), place)
    for name, (old, new, code, _) in jsonl.TEXTS.items():
        broken = after(LINES, partial(_replaced, old=old, new=new))
        yield Seed(code, "jsonl", f"text, {name}", LINES, broken, "records.jsonl:*")


# --- CVAT --------------------------------------------------------------------------------------------------


def cvat_clean(tmp: Path) -> Path:
    return cvat.written(tmp / "cvat")


def _of_cvat() -> Iterator[Seed]:
    for name, (old, new, code, _, element, _) in cvat.SEEDS.items():
        broken = after(cvat_clean, partial(_replaced_once, old=old.encode(), new=new.encode()))
        yield Seed(
            code, "cvat", name, cvat_clean, broken, f"{cvat.FILE}:{element}", aside=(*OF_FEW, "REF107")
        )
    again = cvat.LAST.replace('id="1"', 'id="2"').replace("b.jpg", "B.jpg")
    more = after(
        cvat_clean, partial(_replaced_once, old=b"</annotations>", new=again.encode() + b"</annotations>")
    )
    alike = after(more, lambda root: cvat.photo(root / "images/B.jpg", 5))
    yield Seed("REF110", "cvat", "another case", cvat_clean, alike, "B.jpg")
    for name, (before, after_, code, _, _) in cvat.TEXTS.items():
        broken = after(cvat_clean, partial(_replaced_once, old=before, new=after_))
        yield Seed(code, "cvat", f"text, {name}", cvat_clean, broken, f"{cvat.FILE}:*")


def _replaced_once(root: Path, *, old: bytes, new: bytes) -> None:
    file = root / cvat.FILE
    file.write_bytes(file.read_bytes().replace(old, new, 1))


# --- records that each format's writer writes --------------------------------------------------------------


def records(
    name: str, change: Callable[[Any], Any], start: Callable[[], Any] = geometry.clean_records
) -> Make:
    """Records, changed, as a format has them."""

    def make(tmp: Path) -> Path:
        header, fitted = fit_all(name, change(start()))
        return write(name, tmp / name, header, [each.record for each in fitted])

    return make


def _of_records() -> Iterator[Seed]:
    aside = (NO_IMAGES, "CAT107", *OF_FEW)
    clean = {each: records(each, lambda items: items) for each in FORMATS}
    even = {each: records(each, lambda items: items, geometry.spread) for each in FORMATS}
    for name, (change, code, (path, _), _, names) in geometry.SEEDS.items():
        for each in names:
            options = (("options", {"base": "1"}),) if each == "voc" else ()
            image = Path(path).stem if each != "cityscapes" else RENAMED
            broken = records(each, change)
            yield Seed(code, each, f"record, {name}", clean[each], broken, None, image, options, aside)
    for name, (change, code, _, names) in geometry.SETS.items():
        for each in names:
            options = (("options", {"base": "1"}),) if each == "voc" else ()
            broken = records(each, geometry.every(change), geometry.spread)
            yield Seed(code, each, f"set, {name}", even[each], broken, None, None, options, aside)


def pictured(name: str) -> Make:
    """Two splits of two images with pictures, in a format."""
    return lambda tmp: survey.made(tmp, name, survey.clean())


def _of_surveys() -> Iterator[Seed]:
    pictures = {each: pictured(each) for each in FORMATS}
    for name, (change, code, position, _) in survey.IMAGE_SEEDS.items():
        for each, clean in pictures.items():
            broken = after(clean, lambda root, change=change: change(survey.files(root)))  # type: ignore[misc]
            image = Path(survey.NAMES[position]).stem if each != "cityscapes" else RENAMED
            yield Seed(code, each, f"picture, {name}", clean, broken, None, image)
    for each, clean in pictures.items():
        spoil = survey.relisted if each in ("voc", "jsonl", "cvat") else survey.moved
        image = "b" if each != "cityscapes" else RENAMED
        yield Seed("SPL105", each, "in another folder", clean, after(clean, spoil), None, image)
    for name, (change, element, _) in survey.CATEGORY_SEEDS.items():
        if name in ("another id", "one less"):
            continue  # in which the annotations are of no class; seeds_of_formats has them with these mended
        broken = partial(survey.documents, change=change)
        place = f"annotations/instances_val.json:{element}"
        aside = (*OF_FEW, "CAT107")
        yield Seed("CAT106", "coco", f"categories, {name}", pictures["coco"], broken, place, aside=aside)


def known() -> list[Seed]:
    """The defects of the tables beside the tests."""
    tables = (_of_coco, _of_panoptic, _of_voc, _of_cityscapes, _of_jsonl, _of_cvat, _of_records, _of_surveys)
    return [seed for table in tables for seed in table()]
