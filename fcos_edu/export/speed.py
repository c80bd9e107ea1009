"""The time of an exported detector beside the model's.

Taught on the page *Deploying*. Checked against: both sides run, as often as asked for.

Both have the same number of threads and take turns, on one image of bytes; the model is the one that
:meth:`~fcos_edu.model.FCOS.for_inference` makes.
"""

from __future__ import annotations

from typing import Any

import torch

from ..experiments.timing import Stopwatch, alternate
from ..model import FCOS
from .graph import onnx_detector
from .program import torch_detector


def timed(model: FCOS, content: bytes, kind: str, layout: str, size: tuple[int, int], turns: int) -> dict[str, Any]:
    """Median milliseconds of an image by the file's content and by the model, and their ratio.

    Args:
        model: on the CPU.
        content: of an ``.onnx`` or ``.pt2`` file.
        kind: ``"onnx"`` or ``"torch"``.
        layout: that the file was made for.
        size: height and width of the image, in pixels.
        turns: of each side.
    """
    threads = torch.get_num_threads()
    exported = onnx_detector(content, layout, threads=threads) if kind == "onnx" else torch_detector(content, layout)
    ours = model.for_inference()
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def plain() -> None:
        with torch.inference_mode():
            ours([image])

    def other() -> None:
        exported(image, model.config.score_threshold)

    there, here = alternate((other, plain), Stopwatch("cpu"), turns)
    return {
        "input": f"{size[1]} x {size[0]} pixels",
        "threads": threads,
        "exported_ms": round(there["total"], 2),
        "model_ms": round(here["total"], 2),
        "ratio": round(there["total"] / here["total"], 3),
    }
