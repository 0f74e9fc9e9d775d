"""``labelkit prelabel``: images in, labels for a human to review out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from labelkit.cli.ledger import ledger_text
from labelkit.cli.options import PlaceType, Sectioned, format_options, take_format_options
from labelkit.cli.progress import progress
from labelkit.cli.streams import result
from labelkit.errors import UsageError
from labelkit.images import IMAGES
from labelkit.outputs.words import visible
from labelkit.predict import TASKS
from labelkit.prelabelling import THRESHOLDS, Run, prelabel
from labelkit.prelabels import EXISTING
from labelkit.run_record import ORDERS
from labelkit.select import shipped_maps
from labelkit.storage import AtHand, Place, at_hand, is_url

_TOLD = 10  # images by name, of those that were not labelled, or of which there is a note
_SECTIONS = {
    "Model": [
        "task", "model", "weights", "classes", "model_options", "transform_options", "device", "batch_size",
        "amp", "workers",
    ],
    "Labels": [
        "threshold", "keep_threshold", "nms_iou", "max_per_image", "top_k", "multi_label", "class_map",
        "existing",
    ],
    "Data set": ["from_", "to", "images", "images_dir", "carrier", "overwrite"],
    "Run": ["resume", "order", "output_format"],
}  # fmt: skip


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither auto nor a number from 1 on")
    return int(value)


def _assignments(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for text in values:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise click.BadParameter(f"{text!r} is no NAME=VALUE")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


@click.command(name="prelabel", short_help="Let a model label images.", cls=Sectioned, sections=_SECTIONS)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST", type=PlaceType())
@click.option(
    "--task", type=click.Choice(TASKS), metavar="TASK", required=True, help=f"One of {', '.join(TASKS)}."
)
@click.option("--model", metavar="NAME", help="A model of torchvision; `labelkit models` lists them.")
@click.option(
    "--weights", metavar="NAME|FILE", help="Pretrained weights, or a checkpoint (.pth, .safetensors)."
)
@click.option(
    "--classes", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The classes of a checkpoint, in order: a name a line, or a JSON list.",
)  # fmt: skip
@click.option(
    "--model-option", "model_options", multiple=True, metavar="NAME=VALUE", callback=_assignments,
    help="An option of the model's builder, as in min_size=512.",
)  # fmt: skip
@click.option(
    "--transform", "transform_options", multiple=True, metavar="NAME=VALUE", callback=_assignments,
    help="An option of torchvision's transforms, as in resize_size=256, for a checkpoint trained so.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--batch-size", default="auto", show_default=True, metavar="auto|N", callback=_batch_size,
    help="Images that go through the model together.",
)  # fmt: skip
@click.option("--amp", is_flag=True, help="Let the model reckon with 16 bits where it may.")
@click.option(
    "--workers", type=click.IntRange(min=0), show_default="by device",
    help="Processes that decode images; 0: none beside this one.",
)  # fmt: skip
@click.option(
    "--threshold", metavar="X|FILE",
    show_default=", ".join(f"{task} {value:g}" for task, value in THRESHOLDS.items()),
    help="The least score of a label, or a JSON file of them: {class: X, \"*\": X}.",
)  # fmt: skip
@click.option(
    "--keep-threshold", type=click.FloatRange(0, 1), default=0.05, show_default=True,
    help="The least score that is kept in the run, for another threshold later.",
)  # fmt: skip
@click.option(
    "--nms-iou", type=click.FloatRange(0, 1), help="IoU from which a detector drops the less sure box."
)
@click.option("--max-per-image", type=click.IntRange(min=1), help="The most objects a detector gives.")
@click.option(
    "--top-k", type=click.IntRange(min=1), default=1, show_default=True, help="Classes of an image."
)
@click.option("--multi-label", is_flag=True, help="Classes do not exclude one another: a sigmoid for each.")
@click.option(
    "--map", "class_map", metavar="MAP", help=f"Rename classes: {', '.join(shipped_maps())}, or a JSON file."
)
@click.option(
    "--existing", type=click.Choice(EXISTING), metavar="WHAT", default="keep", show_default=True,
    help="Labels that are there: keep; replace-pending, which nobody has looked at; replace; "
    "only-unlabelled: leave such images alone.",
)  # fmt: skip
@click.option("--from", "from_", metavar="FORMAT", help="Format of SRC, or `images`; detected if not said.")
@click.option("--to", default="coco", show_default=True, metavar="FORMAT", help="Format of DST.")
@click.option("--images", type=click.Choice(IMAGES), default="copy", show_default=True, help="How they come.")
@click.option("--images-dir", type=PlaceType(exists=True), help="Where SRC has its images.")
@click.option("--carrier/--no-carrier", default=True, show_default=True, help="Write the sidecar.")
@click.option("--overwrite", is_flag=True, help="Replace the data set at DST, and begin a new run.")
@click.option("--resume", is_flag=True, help="Go on with the run that was left beside DST, finished or not.")
@click.option(
    "--order", type=click.Choice(ORDERS), default="name", show_default=True,
    help="Of the review queue; uncertainty: least certain first.",
)  # fmt: skip
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@format_options("open", "create")
def command(
    source: str, destination: Place, images_dir: Place | None, output_format: str, **rest: Any
) -> int:
    """Label the images of SRC with a model, pretrained or your own, and write DST for a human to review.

    SRC is a folder of images, a glob, or a data set. Labels that are there are not touched. What the model
    said stays in DST.labelkit-run, beside DST: run.json tells all about the run, queue.jsonl the order to
    review in; --resume goes on with a run that was stopped, and with --overwrite makes other labels of a
    finished one.
    """
    options = take_format_options(rest)
    if rest["images"] in ("hardlink", "symlink") and (is_url(source) or is_url(destination)):
        raise UsageError("--images", "no link leads to another storage", "copy, convert or none")
    with at_hand(
        source,
        images_dir=images_dir,
        destination=destination,
        overwrite=rest["overwrite"],
        kept=".labelkit-run",
    ) as here:
        assert here.destination is not None
        with progress("labelling") as advance:
            done = prelabel(
                here.source if is_url(source) else source,
                here.destination,
                images_dir=here.images_dir,
                options=options,
                progress=advance,
                **rest,
            )
    _complain(done, here)
    with result() as stream:
        if output_format == "json":
            text = json.dumps(done.as_json(), indent=2, ensure_ascii=False)
            stream.write(f"{here.named(text)}\n")
        else:
            stream.writelines(f"{here.named(line)}\n" for line in _text(done))
    return 1 if done.tally.faults or done.report.errors else 0


def _complain(done: Run, here: AtHand) -> None:
    for text in done.told:
        click.echo(f"labelkit: {visible(text)}", err=True)
    for path, why in done.tally.faults[:_TOLD]:
        click.echo(f"labelkit: {visible(path)}: not labelled: {visible(here.named(why))}", err=True)
    more = done.tally.counts["images that could not be labelled"] - _TOLD
    if more > 0:
        click.echo(f"labelkit: and {more} more, which run.json lists", err=True)


def _text(done: Run) -> Iterator[str]:
    counts = done.tally.counts
    yield f"run {done.id}: {done.task} by {done.model}"
    for name in sorted(counts):
        if counts[name]:
            yield f"  {name:<34} {counts[name]:>9,}"
    if done.predicted < counts["images"]:
        yield f"  {'images that the model saw now':<34} {done.predicted:>9,}"
    triage = +done.tally.triage
    if triage:
        yield "beside what was there" + (" (pixels):" if done.task == "semantic" else ":")
        for name in sorted(triage):
            yield f"  {name:<34} {triage[name]:>9,}"
    notes = done.tally.notes
    if notes:
        yield "Noted:"
        yield from (f"  {visible(path)} {visible(note)}" for path, note in notes[:_TOLD])
        if counts["images with a note"] > _TOLD:
            yield f"  and {counts['images with a note'] - _TOLD} more, which run.json lists"
    yield ledger_text(done.report, "--output-format json")
    yield f"The run is kept in {visible(str(done.folder.name))}, beside it."
