"""PNGs of label maps: what Pillow and torchvision read is what was written, to the pixel."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from labelkit.map_png import encode_map, save_map

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 70))
PALETTE = bytes(range(256)) * 3


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["PNG"])
    image.verify()  # checksums, and what follows the pixels
    return Image.open(io.BytesIO(data), formats=["PNG"])


@given(pixels=st.one_of(hnp.arrays(np.uint8, SIDES), hnp.arrays(np.uint16, SIDES)))
def test_pillow_reads_the_values_of_one_sample_a_pixel(pixels: np.ndarray[Any, Any]) -> None:
    image = opened(encode_map(pixels))
    assert image.mode == ("L" if pixels.dtype == np.uint8 else "I;16")
    assert np.array_equal(np.asarray(image), pixels)


@given(pixels=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 40)] * 2, st.sampled_from([3, 4]))))
def test_pillow_reads_the_colours(pixels: np.ndarray[Any, Any]) -> None:
    image = opened(encode_map(pixels))
    assert image.mode == ("RGB" if pixels.shape[2] == 3 else "RGBA")
    assert np.array_equal(np.asarray(image), pixels)


@given(pixels=hnp.arrays(np.uint8, SIDES), count=st.integers(1, 255))
def test_pillow_reads_the_values_and_the_palette(pixels: np.ndarray[Any, Any], count: int) -> None:
    image = opened(encode_map(pixels % count, PALETTE[: 3 * count]))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), pixels % count)
    assert bytes(image.getpalette() or ())[: 3 * count] == PALETTE[: 3 * count]


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_in_memory_is_the_same_file(order: Any) -> None:
    pixels = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1000
    assert encode_map(np.asarray(pixels, order=order)) == encode_map(pixels)
    assert encode_map(np.repeat(pixels, 2, axis=1)[:, ::2]) == encode_map(pixels)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, of its place
def test_torchvision_reads_it_too(tmp_path: Path) -> None:
    from torchvision.io import ImageReadMode, decode_image

    pixels = np.random.default_rng(1).integers(0, 255, (30, 41, 3), dtype=np.uint8)
    save_map(pixels, tmp_path / "a.png")
    found = decode_image(str(tmp_path / "a.png"), mode=ImageReadMode.RGB)
    assert np.array_equal(found.numpy().transpose(1, 2, 0), pixels)


def test_a_map_of_few_rows_that_differ_is_small() -> None:
    pixels = np.zeros((480, 640), np.uint8)
    pixels[100:300, 50:400] = 7
    data = encode_map(pixels)
    assert len(data) < 2000
    assert zlib.crc32(b"IEND").to_bytes(4, "big") == data[-4:]
