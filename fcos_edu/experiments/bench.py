"""We against torchvision's FCOS: same weights, same batch, one process, turn by turn.

Checked against: the outputs of both, which must be equal before their times are compared. Machines are noisy, so each
part alternates between the two and the median counts; what is reported first is a ratio (ours / torchvision's).

The way is the same on CPUs and GPUs, and both sides may choose their fastest kernels (cuDNN's benchmark mode, which the
trainer leaves off: sizes change from step to step). torchvision's model runs as it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d, box_iou
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from .. import detectors
from ..config import FCOSConfig
from ..locations import Grid
from ..model import FCOS
from ..targets import assign, make_targets, pad_boxes
from ..text import counted
from ..training.precision import pick_precision
from ..training.recipes import RECIPES
from . import PARTS
from .timing import Step, Stopwatch, compare

TYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Rows of the table on a CPU: our precision and torchvision's.
ROWS = {"float32": ("no", "no"), "bf16_against_float32": ("bf16", "no"), "bf16_against_bf16": ("bf16", "bf16")}


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


def random_boxes(images: int, boxes: int, height: int, width: int, num_classes: int) -> list[dict[str, Tensor]]:
    """Targets with boxes of all sizes, seeded by the caller."""
    targets = []
    for _ in range(images):
        side = 8 * (height / 8) ** torch.rand(boxes, 2)  # from 8 pixels to the image's height, evenly in octaves
        start = torch.rand(boxes, 2) * (torch.tensor([width, height]) - side)
        xyxy = torch.cat([start, start + side], dim=1)
        targets.append({"boxes": xyxy, "labels": torch.randint(num_classes, (boxes,))})
    return targets


def random_images(images: int, height: int, width: int, device: str) -> list[Tensor]:
    """uint8 images ``(3, H, W)`` in the host's memory, pinned for a GPU: as a data loader hands them over."""
    made = [torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for _ in range(images)]
    return [image.pin_memory() for image in made] if device == "cuda" else made


class FromHost(nn.Module):
    """torchvision's model fed as ours feeds itself: bytes and boxes from the host's memory, floats on the device."""

    def __init__(self, model: nn.Module, device: str) -> None:
        super().__init__()
        self.model, self.device = model, device

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """What the model returns."""
        sent = [image.to(self.device, non_blocking=True) / 255 for image in images]
        if targets is None:
            return self.model(sent)
        return self.model(sent, [{k: v.to(self.device, non_blocking=True) for k, v in t.items()} for t in targets])


def mark_parts(watch: Stopwatch, model: FCOS | FromHost) -> None:
    """Mark ``data`` (send, resize, normalise, pad) and ``forward`` (backbone, pyramid, head) in each call."""
    if isinstance(model, FCOS):
        watch.mark_after(model.batcher, "forward", "data")
        watch.mark_after(model, "predict", "forward")
    else:
        watch.mark_after(model.model.transform, "forward", "data")
        watch.mark_after(model.model.head, "forward", "forward")


def pair(size: tuple[int, int], device: str) -> tuple[FCOS, FromHost]:
    """Both detectors with the same weights, for images of ``size``."""
    theirs = FromHost(torchvision_fcos(min_size=min(size), max_size=max(size)).to(device), device)
    ours = FCOS.from_torchvision(theirs.model).to(device)
    ours.check_inputs = False  # tests read values, which a GPU is waited for; the trainer makes them on the host
    torch.manual_seed(0)
    return ours, theirs


def autocast(device: str, precision: str) -> torch.autocast:
    """Mixed precision, or none for ``"no"``."""
    return torch.autocast(device, TYPES[precision], enabled=precision != "no")


class _MatchOnly(nn.Module):
    """Stands in for torchvision's head: takes the matches and computes no loss."""

    def compute_loss(self, targets: Any, outputs: Any, anchors: Any, matched: list[Tensor]) -> list[Tensor]:
        return matched


def bench_assignment(turns: int = 20, device: str = "cpu") -> dict[str, Any]:
    """16 images of 800x1344 with 20 boxes each: which box does each of the 22,400 locations learn?

    ``assignment``: the matches alone, on both sides. ``with_targets``: ours also makes labels and ltrb, which
    torchvision does later, in its loss.
    """
    torch.manual_seed(0)
    height, width, batch = 800, 1344, 16
    config = FCOSConfig.torchvision()
    targets = random_boxes(batch, 20, height, width, config.num_classes)
    targets = [{k: v.to(device) for k, v in t.items()} for t in targets]
    grid = Grid.of(height, width, config, device)

    theirs = torchvision_fcos()
    theirs.head = _MatchOnly()
    images = ImageList(torch.empty(batch, 3, height, width, device=device), [(height, width)] * batch)
    generator: AnchorGenerator = theirs.anchor_generator
    anchors = generator(images, [torch.empty(batch, 1, h, w, device=device) for h, w in grid.sizes])

    def match() -> Tensor:
        boxes, _, valid = pad_boxes(targets, torch.device(device))
        return assign(boxes, valid, grid.sizes, config)

    def whole() -> Any:
        return make_targets(pad_boxes(targets, torch.device(device)), grid, config)

    def peer() -> list[Tensor]:
        return theirs.compute_loss(targets, {}, anchors, grid.counts)  # type: ignore[return-value]

    if not torch.equal(match(), torch.stack(peer())):
        raise RuntimeError("ours and torchvision's assignment differ: their times cannot be compared")
    watch = Stopwatch(device)
    return {
        "input": f"{counted(batch, 'images')} {height}x{width}, 20 boxes each",
        "assignment": compare(match, peer, watch, turns),
        "with_targets": compare(whole, peer, watch, turns),
    }


def share_found(mine: dict[str, Tensor], peer: dict[str, Tensor]) -> float:
    """The share of torchvision's detections that we have too: same class, IoU above 0.99, scores within 0.001.

    Not all must be there: at the threshold and in NMS the last bits of a sum decide.
    """
    same = box_iou(mine["boxes"], peer["boxes"]) > 0.99
    same &= mine["labels"][:, None] == peer["labels"]
    same &= (mine["scores"][:, None] - peer["scores"]).abs() < 1e-3
    return same.any(dim=0).float().mean().item()


def bench_inference(
    turns: int = 5,
    device: str = "cpu",
    size: tuple[int, int] = (768, 1024),
    batches: Sequence[int] = (1,),
    rows: dict[str, tuple[str, str]] = ROWS,
    compiled: bool = False,
) -> dict[str, Any]:
    """From images to detections, which must be equal in float32; ours as ``FCOS.for_inference`` makes it."""
    ours, theirs = (model.eval() for model in pair(size, device))
    images = random_images(max(batches), *size, device)

    def detecting(model: nn.Module, batch: int, precision: str) -> Step:
        def step() -> Any:
            with torch.inference_mode(), autocast(device, precision):
                return model(images[:batch])

        return step

    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False), FlopCounterMode(display=False) as counter:
        mine = detecting(ours, 1, "no")()[0]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        peer = detecting(theirs, 1, "no")()[0]
    if (share := share_found(mine, peer)) < 0.95:
        raise RuntimeError(f"we have {share:.0%} of torchvision's detections: times would compare different work")

    watch = Stopwatch(device)
    mark_parts(watch, theirs)
    results: dict[str, Any] = {}
    for name, (mixed, peers) in rows.items():
        quick = ours.for_inference(TYPES[mixed])  # type: ignore[operator]
        if compiled:
            quick.compile()
        mark_parts(watch, quick)
        for batch in batches:
            sides = detecting(quick, batch, mixed), detecting(theirs, batch, peers)
            results[name if len(batches) == 1 else f"{name}_batch_{batch}"] = compare(
                *sides, watch, turns, "detections", images=batch, flops=batch * counter.get_total_flops()
            )
    return {
        "input": f"{' and '.join(map(str, batches))} image {size[0]}x{size[1]}, ResNet-50, frozen batch norms",
        "detections": len(mine["boxes"]),
        **results,
    }


def training_step(
    model: nn.Module, images: list[Tensor], targets: list[dict[str, Tensor]], watch: Stopwatch, precision: str
) -> Step:
    """One step of SGD on this batch, always the same one; marks ``loss`` and ``backward``."""
    device = "cuda" if watch.cuda else "cpu"
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learnt, lr=1e-6, momentum=0.9, weight_decay=1e-4, fused=True)
    for p in learnt:  # as in training.make_optimizer: a first step whose gradient overflows would leave it unset
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")

    def step() -> None:
        with autocast(device, precision):
            total = torch.stack(list(model(images, targets).values())).sum()
        watch.mark("loss")
        scaler.scale(total).backward()
        watch.mark("backward")
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return step


def bench_small(
    turns: int = 20, device: str = "cpu", precision: str | None = None, compiled: bool = False
) -> dict[str, Any]:
    """One step of the recipe ``bccd``, and the same with torchvision's FCOS on our backbone, as in ``fcos-edu study``.

    Both learn the whole network, with batch norms whose statistics are learnt too. The methods differ (torchvision has
    no ``exp``, and another unit of distances), so the losses do too.
    """
    config = RECIPES["bccd"].config
    picked = pick_precision(precision or config.precision, device)
    model, batch = config.model, config.batch_size
    size = (model.min_size, 4 * model.min_size // 3)  # of a photograph of the blood cells
    images, targets = random_images(batch, *size, device), random_boxes(batch, 13, *size, model.num_classes)
    watch = Stopwatch(device)
    ours = detectors.build("fcos", model)
    theirs = FromHost(detectors.build("torchvision_fcos", model), device)
    assert isinstance(ours, FCOS)
    ours.check_inputs = False
    both: tuple[FCOS | FromHost, ...] = (ours, theirs)
    for side in both:
        side.to(device).train()
        mark_parts(watch, side)
    mine, peer = (training_step(side, images, targets, watch, picked) for side in both)
    with FlopCounterMode(display=False) as counter:
        mine()
    if compiled:
        ours.compile()
    row = compare(mine, peer, watch, turns, "step", images=batch, flops=counter.get_total_flops())
    return {
        "input": f"{counted(batch, 'images')} {size[0]}x{size[1]}, 13 boxes each, the network of the recipe bccd",
        ("float32" if picked == "no" else f"{picked}_against_{picked}"): row,
    }


def bench_training(
    turns: int = 5,
    device: str = "cpu",
    size: tuple[int, int] = (512, 640),
    batch: int = 2,
    rows: dict[str, tuple[str, str]] = ROWS,
    compiled: bool = False,
) -> dict[str, Any]:
    """One step of SGD, stem and C2 frozen on both sides; losses must be equal in float32."""
    ours, theirs = (model.train() for model in pair(size, device))
    images, targets = random_images(batch, *size, device), random_boxes(batch, 8, *size, 91)
    watch = Stopwatch(device)

    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        mine, peer = ([v.item() for v in model(images, targets).values()] for model in (ours, theirs))
    if any(abs(a - b) > 1e-3 * abs(b) for a, b in zip(mine, peer, strict=True)):
        raise RuntimeError(f"our losses {mine} and torchvision's {peer} differ: times would compare different work")

    def learning(model: nn.Module, precision: str) -> Step:
        return training_step(model, images, targets, watch, precision)

    with FlopCounterMode(display=False) as counter:
        learning(ours, next(iter(rows.values()))[0])()
    if compiled:
        ours.compile()
    for model in (ours, theirs):
        mark_parts(watch, model)
    results = {
        name: compare(
            learning(ours, mixed), learning(theirs, peers), watch, turns, "step",
            images=batch, flops=counter.get_total_flops(),
        )
        for name, (mixed, peers) in rows.items() if mixed == peers
    }  # fmt: skip
    return {
        "input": f"{counted(batch, 'images')} {size[0]}x{size[1]}, 8 boxes each, ResNet-50, frozen batch norms, "
        "stem and C2 frozen",
        **results,
    }


def bench(
    parts: Sequence[str] = PARTS,
    turns: int = 5,
    device: str = "cpu",
    *,
    batch_size: int | None = None,
    size: tuple[int, int] | None = None,
    precision: str | None = None,
    compiled: bool = False,
) -> dict[str, Any]:
    """All asked parts; see the functions of their names.

    Args:
        parts: of ``PARTS``.
        turns: measured turns of each side (of ``assignment`` and ``small``, which are short, four times as many).
        device: ``"cpu"`` or ``"cuda"``.
        batch_size: images of a training step; None for 2 on a CPU, 16 on a GPU. ``small`` has its recipe's.
        size: height and width of the images; None for smaller ones on a CPU, the paper's 800 x 1333 on a GPU. The
            images of ``assignment`` and ``small`` are always the same.
        precision: of both sides, ``"auto"``, ``"no"``, ``"bf16"`` or ``"fp16"``; None: auto on a GPU, several on a CPU.
        compiled: ``FCOS.compile`` ours.

    Raises:
        ValueError: no GPU, or not enough memory on it.
    """
    gpu = device == "cuda"
    if gpu and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a GPU that PyTorch can use; torch.cuda.is_available() is False here")
    options: dict[str, Any] = {"compiled": compiled}
    if precision or gpu:
        picked = pick_precision(precision or "auto", device)
        options["rows"] = {"float32" if picked == "no" else f"{picked}_against_{picked}": (picked, picked)}
    if size or gpu:
        options["size"] = size or (800, 1333)
    functions = {
        "assignment": partial(bench_assignment, 4 * turns, device),
        "inference": partial(bench_inference, turns, device, batches=(1, 8) if gpu else (1,), **options),
        "training": partial(bench_training, turns, device, batch=batch_size or (16 if gpu else 2), **options),
        "small": partial(bench_small, 4 * turns, device, precision, compiled),
    }
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):  # each side on the fastest kernels
            return {part: functions[part]() for part in parts}
    except torch.OutOfMemoryError as error:
        raise ValueError(f"not enough memory on the GPU: lower --batch-size or --size ({error})") from None


def bench_table(results: dict[str, Any]) -> str:
    """Ratios as a text table, and below each what both sides spent their time on."""
    lines = [f"{'':42}{'ours':>11}{'torchvision':>13}{'ratio':>8}"]
    for part, values in results.items():
        lines.append(f"{part}: {values['input']}")
        for name, row in values.items():
            if isinstance(row, dict):
                times = f"{row['ours_ms']:>8.1f} ms{row['torchvision_ms']:>10.1f} ms{row['ratio']:>8.2f}"
                lines.append(f"  {name.replace('_', ' '):40}{times}")
                lines += [f"    {side:12}{_side_text(row[side])}" for side in ("ours", "torchvision") if side in row]
    return "\n".join(lines)


def _side_text(side: dict[str, Any]) -> str:
    words = [f"{side['images_per_second']:.2f} images/s"]
    words += [f"{part} {value:.1f} ms" for part, value in side["parts_ms"].items()]
    if side["peak_memory_mb"] is not None:
        words.append(f"{side['peak_memory_mb']} MB beside the weights")
    if side["share_of_peak"] is None:
        return ", ".join([*words, "no share of a peak: none is known here"])
    return ", ".join([*words, f"{side['share_of_peak']:.1%} of the dense 16-bit peak"])
