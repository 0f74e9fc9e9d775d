"""Pascal VOC: XML boxes, two PNGs, and lists of images (FORMATS 2, the development kit of May 2012).

``annotation`` reads the XML and ``annotate`` writes it, ``corners`` are its boxes; ``sets`` are the lists,
``maps`` the PNGs, ``pairing`` says whose pixels they are, ``scene`` what becomes of them; ``names`` are the
classes, ``layout`` the folders, ``facts`` what all files together say; ``read``, ``fit`` and ``write`` join
them. ``inspect`` is for rules: ``raw_annotation``, ``raw_maps`` and ``raw_set`` are what they look at,
``flaws`` what an annotation has, ``places`` and ``edits`` where an object stands and what changes it.
Conventions that are ours:

* Boxes start at 1, the official way, unless a box says otherwise or ``base`` is given. A set that was read
  from 0 is written from 0. Where written boxes would speak for the wrong base, ``box-base.txt`` says it.
* Classes that are not the official 20 are listed in ``labelmap.txt``, with the colours of their indices
  unless they have colours of their own.
* Class and split names become file names with ``/``, ``\\``, ``%`` and a leading dot written as %2F, ….
* New XML has no depth, for the model does not say how many channels an image has.
"""

from labelkit.formats import Format
from labelkit.formats.voc.annotation import extras
from labelkit.formats.voc.fit import adjust, adjust_header
from labelkit.formats.voc.inspect import inspect
from labelkit.formats.voc.layout import detect
from labelkit.formats.voc.names import OFFICIAL
from labelkit.formats.voc.read import open_set
from labelkit.formats.voc.write import create_set
from labelkit.model import Record


def confirms(record: Record) -> bool:
    """An annotation without an object says that there is none; a list of images does not."""
    return "xml" in record.raw.get("voc", {})


FORMAT = Format(
    name="voc",
    title="Pascal VOC",
    carries=frozenset(
        {
            "labels",
            "labels.state",
            "boxes",
            "instances",
            "instances.box",
            "semantic",
            "semantic.ignore",
            "objects.difficult",
            "objects.truncated",
            "objects.occluded",
            "objects.pose",
            "objects.parts",
            "categories.colour",
            "splits",
        }
    ),
    detect=detect,
    open=open_set,
    create=create_set,
    adjust=adjust,
    adjust_header=adjust_header,
    extras=extras,
    image_suffixes=(".jpg",),
    official={"Pascal VOC's 20 classes": frozenset(OFFICIAL)},
    confirms=confirms,
    inspect=inspect,
)
