"""Does what was exported detect what the model detects? Asked before any file is written.

Taught on the page *Deploying*. Checked against: detections that were changed on purpose, one value at a time.

Two programs add in another order, so the last bits of their sums differ. Boxes may differ by 0.01 pixels and scores by
0.0001. At an edge the last bits decide more: whether a score is above the threshold, whether a box is among the best
hundred, whether an overlap is above that of NMS. A detection that only one side has must lie on such an edge; then it
is counted and told, otherwise the export is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..config import FCOSConfig
from ..data.shapes import ShapesDataset
from ..model import FCOS
from ..text import counted

PIXELS, SCORE, OVERLAP = 0.01, 1e-4, 1e-4  # the largest differences
WANTED = 20  # detections of an image that say something; where fewer pass the threshold, a lower one is tried too
# Height and width of the images, in units of min_size: both ways up, long, small, large, and what needs no resize.
SIZES = (
    (1.0, 1.0), (1.0, 4 / 3), (4 / 3, 1.0), (0.5, 0.71), (2.03, 1.41),
    (0.33, 1.27), (1.9, 0.4), (0.13, 0.11), (1.37, 1.12), (0.77, 2.01),
)  # fmt: skip

Found = dict[str, Tensor]
Detect = Callable[[Tensor, float], Found]


class ExportError(ValueError):
    """A detector that cannot be exported, or one whose export does not detect what it does."""


@dataclass(frozen=True)
class Agreement:
    """What a comparison has found: how much there was to compare, and the largest differences."""

    images: int
    detections: int
    pixels: float  # of a side of a box, in the given image
    score: float
    edges: int  # detections that only one side has, on an edge

    def words(self) -> str:
        """In a line, such as for the command."""
        on_edges = f"; {self.edges} on an edge, which only one of them has" if self.edges else ""
        return (
            f"{counted(self.detections, 'detections')} on {counted(self.images, 'images')} of all sizes: boxes "
            f"within {self.pixels:.1g} "
            f"pixels, scores within {self.score:.1g}{on_edges}"
        )


def check_agreement(detect: Detect, model: FCOS, images: Sequence[Tensor] | None = None) -> Agreement:
    """Compare an exported detector with the model.

    Args:
        detect: takes an image ``(3, H, W)`` uint8 and the score threshold; gives ``boxes``, ``scores``, ``labels``.
        model: on the CPU, in evaluation.
        images: ``(3, H, W)`` uint8; None for ten drawn and random ones of the model's sizes.

    Raises:
        ExportError: they differ; names the image's size and what differs.
    """
    images = example_images(model.config) if images is None else images
    detections = edges = 0
    pixels = score = 0.0
    for number, image in enumerate(images):
        with torch.inference_mode():
            (seen,) = model.predictions([image])
            expected = model.detections(seen)[0]
            tries, few = [(model.config, expected)], []
            if len(expected["scores"]) < WANTED:
                lower = model.config.replace(score_threshold=_lower_threshold(seen.output, model.config))
                tries.append((lower, model.detections(seen, lower)[0]))
            if not number:  # programs that were compiled are often wrong about none and one
                few = [(one, model.detections(seen, one)[0]) for one in _thresholds_of_few(seen.output, model.config)]
        detections += sum(len(wanted["scores"]) for _, wanted in tries)
        for config, wanted in tries + few:
            where = f"of an image of {image.shape[2]} x {image.shape[1]}"
            try:
                found = detect(image, config.score_threshold)
            except Exception as error:  # each kind of program has its own errors
                told = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0]}"
                raise ExportError(
                    f"the export fails where the model finds {counted(len(wanted['scores']), 'detections')} {where} "
                    f"({told}): it is not written"
                ) from error
            far, apart, alone = compare(found, wanted, config, where)
            pixels, score, edges = max(pixels, far), max(score, apart), edges + alone
    if not detections:
        raise ExportError("nothing was found on any test image, so nothing can be compared")
    return Agreement(len(images), detections, pixels, score, edges)


def compare(found: Found, wanted: Found, config: FCOSConfig, where: str = "") -> tuple[float, float, int]:
    """The largest differences of boxes (pixels) and scores, and how many detections on an edge only one side has.

    Args:
        found: of the export.
        wanted: of the model, with ``class_scores`` too.
        config: whose threshold and number of detections made both.
        where: what an error names.

    Raises:
        ExportError: a detection that only one has, and not on an edge.
    """
    sides = (found["boxes"][:, None] - wanted["boxes"]).abs().amax(dim=2)  # (K, M)
    scores = (found["scores"][:, None] - wanted["scores"]).abs()
    near = (sides <= PIXELS) & (scores <= SCORE) & (found["labels"][:, None] == wanted["labels"])
    partner: dict[int, int] = {}  # of each wanted one; equal ones need not stand in the same order
    for place, row in enumerate(near):
        free = [other for other in row.nonzero()[:, 0].tolist() if other not in partner]
        if free:
            partner[min(free, key=lambda other: abs(other - place))] = place
    pairs = torch.tensor([(one, other) for other, one in partner.items()], dtype=torch.int64).reshape(-1, 2)
    far = float(sides[pairs[:, 0], pairs[:, 1]].max()) if len(pairs) else 0.0
    apart = float(scores[pairs[:, 0], pairs[:, 1]].max()) if len(pairs) else 0.0
    alone = 0
    for name, side, other, paired in (
        ("the export", found, wanted, set(pairs[:, 0].tolist())),
        ("the model", wanted, found, set(pairs[:, 1].tolist())),
    ):
        for place in sorted(set(range(len(side["scores"]))) - paired):
            if not _on_edge(side, other, place, config):
                box = [round(v, 2) for v in side["boxes"][place].tolist()]
                raise ExportError(
                    f"only {name} has the detection {box}, label {int(side['labels'][place])}, score "
                    f"{float(side['scores'][place]):.4f} {where}: the export does not detect what the model does, and "
                    "is not written"
                )
            alone += 1
    return far, apart, alone


def _on_edge(side: Found, other: Found, place: int, config: FCOSConfig) -> bool:
    """Whether the last bits of a sum may have decided over a detection that the other side lacks."""
    score, box = side["scores"][place], side["boxes"][place][None]
    tested = side.get("class_scores", side["scores"])[place] if config.threshold_on == "class" else score
    if abs(float(tested) - config.score_threshold) <= SCORE:
        return True
    last = min(float(one["scores"].min()) if len(one["scores"]) else 1.0 for one in (side, other))
    full = min(len(one["scores"]) for one in (side, other)) >= config.detections_per_image
    if full and float(score) <= last + SCORE:
        return True
    for one in (side, other):
        same = one["labels"] == side["labels"][place]
        if bool(((box_iou(box, one["boxes"][same]) - config.nms_threshold).abs() <= OVERLAP).any()):
            return True
    return False


def _tested(output: object, config: FCOSConfig) -> Tensor:
    """What is held against the threshold, of all pairs of a location and a class."""
    from ..inference import location_quality

    tested = output.logits.sigmoid()  # type: ignore[attr-defined]
    if config.threshold_on == "product":
        quality = location_quality(output, config)  # type: ignore[arg-type]
        tested = tested if quality is None else tested * quality[..., None]
        tested = tested.sqrt() if config.sqrt_score else tested
    return tested.flatten()


def _thresholds_of_few(output: object, config: FCOSConfig) -> list[FCOSConfig]:
    """The configuration with a threshold that no pair passes, and with one that a single pair passes, or nearly so."""
    first, second = _tested(output, config).topk(2).values.double().tolist()
    return [config.replace(score_threshold=value) for value in (1.0, (first + second) / 2)]


def _lower_threshold(output: object, config: FCOSConfig) -> float:
    """A threshold that five hundred location-class pairs or more pass, in the widest gap between their scores."""
    tested = _tested(output, config)
    best = tested.topk(min(1000, tested.numel())).values
    best = best[len(best) // 2 :].double()
    if len(best) < 2:
        return 0.0
    widest = int((best[:-1] / best[1:].clamp(min=1e-30)).argmax())
    return float((best[widest] + best[widest + 1]) / 2)


def example_images(config: FCOSConfig) -> list[Tensor]:
    """Ten images ``(3, H, W)`` uint8 of sizes around ``min_size``: drawn shapes, and random patches with noise."""
    images = []
    for number, (height, width) in enumerate(SIZES):
        size = max(1, round(height * config.min_size)), max(1, round(width * config.min_size))
        if number % 2 == 0 and min(size) >= 64:
            images.append(_drawn(size, number))
        else:
            images.append(_patches(size, number))
    return images


def _drawn(size: tuple[int, int], seed: int) -> Tensor:
    item = ShapesDataset(1, "test", seed=seed, size=size)[0]
    assert item is not None  # of files alone, which may be broken
    return item[0].as_subclass(Tensor)


def _patches(size: tuple[int, int], seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 7, generator=chance)
    image = torch.nn.functional.interpolate(coarse, size=size, mode="nearest")[0]
    image += 0.1 * torch.randn(3, *size, generator=chance)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)
