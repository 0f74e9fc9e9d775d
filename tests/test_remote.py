"""Data sets on shared storage: S3 as moto serves it on loopback, and fsspec's memory for what is quick."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from seeded import checkpoint, class_file, photos

import labelkit.prelabelling
from labelkit.cli import main
from labelkit.errors import FormatError
from labelkit.journal import LOG
from labelkit.pipeline import convert
from labelkit.pixels import image_size
from labelkit.storage import at_hand

SAMPLE = Path(__file__).parents[1] / "sample_data"
BUCKET = "labels"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """s3fs before a server of moto on loopback, with a bucket; commands find it by the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    told = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "a-key-of-tests",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = dict(os.environ)
    os.environ.update(told)
    try:
        fsspec.filesystem("s3").clear_instance_cache()
        fs = fsspec.filesystem("s3")
        fs.mkdir(f"s3://{BUCKET}")
        for name in ("coco", "voc", "cityscapes"):
            _upload(fs, SAMPLE / name, f"s3://{BUCKET}/sets/{name}")
        yield fs
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def _upload(fs: Any, folder: Path, url: str) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            fs.pipe_file(f"{url}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def _objects(fs: Any, url: str) -> dict[str, bytes]:
    fs.invalidate_cache()
    root = url.partition("://")[2]
    return {
        name.lstrip("/").removeprefix(f"{root}/"): fs.cat_file(
            f"{url.partition('://')[0]}://{name.lstrip('/')}"
        )
        for name in fs.find(url)
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in arguments])
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    assert "labelkit-" not in (out + err).replace("labelkit-upload", "").replace("labelkit-run", "")
    return ended.value.code, out, err


def renamed(text: str, *pairs: tuple[object, str]) -> str:
    for old, new in pairs:
        text = text.replace(str(old), new)
    return text


# --- S3 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "to"), [("coco", "voc"), ("voc", "coco"), ("cityscapes", "jsonl")])
def test_a_set_on_s3_converts_as_a_local_one(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, to: str
) -> None:
    url = f"s3://{BUCKET}/sets/{name}"
    near = run(capsys, "convert", SAMPLE / name, tmp_path / "near", "--to", to)
    far = run(capsys, "convert", url, tmp_path / "far", "--to", to)
    assert far[0] == near[0] == 0, far[2]
    pairs = (tmp_path / "near", "DST"), (tmp_path / "far", "DST"), (SAMPLE / name, url)
    assert renamed(far[1], *pairs) == renamed(near[1], *pairs)
    assert _files(tmp_path / "far") == _files(tmp_path / "near")


def test_a_set_is_written_to_s3_and_from_there_to_s3(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(SAMPLE / "voc", tmp_path / "coco", to="coco")
    convert(tmp_path / "coco", tmp_path / "back", to="voc")
    there, back = f"s3://{BUCKET}/made/coco", f"s3://{BUCKET}/made/back"
    code, out, err = run(capsys, "convert", SAMPLE / "voc", there, "--to", "coco", "--jobs", "2")
    assert (code, err) == (0, "")
    assert f"-> {there} (coco)" in out
    assert run(capsys, "convert", there, back, "--to", "voc")[0] == 0
    assert _objects(s3, there) == _files(tmp_path / "coco")
    assert _objects(s3, back) == _files(tmp_path / "back")
    left = [name for name in s3.find(f"s3://{BUCKET}/made") if "labelkit-upload" in name]
    assert left == []


def test_what_exists_is_refused_and_overwritten_when_asked(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"s3://{BUCKET}/again/set"
    assert run(capsys, "convert", SAMPLE / "coco", url, "--to", "voc")[0] == 0
    before = _objects(s3, url)
    code, _, err = run(capsys, "convert", SAMPLE / "coco", url, "--to", "jsonl")
    assert (code, err) == (
        2,
        f"labelkit: error: {url}: exists already; choose a new name, or say --overwrite\n",
    )
    assert _objects(s3, url) == before
    convert(SAMPLE / "coco", tmp_path / "near", to="jsonl")
    assert run(capsys, "convert", SAMPLE / "coco", url, "--to", "jsonl", "--overwrite")[0] == 0
    assert _objects(s3, url) == _files(tmp_path / "near")  # and no file of the old set
    s3.pipe_file(f"s3://{BUCKET}/other/notes.txt", b"mine")
    code, _, err = run(
        capsys, "convert", SAMPLE / "coco", f"s3://{BUCKET}/other", "--to", "voc", "--overwrite"
    )
    assert code == 2
    assert "is a folder of other things" in err
    assert _objects(s3, f"s3://{BUCKET}/other") == {"notes.txt": b"mine"}


def test_validate_finds_the_same_on_s3(s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "coco"
    convert(SAMPLE / "voc", folder, to="coco", carrier=False)
    file = next((folder / "annotations").glob("instances*.json"))
    said = json.loads(file.read_text("utf-8"))
    said["annotations"][0]["bbox"][2] = -4
    said["annotations"][1]["category_id"] = 999
    file.write_text(json.dumps(said), "utf-8")
    next(iter((folder / "images").rglob("*.jpg"))).write_bytes(b"no image")
    url = f"s3://{BUCKET}/broken/coco"
    _upload(s3, folder, url)
    for output in ("text", "full", "json", "sarif", "github", "junit"):
        near = run(capsys, "validate", folder, "--output-format", output)
        far = run(capsys, "validate", url, "--output-format", output)
        assert far[0] == near[0] == 1
        assert far[1].count(url) == near[1].count(str(folder))
        assert renamed(far[1], (url, "SRC")) == renamed(near[1], (folder, "SRC"))


def test_a_bucket_that_is_not_there_and_a_set_that_is_not(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in ("s3://nobody/set", f"s3://{BUCKET}/none"):
        said = run(capsys, "convert", url, tmp_path / "out", "--to", "voc")
        assert said == (2, "", f"labelkit: error: {url}: does not exist; expected a data set\n")
    code, _, err = run(capsys, "convert", SAMPLE / "coco", "s3://nobody/set", "--to", "voc")
    assert code == 2
    assert err.startswith("labelkit: error: s3://nobody/set")
    assert "no such bucket" in err
    assert not s3.exists("s3://nobody")


def test_without_credentials_nothing_is_told_of_them(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code = "from labelkit.cli import main; main()"
    url = f"s3://{BUCKET}/sets/coco"
    command = [sys.executable, "-c", code, "stats", url]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert done.returncode == 2
    assert done.stderr == f"labelkit: error: {url}: cannot be listed (no credentials)\n"


def test_a_storage_that_permits_nothing_is_an_error(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: Any, **options: Any) -> Any:
        raise PermissionError("a-secret-of-tests")

    monkeypatch.setattr(s3, "find", refused)
    code, _, err = run(capsys, "stats", f"s3://{BUCKET}/sets/coco")
    assert code == 2
    assert err == f"labelkit: error: s3://{BUCKET}/sets/coco: cannot be listed (permission denied)\n"


@pytest.mark.parametrize("error", [OSError("the line broke"), KeyboardInterrupt()])
def test_an_upload_that_breaks_leaves_nothing(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = s3.put_file
    sent: list[str] = []

    def breaking(local: str, key: str) -> Any:
        sent.append(key)
        if len(sent) == 9:
            raise error
        return before(local, key)

    monkeypatch.setattr(s3, "put_file", breaking)
    code, out, err = run(capsys, "convert", SAMPLE / "coco", f"s3://{BUCKET}/half/set", "--to", "voc")
    assert out == ""
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert "nothing was" in err
    assert len(sent) >= 9
    s3.invalidate_cache()
    assert s3.find(f"s3://{BUCKET}/half") == []


# --- memory ------------------------------------------------------------------------------------------------


def test_images_that_nobody_opens_are_not_fetched(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    before = type(memory).get_file

    def noting(self: Any, key: str, local: str, **options: Any) -> Any:
        fetched.append(key)
        return before(self, key, local, **options)

    monkeypatch.setattr(type(memory), "get_file", noting)
    _upload(memory, SAMPLE / "coco", "memory://a/coco")
    told = ("--to", "voc", "--images", "none")
    near = run(capsys, "convert", SAMPLE / "coco", tmp_path / "near", *told)
    far = run(capsys, "convert", "memory://a/coco", tmp_path / "far", *told)
    pairs = (tmp_path / "near", "DST"), (tmp_path / "far", "DST"), (SAMPLE / "coco", "memory://a/coco")
    assert far[0] == near[0] == 0
    assert renamed(far[1], *pairs) == renamed(near[1], *pairs)
    assert _files(tmp_path / "far") == _files(tmp_path / "near")
    assert any(key.endswith(".json") for key in fetched)
    assert [key for key in fetched if "/images/" in key] == []
    run(capsys, "convert", "memory://a/coco", tmp_path / "whole", *told[:2])
    assert [key for key in fetched if "/images/" in key]


def test_images_of_another_place_and_a_single_file(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(SAMPLE / "coco", tmp_path / "in" / "set.jsonl", to="jsonl")
    memory.pipe_file("memory://b/set.jsonl", (tmp_path / "in" / "set.jsonl").read_bytes())
    _upload(memory, tmp_path / "in" / "images", "memory://photos/all")
    given = ("--to", "jsonl", "--images-dir", "memory://photos/all")
    code, _, err = run(capsys, "convert", "memory://b/set.jsonl", "memory://c/set.jsonl", *given)
    assert (code, err) == (0, "")
    assert _objects(memory, "memory://c") == _files(tmp_path / "in")


def test_show_fetches_the_images_that_it_draws(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _upload(memory, SAMPLE / "coco", "memory://a/coco")
    near = run(capsys, "show", SAMPLE / "coco", "-o", tmp_path / "near", "--limit", "2", "--jobs", "1")
    far = run(capsys, "show", "memory://a/coco", "-o", tmp_path / "far", "--limit", "2", "--jobs", "1")
    assert near[0] == far[0] == 0
    assert _files(tmp_path / "far") == _files(tmp_path / "near")


def test_stats_are_the_same(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _upload(memory, SAMPLE / "voc", "memory://a/voc")
    near = run(capsys, "stats", SAMPLE / "voc", "--output-format", "json")
    far = run(capsys, "stats", "memory://a/voc", "--output-format", "json")
    assert json.loads(far[1]) == {**json.loads(near[1]), "source": "memory://a/voc"}


def test_a_key_that_leaves_its_folder_is_refused(memory: Any, tmp_path: Path) -> None:
    for key in ("/a/set/../../x.json", "/a/set//x.json", "/a/set/b\\c.json"):
        memory.store.clear()
        memory.pipe_file("/a/set/good.json", b"{}")
        memory.store[key] = memory.store["/a/set/good.json"]
        with pytest.raises(FormatError, match="leaves its folder"), at_hand("memory://a/set"):
            pass


def test_an_object_that_is_a_folder_too_is_an_error(memory: Any) -> None:
    memory.store.clear()
    for key in ("/a/set/x.json", "/a/set/y"):
        memory.pipe_file(key, b"{}")
    memory.store["/a/set/x.json/y.json"] = memory.store["/a/set/y"]
    with pytest.raises(FormatError, match="cannot be kept"), at_hand("memory://a/set"):
        pass


def test_a_local_image_is_never_fetched_whatever_its_folder_says(memory: Any, tmp_path: Path) -> None:
    picture = next((SAMPLE / "coco" / "images").rglob("*.jpg")).read_bytes()
    memory.pipe_file("memory://a/x.jpg", picture)
    file = tmp_path / "memory" / "a" / "x.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(len(picture)))
    (tmp_path / ".labelkit-scratch").write_text(str(os.getpid()), "ascii")
    with pytest.raises(ValueError, match="no readable image"):
        image_size(file)
    assert file.read_bytes() == bytes(len(picture))


def test_a_size_that_only_the_image_says_is_read_from_it(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "VOC2012"
    convert(SAMPLE / "voc", folder, to="voc", carrier=False)
    for file in folder.rglob("*.xml"):
        text = file.read_text("utf-8")
        file.write_text(re.sub("<size>.*?</size>", "", text, flags=re.DOTALL), "utf-8")
    _upload(memory, folder, "memory://a/VOC2012")
    given = ("--to", "jsonl", "--images", "none", "--no-carrier")
    near = run(capsys, "convert", folder, tmp_path / "near", *given)
    far = run(capsys, "convert", "memory://a/VOC2012", tmp_path / "far", *given)
    assert (near[0], far[0]) == (0, 0), far[2]
    assert b'"width"' in (tmp_path / "far" / "records.jsonl").read_bytes()
    assert _files(tmp_path / "far") == _files(tmp_path / "near")


def test_a_set_that_is_being_written_is_not_read(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _upload(memory, SAMPLE / "coco", "memory://a/coco")
    memory.pipe_file("memory://a/coco.labelkit-upload", b"")
    code, _, err = run(capsys, "stats", "memory://a/coco")
    assert code == 2
    assert "memory://a/coco: is being written, or was left before it was whole" in err


def test_an_overwriting_that_breaks_says_so_and_leaves_its_mark(
    memory: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "memory://a/out"
    assert run(capsys, "convert", SAMPLE / "coco", url, "--to", "voc")[0] == 0
    before = type(memory).put_file
    sent: list[str] = []

    def breaking(self: Any, local: str, key: str, *rest: Any, **options: Any) -> Any:
        sent.append(key)
        if len(sent) == 9:
            raise OSError("the line broke")
        return before(self, local, key, *rest, **options)

    with monkeypatch.context() as broken:
        broken.setattr(type(memory), "put_file", breaking)
        code, _, err = run(capsys, "convert", SAMPLE / "coco", url, "--to", "voc", "--overwrite")
    assert code == 2
    assert "of its objects were replaced; --overwrite writes it again" in err
    assert run(capsys, "stats", url)[0] == 2
    assert run(capsys, "convert", SAMPLE / "coco", url, "--to", "voc", "--overwrite")[0] == 0
    assert run(capsys, "stats", url)[0] == 0


def test_links_fixes_and_passwords_are_refused(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _upload(memory, SAMPLE / "coco", "memory://a/coco")
    code, _, err = run(
        capsys, "convert", "memory://a/coco", "memory://b/x", "--to", "voc", "--images", "symlink"
    )
    assert (code, "no link leads to another storage" in err) == (2, True)
    code, _, err = run(capsys, "validate", "memory://a/coco", "--fix")
    assert (code, "nothing is changed in place" in err) == (2, True)
    code, _, err = run(capsys, "stats", "ftp://me:secret@host/set")
    assert (code, "secret" in err, "credentials" in err) == (2, False, True)
    code, _, err = run(capsys, "convert", "memory://a/coco", "memory://a/coco/in", "--to", "voc")
    assert (code, "is the source, lies in it, or contains it" in err) == (2, True)
    code, _, err = run(capsys, "stats", "nosuch://a/b")
    assert (code, "no such protocol 'nosuch'" in err) == (2, True)


def test_a_run_that_broke_goes_on_from_shared_storage(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path, "resnet18", 2)
    class_file(tmp_path, ["dog", "cat"])
    photos(tmp_path / "photos", 3)
    _upload(memory, tmp_path / "photos", "memory://a/photos")
    model = ["--task", "classification", "--model", "resnet18", "--device", "cpu", "--batch-size", "2"]
    model += ["--weights", str(tmp_path / "resnet18-2-0.pth"), "--classes", str(tmp_path / "classes.txt")]
    model += ["--transform", "resize_size=48", "--transform", "crop_size=48", "--output-format", "json"]

    def stopped(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(labelkit.prelabelling, "write_dataset", stopped)
        assert run(capsys, "prelabel", "memory://a/photos", "memory://b/labels", *model)[0] == 130
    assert not memory.exists("memory://b/labels")
    assert not memory.exists("memory://b/labels.labelkit-upload")
    assert run(capsys, "prelabel", "memory://a/photos", "memory://b/labels", *model)[0] == 2
    code, far, err = run(capsys, "prelabel", "memory://a/photos", "memory://b/labels", *model, "--resume")
    assert (code, err) == (0, "")
    assert json.loads(far)["predicted_now"] == 0
    assert json.loads(far)["folder"] == "memory://b/labels.labelkit-run"
    run(capsys, "prelabel", tmp_path / "photos", tmp_path / "near" / "labels", *model)
    near = _files(tmp_path / "near")
    made = _objects(memory, "memory://b")
    assert {name: data for name, data in made.items() if not name.endswith(LOG)} == {
        name: data for name, data in near.items() if not name.endswith(LOG)
    }


# --- local -------------------------------------------------------------------------------------------------


def test_a_file_url_is_the_plain_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = run(capsys, "convert", SAMPLE / "coco", tmp_path / "near", "--to", "voc")
    far = run(capsys, "convert", f"file://{SAMPLE / 'coco'}", f"file://{tmp_path / 'far'}", "--to", "voc")
    assert far == (near[0], renamed(near[1], (tmp_path / "near", str(tmp_path / "far"))), near[2])
    assert _files(tmp_path / "far") == _files(tmp_path / "near")


def test_local_paths_import_no_fsspec_and_without_it_a_url_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; from labelkit.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'fsspec', 's3fs'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "convert", SAMPLE / "coco", tmp_path / "out", "--to", "voc"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    code = "import sys; sys.modules['fsspec'] = None; from labelkit.cli import main; main()"
    command = [sys.executable, "-c", code, "stats", "s3://bucket/set"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "fsspec is not installed; pip install 'labelkit-vision[remote]'" in done.stderr
