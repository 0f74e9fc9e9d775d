"""``labelkit stats``: count what a data set has."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from labelkit.cli.options import PlaceType, comma, format_options, take_format_options
from labelkit.dataset import source_format
from labelkit.errors import UsageError
from labelkit.publish import refuse_irregular, replacing
from labelkit.statistics import statistics
from labelkit.storage import Place, at_hand

OUTPUTS = ("text", "json", "html")  # labelkit.outputs.stats_…, imported when it is asked for


@click.command(name="stats", short_help="Count images, objects, labels and pixels by class and split.")
@click.argument("source", metavar="SRC", type=PlaceType())
@click.option("--format", "format_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=comma(None), help="Only these: train,val.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Decode masks and label maps.")
@click.option("--images-dir", type=PlaceType(exists=True), help="Where SRC has its images.")
@click.option("--output-format", type=click.Choice(OUTPUTS), default="text", show_default=True)
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write there."
)
@format_options("open")
def command(
    source: Place,
    images_dir: Place | None,
    format_: str | None,
    output_format: str,
    target: Path | None,
    **rest: Any,
) -> None:
    """Count what SRC has: images, objects, labels and pixels by class and split, sizes, shapes, company.

    Options that start with a format's name are for reading that format.
    """
    options = take_format_options(rest)
    if target is not None:
        refuse_irregular(target)  # before the work
    with at_hand(source, images_dir=images_dir, photos=False) as here:
        format = source_format(here.source, format_).name
        for name in options:
            if name != format:
                found = f"does nothing, for {here.source} is {format}"
                raise UsageError(f"--{name}-…", found, "an option of its format")
        done = statistics(
            here.source, format=format, images_dir=here.images_dir, options=options.get(format), **rest
        )
    done = replace(done, source=here.named(done.source))
    write = import_module(f"labelkit.outputs.stats_{output_format}").write
    if target is None:
        write(done, sys.stdout)
        return
    with replacing(target) as stream:
        write(done, stream)
