"""The brush codec and Label Studio's own, byte for byte, in both directions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labelkit.formats.labelstudio import brush
from labelkit.geometry import rle

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pydantic's, in the SDK
    from label_studio_sdk.converter import brush as sdk

LENGTHS = [1, 1, 2, 3, 4, 8, 9, 15, 16, 17, 255, 256, 257, 1000]
EDGES = [1, 2, 8, 9, 16, 17, 256, 257, 65535, 65536, 65537, 131072, 131073, 200_000]


@st.composite
def streams(draw: st.DrawFn) -> np.ndarray:
    """Bytes in runs whose lengths are at the edges of every length size."""
    values = draw(st.lists(st.sampled_from([0, 1, 127, 128, 254, 255]), max_size=30))
    lengths = draw(st.lists(st.sampled_from(LENGTHS), min_size=len(values), max_size=len(values)))
    return np.repeat(np.array(values, np.uint8), np.array(lengths, np.int64))


masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@settings(max_examples=60)
@given(values=streams())
def test_bytes_are_encoded_as_the_sdk_encodes_them(values: np.ndarray) -> None:
    if not values.size:
        return  # the SDK cannot
    assert list(brush.encode(values)) == sdk.encode_rle(values)


@pytest.mark.parametrize("length", EDGES)
def test_long_runs_are_encoded_as_the_sdk_encodes_them(length: int) -> None:
    values = np.concatenate([np.full(length, 255, np.uint8), np.zeros(3, np.uint8)])
    code = brush.encode(values)
    assert list(code) == sdk.encode_rle(values)
    assert (brush.decode(code, values.size) == values).all()


@settings(max_examples=60)
@given(values=streams())
def test_each_decodes_what_the_other_encodes(values: np.ndarray) -> None:
    if values.size:
        assert (brush.decode(bytes(sdk.encode_rle(values)), values.size) == values).all()
        assert (sdk.decode_rle(list(brush.encode(values))) == values).all()


@given(mask=masks)
def test_masks_are_encoded_as_mask2rle_does_and_come_back(mask: np.ndarray) -> None:
    height, width = mask.shape
    code = brush.encode_mask(rle.encode_mask(mask), height, width)
    assert list(code) == sdk.mask2rle(mask.astype(np.uint8) * 255)
    assert (rle.decode_mask(brush.decode_mask(code, height, width), height, width) == mask).all()


@given(mask=arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(4))))
def test_a_pixel_is_set_where_its_alpha_is_not_0(mask: np.ndarray) -> None:
    """The editor leaves half-transparent pixels at the edges of strokes, and takes them as set."""
    height, width, _ = mask.shape
    found = brush.decode_mask(bytes(sdk.encode_rle(mask.ravel())), height, width)
    layers = sdk.decode_from_annotation(
        "mask",
        [
            {
                "type": "brushlabels",
                "rle": sdk.encode_rle(mask.ravel()),
                "original_width": width,
                "original_height": height,
                "brushlabels": ["cat"],
            }
        ],
    )
    assert (rle.decode_mask(found, height, width) == (layers["mask-cat-0"] > 0)).all()


def test_a_block_of_several_single_values_is_read() -> None:
    """The editor packs values that differ into one block; the SDK never writes such, but reads it."""
    values = [0, 0, 0, 255, 9, 8, 7, 1]
    bits = f"{8:032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    bits += "0" + "00" + f"{7:03b}" + "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    code = bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
    assert sdk.decode_rle(list(code)).tolist() == values
    assert brush.decode(code, 8).tolist() == values
    assert rle.decode_mask(brush.decode_mask(code, 1, 2), 1, 2).tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (b"", "ends too early, after 0 bytes"),
        (brush.encode(np.zeros(16, np.uint8))[:8], "ends too early, after 8 bytes"),
        (brush.encode(np.zeros(20, np.uint8)), "a brush RLE of 20 values; expected 16, four a pixel"),
        (bytes([0, 0, 0, 16, 0xFF]) + bytes(20), "32-bit words; expected 8"),
    ],
)
def test_what_is_no_code_of_the_image_says_why(code: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        brush.decode_mask(code, 2, 2)


def test_a_few_bytes_cannot_ask_for_any_amount_of_memory() -> None:
    with pytest.raises(ValueError, match="of 4294967295 values; expected 16"):
        brush.decode_mask(b"\xff\xff\xff\xff\x3f" + bytes(30), 2, 2)
