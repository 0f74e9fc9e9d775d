"""What is measured: each job as the commands of labelkit and of its peers, on data that is made once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from make_coco import CLASSES
from make_coco import main as make_coco

HERE = Path(__file__).parent
PEERS = ("hotcoco==1.3.0", "panlabel==0.7.0", "globox==2.9.0")
PIXEL_IMAGES = 300  # at most, for jobs that paint
BOX_RULES = (
    "STR,REF,CAT,GEO101,GEO102,GEO103,GEO113,GEO114,GEO115,GEO116,GEO117,GEO118,GEO120,SPL104,STA,CNV101,"
    "CNV102,CNV104"
)


@dataclass(frozen=True)
class Data:
    """The data of a run. peers: the virtual environment of the peers."""

    folder: Path
    images: int
    peers: Path

    @property
    def coco(self) -> Path:
        return self._made(f"coco-{self.images}.json", lambda path: make_coco(path, self.images))

    @property
    def few(self) -> Path:
        images = min(self.images, PIXEL_IMAGES)
        return self._made(f"coco-{images}.json", lambda path: make_coco(path, images))

    @property
    def voc(self) -> Path:
        return self._made(f"voc-{self.images}", lambda path: _convert(self.coco, path, "voc", "--only=boxes"))

    @property
    def parquet(self) -> Path:
        return self._made(f"parquet-{self.images}", lambda path: _convert(self.coco, path, "parquet"))

    @property
    def cityscapes(self) -> Path:
        return self._made(f"cityscapes-{self.images}", lambda path: _convert(self.few, path, "cityscapes"))

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self.folder / name
        if not path.exists():
            make(path)
        return path


def _convert(source: Path, target: Path, to: str, *more: str) -> None:
    command = [*labelkit(), "convert", str(source), str(target), "--to", to, "--images=none", "--no-carrier"]
    if to == "cityscapes":  # its table has no other classes
        table = target.with_suffix(".map.json")
        table.write_text('{"dog": "car"}')
        command += ["--map", str(table)]
    subprocess.run([*command, *more], check=True, stdout=subprocess.DEVNULL)


def labelkit() -> list[str]:
    """The command of the labelkit that is measured: the one of this interpreter."""
    return [str(Path(sys.executable).with_name("labelkit"))]


@dataclass(frozen=True)
class Run:
    """One program doing a job. target: what it makes. accepts: exit codes that are no failure."""

    program: str
    command: Sequence[str]
    target: Path | None = None
    accepts: frozenset[int] = frozenset({0})


def _own(data: Data, name: str, *words: str, codes: Sequence[int] = (0,)) -> Iterator[Run]:
    """labelkit with 1 and with 2 processes. ``{out}`` is where it writes."""
    for jobs in (1, 2):
        out = data.folder / f"out-{name}-{jobs}"
        command = [*labelkit(), *(word.replace("{out}", str(out)) for word in words), f"--jobs={jobs}"]
        target = out if any("{out}" in word for word in words) else None
        target = out.with_suffix(".json") if any("{out}.json" in word for word in words) else target
        yield Run(f"labelkit, {jobs} job{'s' * (jobs > 1)}", command, target, frozenset(codes))


def _peer(data: Data, program: str, *words: str, suffix: str = "", codes: Sequence[int] = (0,)) -> Run:
    out = data.folder / f"out-{program}{suffix}"
    executable = {"hotcoco": "coco"}.get(program, program)
    command = [str(data.peers / "bin" / executable), *(word.replace("{out}", str(out)) for word in words)]
    return Run(program, command, out if "{out}" in words else None, frozenset(codes))


def coco_to_voc(data: Data) -> Iterator[Run]:
    """COCO → VOC, boxes"""
    coco = str(data.coco)
    words = ("--to=voc", "--only=boxes", "--no-carrier", "--images=none")
    yield from _own(data, "voc", "convert", coco, "{out}", *words)
    yield _peer(
        data, "panlabel", "convert", "-f", "coco", "-t", "voc", "-i", coco, "-o", "{out}", "--allow-lossy"
    )
    yield _peer(
        data, "hotcoco", "convert", "--from", "coco", "--to", "voc", "--input", coco, "--output", "{out}"
    )
    yield _peer(data, "globox", "convert", "-f", "coco", "-F", "pascalvoc", coco, "{out}")
    yield Run(
        "bare floor",
        [sys.executable, str(HERE / "floor.py"), coco, str(data.folder / "out-floor"), str(data.voc)],
        data.folder / "out-floor",
    )


def coco_to_voc_whole(data: Data) -> Iterator[Run]:
    """COCO → VOC, masks and carrier"""
    yield from _own(data, "whole", "convert", str(data.few), "{out}", "--to=voc", "--images=none")


def coco_to_voc_masks(data: Data) -> Iterator[Run]:
    """COCO → VOC, masks"""
    few = str(data.few)
    yield from _own(data, "masks", "convert", few, "{out}", "--to=voc", "--no-carrier", "--images=none")
    out = data.folder / "out-naive"
    yield Run("naive loop", [sys.executable, str(HERE / "naive_masks.py"), few, str(out)], out)


def coco_filter(data: Data) -> Iterator[Run]:
    """COCO → COCO, one class"""
    coco, number = str(data.coco), str(CLASSES.index("dog") + 1)
    words = ("--to=coco", "--classes=dog", "--no-carrier", "--images=none")
    yield from _own(data, "filter", "convert", coco, "{out}.json", *words)
    yield _peer(data, "hotcoco", "filter", "--cat-ids", number, "-o", "{out}", coco, suffix=".json")


def voc_to_coco(data: Data) -> Iterator[Run]:
    """VOC → COCO"""
    voc = data.voc
    xml = str(voc / "VOCdevkit" / "VOC2012" / "Annotations")
    yield from _own(
        data, "coco", "convert", str(voc), "{out}.json", "--to=coco", "--no-carrier", "--images=none"
    )
    home = str(voc / "VOCdevkit" / "VOC2012")
    words = ("--from", "voc", "--to", "coco", "--input", home, "--output", "{out}")
    yield _peer(data, "hotcoco", "convert", *words, suffix=".json")
    yield _peer(
        data, "globox", "convert", "-f", "pascalvoc", "-F", "coco", "-A", xml, "{out}", suffix=".json"
    )


def coco_to_cityscapes(data: Data) -> Iterator[Run]:
    """COCO → Cityscapes"""
    table = data.cityscapes.with_suffix(".map.json")
    words = ("--to=cityscapes", "--no-carrier", "--images=none", f"--map={table}")
    yield from _own(data, "cityscapes", "convert", str(data.few), "{out}", *words)


def cityscapes_to_coco(data: Data) -> Iterator[Run]:
    """Cityscapes → COCO"""
    words = ("--to=coco", "--no-carrier", "--images=none")
    yield from _own(data, "back", "convert", str(data.cityscapes), "{out}", *words)


def coco_to_parquet(data: Data) -> Iterator[Run]:
    """COCO → Parquet"""
    words = ("--to=parquet", "--no-carrier", "--images=none")
    yield from _own(data, "parquet", "convert", str(data.coco), "{out}", *words)


def parquet_to_coco(data: Data) -> Iterator[Run]:
    """Parquet → COCO"""
    words = ("--to=coco", "--no-carrier", "--images=none")
    yield from _own(data, "unparquet", "convert", str(data.parquet), "{out}.json", *words)


def validate(data: Data) -> Iterator[Run]:
    """validate: structure, references, boxes"""
    coco = str(data.coco)
    yield from _own(data, "validate", "validate", "--no-images", "--select", BOX_RULES, coco, codes=(0, 1))
    yield _peer(data, "panlabel", "validate", "--format", "coco", coco, codes=(0, 1, 2))
    yield _peer(data, "hotcoco", "healthcheck", coco, codes=(0, 1))


def stats(data: Data) -> Iterator[Run]:
    """stats"""
    coco = str(data.coco)
    yield Run("labelkit, 1 job", [*labelkit(), "stats", coco])
    yield _peer(data, "panlabel", "stats", "--format", "coco", coco)


JOBS: dict[str, Callable[[Data], Iterator[Run]]] = {
    "coco-voc": coco_to_voc,
    "coco-voc-whole": coco_to_voc_whole,
    "coco-voc-masks": coco_to_voc_masks,
    "coco-filter": coco_filter,
    "voc-coco": voc_to_coco,
    "coco-cityscapes": coco_to_cityscapes,
    "cityscapes-coco": cityscapes_to_coco,
    "coco-parquet": coco_to_parquet,
    "parquet-coco": parquet_to_coco,
    "validate": validate,
    "stats": stats,
}
