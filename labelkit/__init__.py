"""labelkit: convert, validate and pre-label computer-vision annotations.

The names below are the public library; each is imported when first used, so that
``import labelkit`` costs nothing and the command line starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelkit.comparing import Comparison, compare
    from labelkit.dataset import Dataset, open_dataset
    from labelkit.errors import (
        BadRecordsError,
        DestinationError,
        FormatError,
        LabelkitError,
        LossError,
        ModelError,
        RecordError,
        UsageError,
    )
    from labelkit.findings import Finding
    from labelkit.loss import fit, fit_header
    from labelkit.mending import Mended, mend
    from labelkit.model import (
        BoundingBox,
        Box,
        Category,
        Cell,
        Header,
        Image,
        ImageLabel,
        Instance,
        InstanceMap,
        Mask,
        Polygons,
        Record,
        Rle,
        SemanticMap,
    )
    from labelkit.pipeline import Report, convert
    from labelkit.prelabelling import Run, prelabel
    from labelkit.showing import Showing, show
    from labelkit.validation import Validation, validate
    from labelkit.visible import same

__version__ = "0.1.0"

__all__ = [
    "BadRecordsError",
    "BoundingBox",
    "Box",
    "Category",
    "Cell",
    "Comparison",
    "Dataset",
    "DestinationError",
    "Finding",
    "FormatError",
    "Header",
    "Image",
    "ImageLabel",
    "Instance",
    "InstanceMap",
    "LabelkitError",
    "LossError",
    "Mask",
    "Mended",
    "ModelError",
    "Polygons",
    "Record",
    "RecordError",
    "Report",
    "Rle",
    "Run",
    "SemanticMap",
    "Showing",
    "UsageError",
    "Validation",
    "compare",
    "convert",
    "fit",
    "fit_header",
    "mend",
    "open_dataset",
    "prelabel",
    "same",
    "show",
    "validate",
]

_HOMES = (
    "model",
    "errors",
    "findings",
    "visible",
    "loss",
    "dataset",
    "pipeline",
    "validation",
    "mending",
    "prelabelling",
    "comparing",
    "showing",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"labelkit.{home}")
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module 'labelkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
