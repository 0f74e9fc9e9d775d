"""polygons.json: its size, its polygons with their native text, and the rest of it as text."""

from __future__ import annotations

from pathlib import Path

import msgspec

from labelkit.errors import RecordError
from labelkit.formats._files import read_bytes
from labelkit.formats._json import decode_json
from labelkit.formats.cityscapes.scene import Poly
from labelkit.pixels import refuse_huge


class Document:
    """A polygons.json: its size, its polygons with their native text, and the rest of it."""

    def __init__(self, file: Path, place: str) -> None:
        data = read_bytes(file)
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecordError(
                f"{place}:byte {error.start}", "not UTF-8", "UTF-8 text", code="STR111"
            ) from None
        keys = decode_json(data, place, dict[str, msgspec.Raw])
        for key in ("imgHeight", "imgWidth", "objects"):
            if key not in keys:
                raise RecordError(place, f"no key {key!r}", "imgHeight, imgWidth and objects", code="STR104")
        self.size = self._size(keys, place)
        polys = decode_json(bytes(keys["objects"]), f"{place}:objects", list[Poly])
        texts = decode_json(bytes(keys["objects"]), f"{place}:objects", list[msgspec.Raw])
        compact = [msgspec.json.format(bytes(text), indent=-1).decode() for text in texts]
        numbered = list(zip(range(len(polys)), polys, compact, strict=True))
        self.polys = [entry for entry in numbered if not entry[1].deleted]
        self.deleted = [[position, text] for position, poly, text in numbered if poly.deleted]
        rest = {key: msgspec.Raw(b"[]") if key == "objects" else value for key, value in keys.items()}
        self.top = msgspec.json.format(msgspec.json.encode(rest), indent=-1).decode()

    @staticmethod
    def _size(keys: dict[str, msgspec.Raw], place: str) -> tuple[int, int] | None:
        """Height and width; None for 0 x 0, which is how the official tools write an unknown size."""
        height, width = (
            decode_json(bytes(keys[key]), f"{place}:{key}", int) for key in ("imgHeight", "imgWidth")
        )
        if height == 0 == width:
            return None
        if height < 1 or width < 1:
            raise RecordError(place, f"the size {width} x {height}", "a width and a height of 1 or more")
        try:
            refuse_huge(height, width)
        except ValueError as error:
            raise RecordError(place, str(error), "the size of an image") from None
        return height, width
