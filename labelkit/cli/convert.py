"""``labelkit convert``: read, fit, write, and print the ledger."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from labelkit.cli.ledger import ledger_text
from labelkit.cli.options import PlaceType, cluster, comma, format_options, jobs, take_format_options
from labelkit.cli.progress import progress
from labelkit.derive import DERIVABLE
from labelkit.errors import DestinationError, UsageError
from labelkit.images import IMAGES
from labelkit.pipeline import convert
from labelkit.select import TYPES, shipped_maps
from labelkit.storage import Place, at_hand, is_url


@click.command(name="convert", short_help="Convert a data set.")
@click.argument("source", metavar="SRC", type=PlaceType())
@click.argument("destination", metavar="DST", type=PlaceType())
@click.option("--to", "to", required=True, help="Format of DST.")
@click.option("--from", "from_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=comma(None), help="Only these splits: a,b.")
@click.option("--only", callback=comma(TYPES), help=f"Only these label types: {', '.join(TYPES)}.")
@click.option("--classes", multiple=True, callback=comma(None), help="Only these classes: a,b.")
@click.option("--images", type=click.Choice(IMAGES), default="copy", show_default=True, help="How they come.")
@click.option("--images-dir", type=PlaceType(exists=True), help="Where SRC has its images.")
@click.option("--map", "class_map", help=f"Rename classes: {', '.join(shipped_maps())}, or a JSON file.")
@click.option("--derive", "derived", callback=comma(DERIVABLE), help=f"Make: {', '.join(DERIVABLE)}.")
@click.option("--strict", is_flag=True, help="Refuse to lose what the carrier cannot bring back (exit 1).")
@click.option("--carrier/--no-carrier", default=True, show_default=True, help="Write the sidecar.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the ledger as JSON.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Records that cannot be read: write nothing, or leave them out (exit 1).",
)
@click.option("--overwrite", is_flag=True, help="Replace the data set at DST.")
@jobs
@cluster
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@format_options("open", "create")
def command(
    source: Place,
    destination: Place,
    images_dir: Place | None,
    report: Path | None,
    output_format: str,
    **rest: Any,
) -> int:
    """Convert SRC to DST; DST appears whole, or not at all.

    Whatever the target cannot hold is in the ledger that is printed, and in the carrier beside DST, which
    brings it back when DST is converted again. Options that start with a format's name are for reading or
    writing that format.
    """
    options = take_format_options(rest)
    if report:
        _check_report(report, overwrite=rest["overwrite"])
    _refuse_links(rest["images"], source, destination, images_dir)
    with at_hand(
        source,
        images_dir=images_dir,
        destination=destination,
        photos=rest["images"] != "none",
        overwrite=rest["overwrite"],
    ) as here:
        assert here.destination is not None
        with progress("converting") as advance:
            done = convert(
                here.source,
                here.destination,
                images_dir=here.images_dir,
                options=options,
                progress=advance,
                **rest,
            )
    text = here.named(json.dumps(done.as_json(), indent=2, ensure_ascii=False))
    if report:
        report.write_text(text + "\n", "utf-8")
    _say_result(text if output_format == "json" else here.named(ledger_text(done)))
    return 1 if done.errors else 0


def _refuse_links(images: str, *places: Place | None) -> None:
    if images in ("hardlink", "symlink") and any(map(is_url, places)):
        raise UsageError(f"--images {images}", "no link leads to another storage", "copy, convert or none")


def _check_report(report: Path, *, overwrite: bool) -> None:
    """Find out before the work is done whether its report can be written."""
    if report.exists() and not overwrite:
        raise DestinationError(str(report), "exists already", "", "choose a new name, or say --overwrite")
    if not os.access(report if report.exists() else report.absolute().parent, os.W_OK):
        raise DestinationError(str(report), "cannot be written", "a place in a writable folder")


def _say_result(text: str) -> None:
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # a full disk, or no stdout at all
        raise DestinationError(
            "stdout", f"the data set is written, but its ledger cannot be printed ({error})"
        ) from None
