"""A whole detector in one file for other programs: ONNX, or a program of ``torch.export``.

Both take one image of bytes, of any size, and give boxes in its pixels, scores and labels: resizing and NMS are inside.
Each is compared with the model before it is written. Its names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

LAYOUTS = ("hwc", "chw")  # rows, columns, channels, as Pillow and OpenCV have it; or channels first, as torch
TARGETS = ("onnx", "torch")

if TYPE_CHECKING:
    from . import agreement, graph, program, speed
    from .agreement import Agreement, ExportError, check_agreement
    from .graph import export_onnx, onnx_detector, onnx_model
    from .program import Detector, export_torch, torch_detector, torch_program
    from .speed import timed
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "agreement": ("Agreement", "ExportError", "check_agreement"),
            "graph": ("export_onnx", "onnx_detector", "onnx_model"),
            "program": ("Detector", "export_torch", "torch_detector", "torch_program"),
            "speed": ("timed",),
        },
        modules=("agreement", "graph", "program", "speed"),
    )

__all__ = [
    "LAYOUTS",
    "TARGETS",
    "Agreement",
    "Detector",
    "ExportError",
    "agreement",
    "check_agreement",
    "export_onnx",
    "export_torch",
    "graph",
    "onnx_detector",
    "onnx_model",
    "program",
    "speed",
    "timed",
    "torch_detector",
    "torch_program",
]
