"""We against torchvision's FCOS: same weights, same input, one process, turn by turn.

Checked against: the outputs of both, which must be equal before their times are compared. Machines are noisy, so each
part alternates between the two and the median counts; what is reported is a ratio (ours / torchvision's).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from .config import FCOSConfig
from .locations import feature_sizes
from .model import FCOS
from .targets import assign, make_targets, pad_boxes

PARTS = ("assignment", "inference", "training")


def torchvision_fcos(seed: int = 0, num_classes: int = 91, **options: Any) -> TorchvisionFCOS:
    """torchvision's ``fcos_resnet50_fpn`` as published (frozen batch norms), with random weights that find boxes."""
    torch.manual_seed(seed)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3,
        returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256),
    )  # fmt: skip
    model = TorchvisionFCOS(backbone, num_classes, **options)
    with torch.no_grad():
        for name, value in model.named_buffers():
            if name.endswith("bn3.weight"):
                value.fill_(0.2)  # residual branches of random networks with unit norms would explode
        for name, value in model.head.named_parameters():
            if name.endswith("weight") and value.dim() == 4:
                nn.init.normal_(value, std=0.02)
        model.head.classification_head.cls_logits.bias.fill_(-3.0)
        model.head.regression_head.bbox_reg.bias.fill_(2.0)
    return model


def alternate(first: Callable[[], Any], second: Callable[[], Any], repeat: int, device: str) -> tuple[float, float]:
    """Median seconds of two functions that take turns; one unmeasured turn each comes before."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeat + 1):
        for function, seconds in zip((first, second), times, strict=True):
            if device == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
            function()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeat: int, device: str) -> dict[str, float]:
    """Milliseconds of both, and ours / torchvision's."""
    a, b = alternate(ours, theirs, repeat, device)
    return {"ours_ms": round(1000 * a, 2), "torchvision_ms": round(1000 * b, 2), "ratio": round(a / b, 3)}


def random_boxes(images: int, boxes: int, height: int, width: int, num_classes: int) -> list[dict[str, Tensor]]:
    """Targets with boxes of all sizes, seeded by the caller."""
    targets = []
    for _ in range(images):
        side = 8 * (height / 8) ** torch.rand(boxes, 2)  # from 8 pixels to the image's height, evenly in octaves
        start = torch.rand(boxes, 2) * (torch.tensor([width, height]) - side)
        xyxy = torch.cat([start, start + side], dim=1)
        targets.append({"boxes": xyxy, "labels": torch.randint(num_classes, (boxes,))})
    return targets


class _MatchOnly(nn.Module):
    """Stands in for torchvision's head: takes the matches and computes no loss."""

    def compute_loss(self, targets: Any, outputs: Any, anchors: Any, matched: list[Tensor]) -> list[Tensor]:
        return matched


def bench_assignment(repeat: int = 20, device: str = "cpu") -> dict[str, Any]:
    """16 images of 800x1344 with 20 boxes each: which box does each of the 22,400 locations learn?

    ``assignment``: the matches alone, on both sides. ``with_targets``: ours also makes labels and ltrb, which
    torchvision does later, in its loss.
    """
    torch.manual_seed(0)
    height, width, batch = 800, 1344, 16
    config = FCOSConfig.torchvision()
    targets = random_boxes(batch, 20, height, width, config.num_classes)
    targets = [{k: v.to(device) for k, v in t.items()} for t in targets]
    sizes = feature_sizes(height, width, config.strides)

    theirs = torchvision_fcos()
    theirs.head = _MatchOnly()
    images = ImageList(torch.empty(batch, 3, height, width, device=device), [(height, width)] * batch)
    generator: AnchorGenerator = theirs.anchor_generator
    anchors = generator(images, [torch.empty(batch, 1, h, w, device=device) for h, w in sizes])
    counts = [h * w for h, w in sizes]

    ours = FCOS(config, load_backbone=False)
    points = ours.locations(height, width, device)

    def match() -> Tensor:
        boxes, _, valid = pad_boxes(targets, torch.device(device))
        return assign(boxes, valid, sizes, config)

    def whole() -> Any:
        boxes, labels, valid = pad_boxes(targets, torch.device(device))
        return make_targets(boxes, labels, valid, points, sizes, config)

    def peer() -> list[Tensor]:
        return theirs.compute_loss(targets, {}, anchors, counts)  # type: ignore[return-value]

    if not torch.equal(match(), torch.stack(peer())):
        raise RuntimeError("ours and torchvision's assignment differ: their times cannot be compared")
    return {
        "input": f"{batch} images {height}x{width}, 20 boxes each",
        "assignment": compare(match, peer, repeat, device),
        "with_targets": compare(whole, peer, repeat, device),
    }


def bench_inference(repeat: int = 5, device: str = "cpu", height: int = 768, width: int = 1024) -> dict[str, Any]:
    """One image, R-50, detections equal in float32; then ours in bf16 against torchvision in float32 and in bf16."""
    theirs = torchvision_fcos(min_size=height, max_size=width).eval().to(device)
    ours = FCOS.from_torchvision(theirs).to(device)
    image = [torch.rand(3, height, width).to(device)]

    def run(model: nn.Module, bf16: bool) -> Callable[[], Any]:
        def call() -> Any:
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
                return model(image)

        return call

    mine, peer = run(ours, False)()[0], run(theirs, False)()[0]
    equal = len(mine["boxes"]) == len(peer["boxes"]) and bool(
        torch.allclose(mine["boxes"], peer["boxes"], atol=0.01)
        and torch.allclose(mine["scores"], peer["scores"], atol=1e-4)
        and torch.equal(mine["labels"], peer["labels"])
    )
    if not equal:
        raise RuntimeError("ours and torchvision's detections differ: their times cannot be compared")
    return {
        "input": f"1 image {height}x{width}, ResNet-50, frozen batch norms",
        "detections": len(mine["boxes"]),
        "float32": compare(run(ours, False), run(theirs, False), repeat, device),
        "bf16_against_float32": compare(run(ours, True), run(theirs, False), repeat, device),
        "bf16_against_bf16": compare(run(ours, True), run(theirs, True), repeat, device),
    }


def bench_training(
    repeat: int = 5, device: str = "cpu", height: int = 512, width: int = 640, batch: int = 2
) -> dict[str, Any]:
    """One optimizer step, R-50, stem and C2 frozen on both sides, SGD; losses equal in float32, then both in bf16."""
    theirs = torchvision_fcos(min_size=height, max_size=width).train().to(device)
    ours = FCOS.from_torchvision(theirs).to(device).train()
    torch.manual_seed(0)
    images = [torch.rand(3, height, width).to(device) for _ in range(batch)]
    targets = [{k: v.to(device) for k, v in t.items()} for t in random_boxes(batch, 8, height, width, 91)]
    mine = {k: v.item() for k, v in ours(images, targets).items()}
    peer = {k: v.item() for k, v in theirs(images, [dict(t) for t in targets]).items()}
    if any(abs(a - b) > 1e-4 * abs(b) for a, b in zip(mine.values(), peer.values(), strict=True)):
        raise RuntimeError(f"ours and torchvision's losses differ ({mine} and {peer}): their times cannot be compared")

    def step(model: nn.Module, bf16: bool) -> Callable[[], None]:
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-6, momentum=0.9)

        def call() -> None:
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                losses = model(images, [dict(t) for t in targets])
                total = sum(losses.values())
            total.backward()
            optimizer.step()
            optimizer.zero_grad()

        return call

    return {
        "input": f"{batch} images {height}x{width}, 8 boxes each, ResNet-50, frozen batch norms, stem and C2 frozen",
        "float32": compare(step(ours, False), step(theirs, False), repeat, device),
        "bf16_against_bf16": compare(step(ours, True), step(theirs, True), repeat, device),
    }


def bench(parts: tuple[str, ...] = PARTS, repeat: int = 5, device: str = "cpu") -> dict[str, Any]:
    """All asked parts; see the functions of their names."""
    functions = {
        "assignment": lambda: bench_assignment(4 * repeat, device),
        "inference": lambda: bench_inference(repeat, device),
        "training": lambda: bench_training(repeat, device),
    }
    return {part: functions[part]() for part in parts}


def bench_table(results: dict[str, Any]) -> str:
    """The ratios as a text table."""
    lines = [f"{'':42}{'ours':>11}{'torchvision':>13}{'ratio':>8}"]
    for part, values in results.items():
        lines.append(f"{part}: {values['input']}")
        for name, row in values.items():
            if isinstance(row, dict):
                times = f"{row['ours_ms']:>8.1f} ms{row['torchvision_ms']:>10.1f} ms{row['ratio']:>8.2f}"
                lines.append(f"  {name.replace('_', ' '):40}{times}")
    return "\n".join(lines)
