"""Ways to break an image file: for fuzzing. Choices are drawn from a ``random.Random``."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from random import Random

from PIL import Image

_MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "CMYK", "F"]
_SIZES = [(60, 40), (60, 40), (40, 60), (1, 1), (61, 40), (40, 30)]
_KINDS = [b"PLTE", b"tRNS", b"eXIf", b"tEXt", b"zTXt", b"iCCP", b"IDAT", b"acTL", b"gAMA"]
_FORMATS = {"CMYK": ["JPEG", "TIFF"], "F": ["TIFF"], "I": ["TIFF"], "RGBA": ["PNG", "WEBP"], "LA": ["PNG"]}


def change_image(random: Random, data: bytes) -> bytes:
    """An image gets other pixels, another mode, size, header or type, or a chunk more or less."""
    act = random.choice(["new", "new", "pixels", "pixels", "header", "chunk", "exif"])
    if act == "new":
        return _new_image(random)
    if act in ("header", "chunk") and data.startswith(b"\x89PNG"):
        return _other_chunks(random, data, is_header=act == "header")
    try:
        return _other_pixels(random, data)
    except Exception:  # decoders and encoders raise anything on what an earlier change has left
        return data


def _new_image(random: Random) -> bytes:
    mode, size = random.choice(_MODES), random.choice(_SIZES)
    values = random.choice([b"\0\1", b"\0\xff\1", b"\2", b"\x1a"])
    noise = Image.frombytes("L", size, values * (size[0] * size[1]))
    image = Image.new(mode, size) if mode in ("I;16", "CMYK", "F", "I") else noise.convert(mode)
    if mode == "P":
        image.putpalette([random.randrange(256) for _ in range(3 * random.choice([1, 3, 22, 256]))])
    with BytesIO() as stream:
        image.save(stream, random.choice(_FORMATS.get(mode, ["PNG", "PNG", "PNG", "GIF", "TIFF"])))
        return stream.getvalue()


def _other_pixels(random: Random, data: bytes) -> bytes:
    """The same image with some pixels of another value, and perhaps turned by EXIF."""
    with Image.open(BytesIO(data)) as image, BytesIO() as stream:
        image.load()
        x, y, value = (
            random.randrange(50),
            random.randrange(40),
            random.choice([0, 1, 2, 3, 7, 26, 33, 200, 255]),
        )
        colour = value if len(image.getbands()) == 1 else (value,) * len(image.getbands())
        image.paste(colour, (x, y, x + random.choice([1, 9, 60]), y + random.choice([1, 7, 40])))
        exif = Image.Exif()
        exif[0x0112] = random.choice([1, 3, 6, 8, 9, 0])
        image.save(stream, image.format, **({"exif": exif} if random.random() < 0.3 else {}))
        return stream.getvalue()


def _other_chunks(random: Random, data: bytes, *, is_header: bool) -> bytes:
    """A PNG with another header, or with a chunk more or less, or one of nonsense; checksums fit."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if is_header and chunks and len(chunks[0][1]) == 13:
        fields = list(struct.unpack(">IIBBBBB", chunks[0][1]))
        field = random.randrange(7)
        fields[field] = random.choice([0, 1, 2, 3, 4, 6, 8, 16, 60, 255] + [60_000, 2**31 - 1] * (field < 2))
        chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *fields))
    elif chunks:
        noise = bytes(random.choices(range(256), k=12))
        made = random.choice(_KINDS), random.choice([b"", b"\0", b"abc", noise, b"k\0\0x\x9c"])
        act, spot = random.choice(["drop", "insert", "change"]), random.randrange(len(chunks))
        chunks[spot : spot + (act != "insert")] = [] if act == "drop" else [made]
    pieces = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return data[:8] + b"".join(pieces)
