"""Measure labelkit beside its peers: python benchmarks/run.py [--images 5000] [--runs 3] [--job NAME ...]

Makes the data once, installs the peers into a virtual environment of their own, runs all programs of a job
in turn, several times over, and prints a table of medians and of ratios to labelkit's best. ``--growth``
measures how time and memory grow with the data instead. Needs Linux (/proc); name a folder in memory with
--work-dir, for disks differ.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from jobs import JOBS, PEERS, Data, Run
from measure import Measured, measure
from table import markdown, put_into

README = Path(__file__).with_name("README.md")


def main() -> None:
    asked = _arguments()
    asked.work_dir.mkdir(parents=True, exist_ok=True)
    data = Data(asked.work_dir, asked.images, _peers(asked))
    if asked.growth:
        print(_growth(data, asked.runs))
        return
    results = {
        "machine": _machine(),
        "images": asked.images,
        "runs": asked.runs,
        "jobs": [_job(name, data, asked.runs) for name in asked.job or JOBS],
    }
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n")
    print(markdown(results))
    if asked.write:
        put_into(README, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3, help="of every program; the median counts")
    parser.add_argument("--job", action="append", choices=JOBS, help="only these")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()) / "labelkit-benchmarks")
    parser.add_argument("--peers-venv", type=Path, help="where the peers are, else they are installed")
    parser.add_argument(
        "--growth", action="store_true", help="COCO to VOC at 1/24, 1/6 and all of the images"
    )
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return parser.parse_args()


def _peers(asked: argparse.Namespace) -> Path:
    if asked.peers_venv:
        return Path(asked.peers_venv)
    folder: Path = asked.work_dir / "peers"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *PEERS], check=True)
    return folder


def _job(name: str, data: Data, runs: int) -> dict[str, object]:
    programs = list(JOBS[name](data))
    found: dict[str, list[Measured]] = {run.program: [] for run in programs}
    for _ in range(runs):  # in turn, so that a slow minute of the machine is everybody's
        for run in programs:
            found[run.program].append(_once(run))
            print(f"{name}: {run.program}: {found[run.program][-1].seconds:.2f} s", file=sys.stderr)
    title = (JOBS[name].__doc__ or name).strip()
    return {
        "name": name,
        "title": title,
        "images": _images(name, data),
        "programs": [_summary(run, found[run.program]) for run in programs],
    }


def _images(name: str, data: Data) -> int:
    uses_few = any(word in name for word in ("masks", "whole", "cityscapes"))
    return min(data.images, int(data.few.stem.rpartition("-")[2])) if uses_few else data.images


def _once(run: Run) -> Measured:
    """Run a program where nothing is yet; what it made is deleted, once it is known to be there."""
    _delete(run.target)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    measured = measure(run.command, env)
    if measured.code not in run.accepts or (run.target and not run.target.exists()):
        print(f"{run.program} exited with {measured.code}: {measured.said[-600:]}", file=sys.stderr)
        measured = Measured(measured.seconds, measured.megabytes, measured.code or -1, measured.said)
    _delete(run.target)
    return measured


def _delete(target: Path | None) -> None:
    if target and target.is_dir():
        shutil.rmtree(target)
    elif target:
        target.unlink(missing_ok=True)


def _summary(run: Run, measured: list[Measured]) -> dict[str, object]:
    failed = sorted({item.code for item in measured if item.code not in run.accepts})
    return {
        "program": run.program,
        "seconds": [round(item.seconds, 3) for item in measured],
        "megabytes": round(median(item.megabytes for item in measured)),
        "failed": failed,
    }


def _growth(data: Data, runs: int) -> str:
    lines = ["| images | seconds | µs an image | peak memory, MB |", "|---|---|---|---|"]
    for images in (data.images // 24, data.images // 6, data.images):
        some = Data(data.folder, images, data.peers)
        run = next(run for run in JOBS["coco-voc"](some) if run.program == "labelkit, 2 jobs")
        measured = [_once(run) for _ in range(runs)]
        seconds, megabytes = (
            median(getattr(item, key) for item in measured) for key in ("seconds", "megabytes")
        )
        lines.append(f"| {images:,} | {seconds:.2f} | {seconds / images * 1e6:.0f} | {megabytes:.0f} |")
    return "\n".join(lines)


def _machine() -> str:
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory} GB, Linux, Python {platform.python_version()}; {', '.join(PEERS)}"


if __name__ == "__main__":
    main()
