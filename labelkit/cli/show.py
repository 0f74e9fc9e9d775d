"""``labelkit show``: draw labels on images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from labelkit.cli.options import PlaceType, comma, format_options, jobs, take_format_options
from labelkit.cli.progress import progress
from labelkit.cli.streams import result
from labelkit.errors import UsageError
from labelkit.outputs.page import kinds, plural
from labelkit.outputs.words import visible
from labelkit.select import TYPES
from labelkit.showing import LIMIT, PAGE, PICTURES, Showing, cut_note, show
from labelkit.storage import Place, at_hand, is_url

_EXAMPLES = 5


@click.command(name="show", short_help="Draw labels on images.")
@click.argument("source", metavar="SRC", type=PlaceType())
@click.option(
    "-o",
    "--output",
    "destination",
    metavar="DIR",
    type=PlaceType(),
    help="Write there.  [default: SRC-labels]",
)
@click.option("--from", "from_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=comma(None), help="Only these splits: a,b.")
@click.option("--only", callback=comma(TYPES), help=f"Only these label types: {', '.join(TYPES)}.")
@click.option("--classes", multiple=True, callback=comma(None), help="Only these classes: a,b.")
@click.option(
    "--images",
    metavar="PATTERN",
    multiple=True,
    help="Only images like '*.png' or 'val/**'.",
)
@click.option("--min-score", type=float, help="Leave out labels with a lower score.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=LIMIT,
    show_default=True,
    help="Draw the first images only.",
)
@click.option("--png/--no-png", default=True, show_default=True, help=f"An image each, in {PICTURES}/.")
@click.option("--gallery/--no-gallery", default=True, show_default=True, help=f"One page, {PAGE}.")
@click.option("--images-dir", type=PlaceType(exists=True), help="Where SRC has its images.")
@click.option("--overwrite", is_flag=True, help="Replace the drawings in DIR.")
@jobs
@format_options("open")
def command(source: Place, destination: Place | None, images_dir: Place | None, **rest: Any) -> int:
    """Draw the labels of SRC on its images: PNG files, and a gallery to sort and filter in a browser.

    DIR appears whole, or not at all. The gallery is one file that needs no network. Whatever cannot be drawn
    is told (exit 1), and the rest is drawn. Options that start with a format's name are for reading that
    format.
    """
    options = take_format_options(rest)
    if destination is None and is_url(source):
        raise UsageError("show", "a URL without -o", "-o DIR, where to draw")
    with (
        at_hand(
            source, images_dir=images_dir, destination=destination, photos=False, overwrite=rest["overwrite"]
        ) as here,  # an image is fetched when it is drawn
        progress("drawing") as advance,
    ):
        place, images = here.destination, here.images_dir
        done = show(here.source, place, images_dir=images, options=options, progress=advance, **rest)
    for line in _complaints(done):
        click.echo(visible(here.named(line)), err=True)
    made = [name for name, is_made in ((PAGE, rest["gallery"]), (f"{PICTURES}/", rest["png"])) if is_made]
    counted = f"{plural(done.images, 'image')}, {kinds(done.objects, done.labels, done.maps)}"
    said = f"{done.destination}: {counted} ({', '.join(made)})"
    with result() as stream:
        stream.write(f"{visible(here.named(said))}\n")
    return 0 if done.is_whole else 1


def _complaints(done: Showing) -> Iterator[str]:
    """What is not drawn, a few lines for each reason."""
    for error in done.errors[:_EXAMPLES]:
        yield f"error: {error}"
    if len(done.errors) > _EXAMPLES:
        yield f"error: and {len(done.errors) - _EXAMPLES} more records that cannot be read"
    told: Counter[str] = Counter()
    for finding in done.findings:
        told[finding.code] += 1
        if told[finding.code] <= _EXAMPLES:
            yield f"{finding.code} {finding.name}: {finding.place}: {finding.message}"
    for code, count in told.items():
        if count > _EXAMPLES:
            yield f"{code}: and {count - _EXAMPLES} more"
    if done.is_cut:
        yield cut_note(done.images)
