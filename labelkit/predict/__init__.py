"""Models that label images: from torchvision's registry or a checkpoint, to records.

Nothing here imports torch before a model is asked for; ``torchvision_models`` is the one door to it. Data
flows one way: a plan of batches (``plan``) → decoded images (``inputs``) → the model (``loading``,
``running``) → records (``adapters``).
"""

from __future__ import annotations

from types import ModuleType

from labelkit.errors import ModelError

TASKS = ("classification", "localization", "detection", "semantic", "instance")
OBJECT_TASKS = ("localization", "detection", "instance")  # whose models are detectors
EXTRA = 'pip install "labelkit-vision[prelabel]"'


def torchvision_models() -> ModuleType:
    """``torchvision.models``. Raises ModelError that names the extra where it is not installed."""
    try:
        import torchvision.models
    except ImportError as error:
        raise ModelError(
            "torchvision", f"cannot be imported ({error})", "the extra prelabel", EXTRA
        ) from None
    models: ModuleType = torchvision.models
    return models
