"""CVAT for images, XML 1.1: one file of boxes, polygons, masks and tags, image by image.

``document`` is the file as a whole, ``image`` an ``<image>`` in it, ``shapes`` its geometry, ``attributes``
what else is said of an object; ``head``, ``annotate`` and ``patch`` write them, new or native with just the
differences, ``declare`` knows what labels must declare for that, and ``labels`` writes what CVAT needs beside
them; ``layout`` is where things lie; ``read``, ``fit`` and ``write`` join them; ``inspect`` is for rules.
Sources: docs.cvat.ai "XML annotation format"; CVAT's own importer and exporter; Datumaro's reader.
docs/cvat.md tells users how.
"""

from labelkit.formats import Format
from labelkit.formats.cvat.fit import adjust, adjust_header
from labelkit.formats.cvat.image import extras
from labelkit.formats.cvat.inspect import inspect
from labelkit.formats.cvat.layout import SUFFIX, detect
from labelkit.formats.cvat.read import open_set
from labelkit.formats.cvat.write import create_set

FORMAT = Format(
    name="cvat",
    title="CVAT for images 1.1",
    carries=frozenset(
        {
            "labels",
            "labels.score",
            "labels.provenance",
            "boxes",
            "instances",
            "instances.polygons",
            "instances.rle",
            "instances.overlap",
            "semantic",
            "semantic.provenance",
            "panoptic",
            "objects.stuff",
            "objects.crowd",
            "objects.difficult",
            "objects.truncated",
            "objects.occluded",
            "objects.pose",
            "objects.score",
            "objects.attributes",
            "objects.uid",
            "objects.provenance",
            "categories.colour",
            "splits",
            "order",
        }
    ),
    detect=detect,
    open=open_set,
    create=create_set,
    adjust=adjust,
    adjust_header=adjust_header,
    extras=extras,
    file_suffix=SUFFIX,
    inspect=inspect,
)
