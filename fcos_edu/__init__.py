"""fcos_edu: the FCOS object detector, rebuilt from the paper's equations.

Legend for the whole package: B images of a batch, L locations of all levels, M boxes of an image (padded), C classes,
boxes xyxy in pixels, ltrb distances in pixels (in strides where ``normalize_targets``).

    >>> from fcos_edu import FCOS, FCOSConfig
    >>> model = FCOS.pretrained("shapes")
"""

from .config import ConfigError, FCOSConfig
from .model import FCOS

__all__ = ["FCOS", "ConfigError", "FCOSConfig"]
