"""Parquet shards: exact, cut the same however they come, hostile ones refused, and read by everybody else."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import HEADER, layers_of
from PIL import Image as Picture
from test_laws import files, write

from labelkit.errors import BadRecordsError, FormatError, RecordError, UsageError
from labelkit.formats.parquet import create
from labelkit.formats.parquet.arrow import Columns
from labelkit.model import BoundingBox, Box, Image, Instance, Mask, Png, Record, SemanticMap
from labelkit.pipeline import convert, open_dataset
from labelkit.pixels import map_pixels
from labelkit.validation import validate

SAMPLES = Path(__file__).parents[1] / "sample_data"
POLYGONS = "[[1, 2.50, 3e0,4,5,6]]"  # numbers as no program of ours writes them


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The sample of COCO as shards, its images beside them."""
    convert(SAMPLES / "coco", tmp_path / "store", to="parquet")
    return tmp_path / "store"


def box(number: float = 1) -> BoundingBox:
    return BoundingBox(category="car", box=Box(number, 2, 3, 4.5))


def record(path: str, *objects: Any, **fields: Any) -> Record:
    return Record(image=Image(path=path, width=8, height=6), objects=objects, **fields)


def manifest_of(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "shards.jsonl").read_text("utf-8").splitlines()]


def change(root: Path, line: int, **values: Any) -> None:
    """Change a line of the manifest."""
    lines = manifest_of(root)
    lines[line] |= values
    (root / "shards.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))


def rewrite(root: Path, table: pa.Table) -> None:
    pq.write_table(table, root / "data/00000.parquet")


def problems(root: Path) -> list[str]:
    with pytest.raises(BadRecordsError) as caught:
        convert(root, root.parent / "out", to="jsonl")
    assert not (root.parent / "out").exists()
    return [str(error) for error in caught.value.errors]


# --- exact -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "voc", "cityscapes", "labelstudio", "cvat", "jsonl"])
def test_a_sample_comes_back_as_if_it_had_never_been_in_shards(name: str, tmp_path: Path) -> None:
    convert(SAMPLES / name, tmp_path / "straight", to=name, from_=name, carrier=False)
    convert(SAMPLES / name, tmp_path / "store", to="parquet", from_=name, carrier=False)
    convert(tmp_path / "store", tmp_path / "back", to=name, carrier=False)
    before, after = files(tmp_path / "straight"), files(tmp_path / "back")
    assert list(after) == list(before)
    for path in before:
        if path.endswith(".png"):  # made again, of the same pixels
            with (
                Picture.open(tmp_path / "straight" / path) as old,
                Picture.open(tmp_path / "back" / path) as new,
            ):
                assert np.array_equal(np.asarray(old), np.asarray(new)), path
        elif name != "jsonl" or not path.endswith(".jsonl"):
            assert after[path] == before[path], path


@pytest.mark.parametrize(
    "text",
    [POLYGONS, '{"size": [6,8], "counts": [48]}', '{"counts":"]1","size":[6,8]}', "[[1,2],", '{"x": 1}'],
)
def test_the_text_of_a_mask_is_kept_to_the_digit_also_where_it_is_none(text: str, tmp_path: Path) -> None:
    item = Instance(category="car", mask=Mask(text.encode()))
    root = write("parquet", tmp_path / "a", HEADER, [record("a.jpg", item, box())])
    (back,) = open_dataset(root)
    assert isinstance(back.objects[0], Instance)
    assert back.objects[0].mask.text == text.encode()
    assert back.objects[1] == box()


def test_a_map_is_a_png_that_anybody_can_read_and_its_layers_return(tmp_path: Path) -> None:
    pixels = np.zeros((6, 8), np.int32)
    pixels[1:3, 2:5] = 7
    pixels[4, :] = 70_000
    item = SemanticMap(source=layers_of(pixels), classes={7: "sky", 70_000: "car"}, ignore=3)
    root = write("parquet", tmp_path / "a", HEADER, [record("a.jpg", maps={"semantic": item})])
    (row,) = pq.read_table(root / "data").column("maps").to_pylist()
    colours = np.asarray(Picture.open(io.BytesIO(row[0]["source"]["png"]))).astype(np.int32)
    assert np.array_equal(colours @ [1, 256, 65536], pixels)
    (back,) = open_dataset(root)
    assert back.maps["semantic"] == item


def test_the_file_of_a_map_is_kept_byte_for_byte(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
    Picture.fromarray(pixels).save(tmp_path / "map.png", compress_level=1)
    item = SemanticMap(source=Png(path=str(tmp_path / "map.png")), classes={1: "sky", 2: "car"})
    root = write("parquet", tmp_path / "a", HEADER, [record("a.jpg", maps={"semantic": item})])
    (row,) = pq.read_table(root / "data").column("maps").to_pylist()
    assert row[0]["source"]["png"] == (tmp_path / "map.png").read_bytes()
    (back,) = open_dataset(root)
    assert np.array_equal(map_pixels(back.maps["semantic"]), pixels)


def test_a_field_of_an_unknown_type_has_no_column() -> None:
    with pytest.raises(TypeError, match="no column for"):
        Columns({}, {}).of(complex)


# --- shards ------------------------------------------------------------------------------------------------


def many(count: int) -> list[Record]:
    masks = [Mask(json.dumps([[k + j / 7 for j in range(400)]]).encode()) for k in range(count)]
    return [record(f"{k}.jpg", Instance(category="car", mask=each), box(k)) for k, each in enumerate(masks)]


def test_shards_are_cut_by_what_the_rows_hold_however_they_come(tmp_path: Path) -> None:
    items = many(1200)
    for name, sizes in (("a", [1200]), ("b", [1, 700, 499])):
        root = tmp_path / name
        root.mkdir()
        writer = create(root, HEADER, shard_mb=1)
        start = 0
        for part, size in enumerate(sizes):
            writer.write(part, items[start : start + size])
            start += size
        writer.finish()
    assert files(tmp_path / "a") == files(tmp_path / "b")
    head, *shards = manifest_of(tmp_path / "a")
    assert [each["groups"] for each in shards] == [[1000], [200]]
    assert (head["records"], head["objects"]) == (1200, 2400)
    for shard in shards:
        data = (tmp_path / "a" / shard["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
        found = pq.ParquetFile(tmp_path / "a" / shard["file"]).metadata
        assert [found.row_group(k).num_rows for k in range(found.num_row_groups)] == shard["groups"]
    assert list(open_dataset(tmp_path / "a")) == items


def test_two_processes_give_the_same_bytes_as_one(store: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        options = {"parquet": {"images": "embed"}}
        convert(store, tmp_path / str(jobs), to="parquet", jobs=jobs, options=options)
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_no_shard_is_of_no_bytes(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        convert(store, tmp_path / "x", to="parquet", options={"parquet": {"shard_mb": 0}})


# --- images ------------------------------------------------------------------------------------------------


def test_embedded_images_leave_no_folder_and_come_out_byte_for_byte(tmp_path: Path) -> None:
    convert(SAMPLES / "coco", tmp_path / "store", to="parquet", options={"parquet": {"images": "embed"}})
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["data", "shards.jsonl"]
    convert(SAMPLES / "coco", tmp_path / "straight", to="jsonl")
    convert(tmp_path / "store", tmp_path / "back", to="jsonl")
    before = {path: data for path, data in files(tmp_path / "straight").items() if path.startswith("images/")}
    assert before
    assert {path: files(tmp_path / "back")[path] for path in before} == before
    dataset = open_dataset(tmp_path / "store")
    for item in reversed(list(dataset)):  # not in the order of the rows
        file = dataset.image_file(item)
        assert file is not None
        assert file.read_bytes() == before[f"images/{item.image.path}"]
    folder = file.parent
    del dataset
    gc.collect()
    assert not folder.exists()


def test_no_link_is_made_to_an_image_inside_a_shard(tmp_path: Path) -> None:
    convert(SAMPLES / "coco", tmp_path / "store", to="parquet", options={"parquet": {"images": "embed"}})
    with pytest.raises(BadRecordsError) as caught:
        convert(tmp_path / "store", tmp_path / "back", to="voc", images="symlink")
    assert "inside another file" in str(caught.value.errors[0])
    assert not (tmp_path / "back").exists()


# --- hostile and broken ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../data/00000.parquet", "/etc/passwd", "data\\x"])
def test_a_shard_stays_below_its_folder(name: str, store: Path) -> None:
    change(store, 1, file=name)
    with pytest.raises(FormatError, match=r"leaves its folder|backslash"):
        open_dataset(store, format="parquet")


def test_a_manifest_that_is_none_says_at_which_line(store: Path) -> None:
    lines = (store / "shards.jsonl").read_text("utf-8").splitlines()
    for number, text, says in (
        (0, "", r"shards\.jsonl:1: no list of shards"),
        (0, lines[0].replace('"labelkit_parquet":1', '"labelkit_parquet":2'), "version 2"),
        (0, lines[0].replace('"records":7', '"records":8'), "shards of 7 records"),
        (1, lines[1].replace('"groups":[7]', '"groups":[6]'), "in groups of 6"),
        (1, lines[1][:-2], r"shards\.jsonl:2: no list of shards"),
    ):
        assert lines[number] != text
        broken = [text if k == number else line for k, line in enumerate(lines)]
        (store / "shards.jsonl").write_text("\n".join(broken), "utf-8")
        with pytest.raises(FormatError, match=says):
            open_dataset(store, format="parquet")


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(store: Path, tmp_path: Path) -> None:
    file = store / "data/00000.parquet"
    shutil.move(file, tmp_path / "elsewhere.parquet")
    file.symlink_to(tmp_path / "elsewhere.parquet")
    assert "link that leaves its folder" in problems(store)[0]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_shard_that_is_none_is_told(data: bytes, store: Path) -> None:
    (store / "data/00000.parquet").write_bytes(data)
    (problem,) = problems(store)
    assert "00000.parquet, row group 0: no rows that can be read" in problem


def test_a_shard_that_is_missing_is_told(store: Path) -> None:
    (store / "data/00000.parquet").unlink()
    assert "which is not there" in problems(store)[0]


def test_rows_that_are_missing_are_told(store: Path) -> None:
    table = pq.read_table(store / "data/00000.parquet")
    rewrite(store, table.slice(1))
    assert "rows, and" in problems(store)[0]


def test_a_column_that_is_missing_is_told(store: Path) -> None:
    rewrite(store, pq.read_table(store / "data/00000.parquet").drop_columns(["objects"]))
    assert "objects" in problems(store)[0]


def test_lists_of_one_row_that_differ_in_length_are_told(store: Path) -> None:
    table = pq.read_table(store / "data/00000.parquet")
    objects = table.column("objects").combine_chunks()
    place = objects.type.get_field_index("crowd")
    fields = [objects.field(k) for k in range(objects.type.num_fields)]
    fields[place] = pa.array([[]] * len(table), fields[place].type)
    spoilt = pa.StructArray.from_arrays(fields, fields=list(objects.type))
    rewrite(store, table.set_column(table.schema.get_field_index("objects"), "objects", spoilt))
    assert "different lengths" in problems(store)[0]


def test_a_row_that_is_no_record_is_told_by_its_place_and_the_others_are_read(tmp_path: Path) -> None:
    root = write("parquet", tmp_path / "a", HEADER, [record("a.jpg", box()), record("b.jpg", box())])
    table = pq.read_table(root / "data/00000.parquet")
    width = pa.array([0, 8], pa.int64())
    rewrite(root, table.set_column(table.schema.get_field_index("width"), "width", width))
    items = list(open_dataset(root).items(open_dataset(root).reader.parts()[0]))
    assert isinstance(items[0], RecordError)
    assert "row group 0, row 1" in str(items[0])
    assert "image.width" in str(items[0])
    assert items[1] == record("b.jpg", box())


def test_validate_tells_a_shard_that_was_changed(store: Path) -> None:
    before = {finding.code for finding in validate(store).findings}
    rewrite(store, pq.read_table(store / "data/00000.parquet"))
    told = [each for each in validate(store).findings if "SHA-256" in each.message]
    assert len(told) == 1
    assert told[0].code not in before


def test_a_store_that_another_program_wrote_again_is_read_all_the_same(store: Path) -> None:
    import polars

    before = list(open_dataset(store))
    rows = polars.read_parquet(store / "data/00000.parquet")
    rows.write_parquet(store / "data/00000.parquet")
    assert list(open_dataset(store)) == before


def test_without_pyarrow_one_is_told_what_to_install(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"labelkit-vision\[parquet\]"):
        open_dataset(store)
    with pytest.raises(UsageError, match=r"labelkit-vision\[parquet\]"):
        convert(SAMPLES / "coco", tmp_path / "x", to="parquet")


def test_pyarrow_is_not_imported_before_someone_needs_it() -> None:
    code = "import sys, labelkit.formats as f; f.formats(); print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- read without labelkit ---------------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path) -> tuple[Path, list[Record]]:
    convert(SAMPLES / "coco", tmp_path / "store", to="parquet", options={"parquet": {"images": "embed"}})
    return tmp_path / "store", list(open_dataset(tmp_path / "store"))


def stated(items: list[Record]) -> list[list[list[float] | None]]:
    """The boxes of every image, x, y, w, h."""
    return [[None if each.box is None else list(each.box) for each in item.objects] for item in items]


def test_pyarrow_reads_them(shown: tuple[Path, list[Record]]) -> None:
    root, items = shown
    rows = pq.read_table(root / "data").to_pylist()
    assert [row["image"]["path"] for row in rows] == [item.image.path for item in items]
    assert [row["objects"]["bbox"] for row in rows] == stated(items)
    assert [row["objects"]["category"] for row in rows] == [[o.category for o in r.objects] for r in items]
    assert [row["objects"]["crowd"] for row in rows] == [[o.crowd for o in r.objects] for r in items]


def test_polars_reads_them(shown: tuple[Path, list[Record]]) -> None:
    import polars

    root, items = shown
    found = polars.read_parquet(root / "data/*.parquet")
    assert found["objects"].struct.field("bbox").to_list() == stated(items)


def test_duckdb_reads_them_with_the_query_of_the_readme(shown: tuple[Path, list[Record]]) -> None:
    import duckdb

    root, items = shown
    readme = (SAMPLES.parent / "README.md").read_text("utf-8")
    query = readme.split("```sql\n")[1].split("```")[0]
    found = duckdb.sql(query.replace("shards/data", str(root / "data"))).fetchall()
    names = [each.category for item in items for each in item.objects]
    assert sorted(found) == sorted((name, names.count(name)) for name in set(names))


def test_hugging_face_datasets_reads_them(shown: tuple[Path, list[Record]], tmp_path: Path) -> None:
    root, items = shown
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        import datasets

        pieces = str(root / "data/*.parquet")
        found = datasets.load_dataset(
            "parquet", data_files=pieces, cache_dir=str(tmp_path / "c"), split="train"
        )
        rows = list(found)
        pictures = list(found.cast_column("image", datasets.Image()).select_columns("image"))
    assert [row["objects"]["bbox"] for row in rows] == stated(items)
    assert [row["objects"]["category"] for row in rows] == [[o.category for o in r.objects] for r in items]
    sizes = [(item.image.width, item.image.height) for item in items]
    assert [row["image"].size for row in pictures] == sizes
