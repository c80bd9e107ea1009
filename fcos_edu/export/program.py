"""The whole detector as a program of ``torch.export``: a ``.pt2`` file that torch runs without this package.

Taught on the page *Deploying*. Checked against: the model, on images of many sizes, after the file was loaded again.

:class:`Detector` says once more what :class:`~fcos_edu.images.ImageBatcher` and :func:`~fcos_edu.inference.detect` do,
for one image whose size is not known yet. Two things make that possible: sizes are computed as tensors, in float64 as
the package has them, and become numbers only then; and a canvas is a number of cells, not of pixels, so that torch
knows how it divides.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..compat import sure
from ..config import FCOSConfig
from ..inference import location_quality
from ..locations import axis
from ..model import FCOS
from ..network import HeadOutput
from ..targets import ltrb_to_boxes
from .agreement import Agreement, ExportError, Found, check_agreement

LARGEST = 2**15  # pixels of a side of an image that a program takes


class Detector(nn.Module):
    """One image to its detections, in operations that ``torch.export`` can follow.

    Takes an image of bytes, ``(H, W, 3)`` or, with the layout ``"chw"``, ``(3, H, W)``. Gives boxes ``(K, 4)`` xyxy
    in its pixels, scores ``(K,)`` and labels ``(K,)`` int64, highest score first.

    Args:
        model: on the CPU; the program holds a copy, as :meth:`~fcos_edu.model.FCOS.for_inference` makes it.
        layout: of the image.
    """

    score_threshold: Tensor  # a scalar, which a loaded program can be given another value of
    mean: Tensor
    std: Tensor

    def __init__(self, model: FCOS, layout: str = "hwc") -> None:
        super().__init__()
        frozen = model.for_inference()
        self.config, self.layout = model.config, layout
        self.pyramid, self.head = frozen.pyramid, frozen.head
        self.register_buffer("mean", model.batcher.mean.clone())
        self.register_buffer("std", model.batcher.std.clone())
        self.register_buffer("score_threshold", torch.tensor(model.config.score_threshold))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        config = self.config
        chw = image.permute(2, 0, 1) if self.layout == "hwc" else image
        given = torch.stack([torch.scalar_tensor(side, dtype=torch.float64) for side in chw.shape[1:]])
        size, cells = self.sizes(given)
        height, width = (_number(side, config.max_size) for side in size)
        rows, columns = (_number(side, -(-config.max_size // config.size_divisor)) for side in cells)
        below, right = rows * config.size_divisor - height, columns * config.size_divisor - width
        sure(below >= 0)
        sure(right >= 0)

        pixels = F.interpolate(chw[None].float() / 255, size=(height, width), mode="bilinear", align_corners=False)
        canvas = F.pad((pixels.clamp(0, 1) - self.mean) / self.std, (0, right, 0, below))
        features = self.pyramid(canvas)
        sizes = [(feature.shape[-2], feature.shape[-1]) for feature in features]
        scores, labels, boxes = self.candidates(self.head(features), sizes)

        limit = size.flip(0).repeat(2).float()  # w, h, w, h
        boxes = torch.minimum(boxes.clamp(min=0), limit).double()
        # As class_wise_nms: each class at a place of its own. The side is that of the largest image.
        apart = (labels * float(config.max_size + 1))[:, None]
        # torchvision tells torch.export that two boxes or more come out of NMS, and a program refuses what is less: two
        # more go in, left of all others and with lower scores, so that they come out as the last two.
        far = torch.tensor([[-2.0, 0.0, -1.0, 1.0], [-4.0, 0.0, -3.0, 1.0]], dtype=torch.float64)
        kept = torch.ops.torchvision.nms(
            torch.cat([boxes + apart, far]),
            torch.cat([scores.double(), torch.tensor([-1.0, -2.0], dtype=torch.float64)]),
            config.nms_threshold,
        )
        kept = kept[:-2][: config.detections_per_image]
        back = (given / size).flip(0).repeat(2)
        return (boxes[kept] * back).float(), scores[kept], labels[kept]

    def sizes(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """:func:`~fcos_edu.images.resized_size` of (height, width), and the cells of its canvas; ``(2,)`` int64."""
        config = self.config
        scale = torch.minimum(config.min_size / given.min(), config.max_size / given.max())
        side = given * scale
        side = (side.floor() if config.torchvision_quirks else side.round()).clamp(min=1).long()
        return side, (side + config.size_divisor - 1) // config.size_divisor

    def candidates(self, output: HeadOutput, sizes: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        """What goes into NMS: scores ``(N,)``, labels and boxes ``(N, 4)`` on the canvas, highest score first."""
        config, classes = self.config, output.logits.shape[-1]
        quality = location_quality(output, config)
        canvas = [side * config.strides[0] for side in sizes[0]]
        start, found = 0, []
        for (rows, columns), stride in zip(sizes, config.strides, strict=True):
            level = slice(start, start + rows * columns)
            probability = output.logits[0, level].sigmoid()
            score = probability if quality is None else probability * quality[0, level, None]
            score = score.sqrt() if config.sqrt_score else score
            tested = probability if config.threshold_on == "class" else score
            score = score.masked_fill(~(tested > self.score_threshold), -1.0).flatten()
            best, pairs = score.topk(torch.sym_min(config.pre_nms_top_k, rows * columns * classes))
            where, label = pairs // classes, pairs % classes
            distances = output.distances[0, level][where] * (stride if config.normalize_targets else 1)
            down, across = (canvas[0] // rows, canvas[1] // columns) if config.torchvision_quirks else (stride, stride)
            ys = axis(rows, down, config.location_offset)[where // columns]
            xs = axis(columns, across, config.location_offset)[where % columns]
            found.append((best, label, ltrb_to_boxes(torch.stack([xs, ys], dim=1), distances)))
            start = start + rows * columns
        scores, labels, boxes = (torch.cat(part) for part in zip(*found, strict=True))
        scores, order = scores.sort(descending=True, stable=True)
        passed = (scores >= 0).nonzero()[:, 0]
        order = order[passed]
        return scores[passed], labels[order], boxes[order]


def _number(side: Tensor, most: int) -> Any:
    """A scalar as a number that torch can count on to lie in 1 to ``most``."""
    value = side.item()
    sure(value >= 1)
    sure(value <= most)
    return value


def refuse(config: FCOSConfig, what: str) -> None:
    """Refuse a configuration that needs the true boxes.

    Raises:
        ExportError: names it.
    """
    if config.centerness_inference == "oracle":
        raise ExportError(f"centerness_inference is 'oracle', which needs the true boxes; {what} has none")


def torch_program(model: FCOS, layout: str = "hwc") -> bytes:
    """A ``.pt2`` file's content: the program, and ``detector.json`` with the configuration and what goes in and out.

    Args:
        model: on the CPU.
        layout: of the image, ``"hwc"`` or ``"chw"``.

    Raises:
        ExportError: ``torch.export`` cannot follow the network, or the configuration needs the true boxes.
    """
    refuse(model.config, "an exported program")
    whole = Detector(model, layout).eval()
    side = round(1.1 * model.config.min_size)
    example = torch.zeros((side, side + 8, 3) if layout == "hwc" else (3, side, side + 8), dtype=torch.uint8)
    first = 0 if layout == "hwc" else 1
    dims = {first + i: torch.export.Dim(name, min=1, max=LARGEST) for i, name in enumerate(("height", "width"))}
    content = io.BytesIO()
    about = {"config": model.config.to_dict(), "class_names": list(model.config.class_names), "layout": layout}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, for its developers
        try:
            program = torch.export.export(whole, (example,), dynamic_shapes=({**dims},), strict=False)
        except Exception as error:  # each network has its own way of refusing
            raise ExportError(
                f"torch.export cannot follow {model.config.backbone!r}: {type(error).__name__}: "
                f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
            ) from error
        torch.export.save(program, content, extra_files={"detector.json": json.dumps(about)})
    return content.getvalue()


def torch_detector(content: bytes, layout: str = "hwc") -> Any:
    """A function from an image ``(3, H, W)`` uint8 and a threshold to detections, by the program of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(io.BytesIO(content)).module()
    threshold: Any = program.score_threshold

    def detect(image: Tensor, score_threshold: float) -> Found:
        threshold.fill_(score_threshold)
        with torch.no_grad():
            found = program(image.permute(1, 2, 0) if layout == "hwc" else image)
        return dict(zip(("boxes", "scores", "labels"), found, strict=True))

    return detect


def export_torch(model: FCOS, layout: str = "hwc") -> tuple[bytes, Agreement]:
    """The content of a ``.pt2`` file that was loaded again and compared with the model.

    Raises:
        ExportError: as :func:`torch_program`, or it does not detect what the model does.
    """
    content = torch_program(model, layout)
    return content, check_agreement(torch_detector(content, layout), model)
