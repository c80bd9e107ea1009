"""fcos_edu: the FCOS object detector, rebuilt from the paper's equations.

Legend for the whole package: B images of a batch, L locations of all levels, M boxes of an image (padded), C classes,
boxes xyxy in pixels, ltrb distances in pixels (in strides where ``normalize_targets``).

    >>> from fcos_edu import FCOS, FCOSConfig
    >>> model = FCOS.pretrained("shapes")

What most programs need can be imported from here. The names are imported when they are first used, so that
``import fcos_edu`` and ``fcos-edu --help`` do not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._version import __version__
    from .config import FCOSConfig
    from .data.loading import load as load_dataset
    from .detections import Detections, detect
    from .detectors import load as load_detector
    from .evaluation.coco_ap import evaluate
    from .model import FCOS
    from .settings import ConfigError
    from .training.config import TrainConfig
    from .training.loop import train
    from .training.recipes import RECIPES
else:
    from ._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "_version": ("__version__",),
            "config": ("FCOSConfig",),
            "data.loading": ("load as load_dataset",),
            "detections": ("Detections", "detect"),
            "detectors": ("load as load_detector",),
            "evaluation.coco_ap": ("evaluate",),
            "model": ("FCOS",),
            "settings": ("ConfigError",),
            "training.config": ("TrainConfig",),
            "training.loop": ("train",),
            "training.recipes": ("RECIPES",),
        },
    )

__all__ = [
    "FCOS",
    "RECIPES",
    "ConfigError",
    "Detections",
    "FCOSConfig",
    "TrainConfig",
    "__version__",
    "detect",
    "evaluate",
    "load_dataset",
    "load_detector",
    "train",
]
