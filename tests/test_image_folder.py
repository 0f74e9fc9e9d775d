"""Images without labels as a source: folders, globs, single files, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from labelkit.errors import RecordError, UsageError
from labelkit.image_folder import is_images, open_images

SAMPLES = Path(__file__).parents[1] / "sample_data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.png", "sub dir/c.webp", "sub dir/.hidden.png", ".trash/d.png", "notes.txt"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(file, "PNG")
    return tmp_path / "photos"


def paths(source: str | Path) -> list[str]:
    return [record.image.path for record in open_images(source)]


def test_a_folder_gives_its_images_by_path_and_not_what_is_hidden(folder: Path) -> None:
    assert paths(folder) == ["a.png", "b.JPG", "sub dir/c.webp"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("**/*", ["a.png", "b.JPG", "sub dir/c.webp"]),
        ("sub*/c.*", ["sub dir/c.webp"]),
        ("a.png", ["a.png"]),
    ],
)
def test_a_glob_gives_what_matches(folder: Path, pattern: str, expected: list[str]) -> None:
    assert paths(f"{folder}/{pattern}") == expected


def test_images_say_nothing_but_their_path(folder: Path) -> None:
    for record in open_images(folder):
        assert record.model_dump(exclude_none=True, exclude_defaults=True) == {
            "image": {"path": record.image.path}
        }


def test_every_image_is_in_one_part(tmp_path: Path) -> None:
    for number in range(1203):
        (tmp_path / f"{number:05}.jpg").touch()
    dataset = open_images(tmp_path)
    parts = dataset.reader.parts()
    assert [(part.start, part.count) for part in parts] == [(0, 500), (500, 500), (1000, 203)]
    found = [
        item.image.path for part in parts for item in dataset.items(part) if not isinstance(item, RecordError)
    ]  # type: ignore[union-attr]
    assert found == sorted(found) and len(found) == 1203


@pytest.mark.parametrize("source", ["*.gif", "none/*.png"])
def test_no_image_is_an_error(folder: Path, source: str) -> None:
    with pytest.raises(UsageError, match="matches no images"):
        open_images(f"{folder}/{source}")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no images; expected .*\.jpg"):
        open_images(tmp_path)


@pytest.mark.parametrize("name", sorted(item.name for item in SAMPLES.iterdir() if item.is_dir()))
def test_a_data_set_is_not_taken_for_images(name: str) -> None:
    assert not is_images(SAMPLES / name)


def test_a_folder_of_images_is_not_taken_for_a_data_set(folder: Path) -> None:
    assert is_images(folder) and is_images(f"{folder}/*.png") and is_images(folder / "a.png")
    assert not is_images(folder / "nothing") and not is_images(folder / "notes.txt")


def test_a_link_out_of_the_folder_is_followed_to_images_only(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "other.png"
    Image.new("RGB", (4, 3)).save(outside)
    secret = tmp_path / "secret.txt"
    secret.write_text("not an image")
    (folder / "link.png").symlink_to(outside)
    (folder / "secret.png").symlink_to(secret)
    dataset = open_images(folder)
    by_path = {record.image.path: record for record in dataset}
    assert dataset.image_file(by_path["link.png"]) == folder / "link.png"
    with pytest.raises(ValueError, match="is a link that leaves its folder"):
        dataset.image_file(by_path["secret.png"])
