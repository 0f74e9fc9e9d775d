"""Writing Label Studio: a piece of tasks for every part, joined in order, and the configuration.

The configuration has the controls that some region needs. Its text is that of the source where it still fits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from labelkit.errors import FormatError
from labelkit.formats.labelstudio import config as configs
from labelkit.formats.labelstudio.frame import choices_control, native_config
from labelkit.formats.labelstudio.index import TASKS, config_path
from labelkit.formats.labelstudio.write_task import TaskWriter
from labelkit.model import Header, Polygons, Record, SemanticMap


class _Needs(msgspec.Struct):
    """What tasks need of the configuration. many: whether some image has several classes of one control."""

    kinds: list[str] = []
    many: bool = False


class LabelStudioWriter:
    """Writes a folder, or one file with its configuration beside it."""

    def __init__(self, root: Path, header: Header, url: str) -> None:
        self.is_file = root.suffix == ".json"
        self.file = root if self.is_file else root / TASKS
        self.pieces = self.file.parent / ".pieces"
        self.header = header
        self.url = url

    def image_path(self, record: Record) -> str | None:
        return f"images/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        config = native_config(self.header)
        needs = _Needs()
        with (self.pieces / f"{part:08}.json").open("wb") as stream:
            for number, record in enumerate(records):
                try:
                    text = TaskWriter(record, config, self.url).text()
                except (ValueError, KeyError, TypeError) as error:
                    found = f"what was kept of Label Studio is malformed ({error})"
                    raise FormatError(record.image.path, found, "what its reader kept") from error
                stream.write(b",\n" * (number > 0) + text)
                _add_needs(needs, record, config)
        (self.pieces / f"{part:08}.needs").write_bytes(msgspec.json.encode(needs))

    def finish(self) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") as stream:
            pieces = [piece for piece in sorted(self.pieces.glob("*.json")) if piece.stat().st_size]
            for number, piece in enumerate(pieces):
                stream.write(b",\n" if number else b"[\n")
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, stream)
            stream.write(b"\n]\n" if pieces else b"[]\n")
        config_path(self.file).write_text(self._config(), "utf-8", newline="")
        shutil.rmtree(self.pieces)

    def _config(self) -> str:
        files = sorted(self.pieces.glob("*.needs"))
        needs = [msgspec.json.decode(file.read_bytes(), type=_Needs) for file in files]
        kinds = {kind for each in needs for kind in each.kinds}
        classes = configs.said_by(self.header.categories)
        return configs.write(
            native_config(self.header), classes, kinds, many=any(each.many for each in needs)
        )


def _add_needs(needs: _Needs, record: Record, config: configs.Config) -> None:
    kinds = {
        "rectanglelabels"
        if item.kind == "box"
        else ("polygonlabels" if isinstance(item.mask.shape, Polygons) else "brushlabels")
        for item in record.objects
    }
    if any(isinstance(item, SemanticMap) for item in record.maps.values()):
        kinds.add(configs.SEMANTIC)
    controls = [choices_control(label, config).name for label in record.labels]
    if controls:
        kinds.add("choices")
    needs.kinds = sorted(kinds | {*needs.kinds})
    needs.many |= len(controls) > len(set(controls))
