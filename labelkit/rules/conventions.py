"""CNV1xx: numbers that mean something else than the format says, by evidence over the whole set."""

from __future__ import annotations

from labelkit.formats.voc.raw_set import VocSet
from labelkit.rules import Fault, Faults, rule


@rule("CNV103", "warning")
def zero_based_voc(whole: VocSet) -> Faults:
    """The boxes of a VOC data set start to count at 0, all of them or some.

    Why: VOC counts from 1, so that official tools and detectron2 subtract 1 from every corner, and all boxes
    shift by a pixel. Where some count from 0 and others from 1, no tool reads all of them right.
    Fix: add 1 to xmin and ymin, and to xmax and ymax if the tool took the last pixel as inside; where both
    are mixed, find out first which tool made which file. `--voc-base` says what is right, and silences this.
    Example: `<xmin>0</xmin>`, which no official file has
    """
    if whole.reader.base != "auto" or whole.reader.facts.base != 0:
        return
    said = whole.annotations.values()
    zeros = [item.zero for item in said if item.zero is not None]
    if not zeros:
        return
    full = next((item.full for item in said if item.zero is None and item.full is not None), None)
    ones = sum(item.one for item in said)
    text = f"a corner at 0, as in {len(zeros)} of {len(said)} files; expected corners from 1"
    if full is not None:
        text += f"; but {full} reaches from 1 to the end of its image, or beyond it: both are mixed"
    elif ones > len(zeros):
        text += f"; but {ones} files have a corner at 1 and none at 0: both seem to be mixed"
    yield Fault(zeros[0], text)
