"""From outputs to detections: NMS against torchvision, every switch of Tables 3 and 4 on outputs made by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchvision.ops import batched_nms, box_iou, nms

from fcos_edu import FCOSConfig
from fcos_edu.centerness import centerness
from fcos_edu.inference import (
    best_after_nms,
    candidates_before_nms,
    class_wise_nms,
    detect,
    location_quality,
    select_candidates,
)
from fcos_edu.locations import Grid, canvas_locations, feature_sizes
from fcos_edu.network import HeadOutput
from fcos_edu.targets import Targets, ltrb_to_boxes

CANVAS = (64, 64)


def config_of(**changes: Any) -> FCOSConfig:
    """Two classes on P3 and P4 alone: 64 and 16 locations of a 64 x 64 canvas."""
    base: dict[str, Any] = {
        "num_classes": 2,
        "levels": (3, 4),
        "level_bounds": (0, 32, math.inf),
        "normalize_targets": False,
    }
    return FCOSConfig.tiny(**(base | changes))


def blank(config: FCOSConfig, batch: int = 1) -> HeadOutput:
    """Outputs without any detection: no class, boxes of 8 x 8 around each location, center-ness 1/2."""
    length = sum(h * w for h, w in feature_sizes(*CANVAS, config.strides))
    return HeadOutput(
        torch.full((batch, length, config.num_classes), -20.0),
        torch.full((batch, length, 4), 4.0),
        None if config.centerness_branch == "none" else torch.zeros(batch, length),
    )


def run(
    output: HeadOutput, config: FCOSConfig, targets: Targets | None = None, **sizes: Any
) -> list[dict[str, Tensor]]:
    image_sizes = sizes.get("image_sizes", [CANVAS] * len(output.logits))
    return detect(output, Grid.of(*CANVAS, config), image_sizes, config, targets)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


# ------------------------------------------------------------------ one detection, by hand
def test_one_detection_by_hand() -> None:
    config = config_of()
    out = blank(config)
    where = 8 * 2 + 3  # row 2, column 3 of P3: the location (28, 20)
    out.logits[0, where, 1] = logit(0.8)
    out.distances[0, where] = torch.tensor([10.0, 5, 6, 7])
    out.centerness[0, where] = logit(0.5)  # type: ignore[index]
    (found,) = run(out, config)
    assert found["boxes"].tolist() == [[18, 15, 34, 27]]
    assert found["labels"].tolist() == [1] and found["labels"].dtype == torch.int64
    assert found["scores"].tolist() == pytest.approx([0.4])  # 0.8 x 0.5


def test_each_detection_tells_where_it_came_from() -> None:
    """Location, level and class score lead back to the outputs that made the box and its score."""
    torch.manual_seed(0)
    config = config_of(score_threshold=0.3, nms_threshold=0.9)
    out = blank(config, batch=2)
    out = HeadOutput(
        torch.randn_like(out.logits), torch.rand_like(out.distances) * 20, torch.randn_like(out.logits[..., 0])
    )
    points = canvas_locations(feature_sizes(*CANVAS, config.strides), config)
    assert out.centerness is not None
    for i, found in enumerate(run(out, config)):
        where, label = found["locations"], found["labels"]
        assert len(where) > 10 and len(set(found["levels"].tolist())) == 2
        assert torch.equal(found["levels"], torch.where(where < 64, 3, 4))  # P3 has the first 64 locations
        boxes = ltrb_to_boxes(points[where], out.distances[i, where])
        torch.testing.assert_close(found["boxes"], boxes.clamp(0, 64))
        torch.testing.assert_close(found["class_scores"], out.logits[i, where, label].sigmoid())
        torch.testing.assert_close(found["scores"], found["class_scores"] * out.centerness[i, where].sigmoid())


def test_distances_in_strides() -> None:
    config = config_of(normalize_targets=True)
    out = blank(config)
    out.logits[0, 64, 0] = 5.0  # the first location of P4, (8, 8)
    out.logits[0, 0, 1] = 4.0  # the first of P3, (4, 4)
    out.distances[:] = 0.25
    (found,) = run(out, config)
    assert found["labels"].tolist() == [0, 1]
    assert found["boxes"].tolist() == [[4, 4, 12, 12], [2, 2, 6, 6]]


def test_one_location_may_carry_two_classes() -> None:
    config = config_of()
    out = blank(config)
    out.logits[0, 10] = torch.tensor([2.0, 3.0])
    (found,) = run(out, config)
    assert found["labels"].tolist() == [1, 0]
    assert torch.equal(found["boxes"][0], found["boxes"][1])


@pytest.mark.parametrize("batch", [1, 3])
def test_nothing_found(batch: int) -> None:
    config = config_of()
    found = run(blank(config, batch), config)
    assert len(found) == batch
    for one in found:
        assert one["boxes"].shape == (0, 4)
        assert one["scores"].shape == one["labels"].shape == (0,)
        assert one["labels"].dtype == torch.int64


def test_a_diverged_network_finds_nothing() -> None:
    config = config_of()
    out = blank(config)
    out.logits[:] = math.nan
    (found,) = run(out, config)
    assert len(found["boxes"]) == 0


class _Waits(TorchDispatchMode):
    """Counts the operations whose result has a shape that only the device knows."""

    count = 0
    ops = torch.ops.aten
    waiting = (ops.nonzero.default, ops.masked_select.default, ops._local_scalar_dense.default)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (*self.waiting, torch.ops.torchvision.nms.default)
        if func is self.ops.index.Tensor:  # a mask as an index is a nonzero in disguise
            self.count += any(isinstance(t, Tensor) and t.dtype == torch.bool for t in tree_leaves(args[1]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("batch", [1, 4])
def test_images_are_told_apart_without_masks(batch: int) -> None:
    """Only NMS, once for each image, gives what the host has to wait for; besides one list of counts."""
    config = config_of()
    out = blank(config, batch)
    out.logits[:, ::7, 1] = 2.0
    with _Waits() as waits:
        found = run(out, config)
    assert all(len(one["boxes"]) > 3 for one in found)
    assert waits.count == batch


def test_boxes_are_clipped_to_the_image_not_the_canvas() -> None:
    config = config_of()
    out = blank(config, batch=2)
    out.logits[:, 20, 0] = 5.0
    out.distances[:] = 1000.0
    first, second = run(out, config, image_sizes=[(40, 64), (64, 50)])
    assert first["boxes"].tolist() == [[0, 0, 64, 40]]
    assert second["boxes"].tolist() == [[0, 0, 50, 64]]


def test_images_of_a_batch_do_not_mix() -> None:
    config = config_of()
    torch.manual_seed(0)
    out = HeadOutput(torch.randn(3, 80, 2), torch.rand(3, 80, 4) * 20, torch.randn(3, 80))
    together = run(out, config)
    for i, one in enumerate(together):
        (alone,) = run(HeadOutput(*[o[i : i + 1] for o in out]), config)  # type: ignore[index]
        assert len(one["boxes"]) > 3
        assert torch.equal(one["labels"], alone["labels"]) and torch.equal(one["boxes"], alone["boxes"])
        torch.testing.assert_close(one["scores"], alone["scores"])  # sigmoid's last bit depends on the alignment


def test_properties_of_random_detections() -> None:
    torch.manual_seed(0)
    config = config_of(detections_per_image=20, nms_threshold=0.3, score_threshold=0.1)
    out = HeadOutput(torch.randn(2, 80, 2), torch.rand(2, 80, 4) * 20, torch.randn(2, 80))
    for found in run(out, config, image_sizes=[(64, 64), (50, 60)]):
        assert len(found["boxes"]) == 20
        assert (found["scores"].diff() <= 0).all()
        for label in (0, 1):
            boxes = found["boxes"][found["labels"] == label]
            assert (box_iou(boxes, boxes).triu(1) <= 0.3).all()
    assert (run(out, config, image_sizes=[(64, 64), (50, 60)])[1]["boxes"] <= torch.tensor([60.0, 50, 60, 50])).all()


# ------------------------------------------------------------------ the switches
def scores(config: FCOSConfig, probability: float, quality: float, **kwargs: Any) -> list[float]:
    """The scores found when one location has this class probability and this center-ness."""
    out = blank(config)
    out.logits[0, 5, 0] = logit(probability)
    if out.centerness is not None:
        out.centerness[0, 5] = logit(quality)
    return run(out, config, **kwargs)[0]["scores"].tolist()


@pytest.mark.parametrize(
    ("threshold_on", "sqrt_score", "want"),
    [
        ("class", False, [0.12]),  # 0.6 > 0.3 although 0.6 x 0.2 = 0.12 is not
        ("product", False, []),  # 0.12 < 0.3
        ("class", True, [math.sqrt(0.12)]),
        ("product", True, [math.sqrt(0.12)]),  # 0.346 > 0.3: the root is tested, as torchvision does
    ],
)
def test_where_the_threshold_stands(threshold_on: str, sqrt_score: bool, want: list[float]) -> None:
    config = config_of(score_threshold=0.3, threshold_on=threshold_on, sqrt_score=sqrt_score)
    assert scores(config, 0.6, 0.2) == pytest.approx(want)


def test_the_threshold_itself_is_not_above_the_threshold() -> None:
    config = config_of(score_threshold=0.5, centerness_inference="none")
    out = blank(config)
    out.logits[0, 5, 0] = 0.0  # exactly 1/2
    assert len(run(out, config)[0]["scores"]) == 0
    out.logits[0, 5, 0] = 1e-3
    assert len(run(out, config)[0]["scores"]) == 1


def test_centerness_from_the_branch_or_not_at_all() -> None:
    assert scores(config_of(), 0.6, 0.2) == pytest.approx([0.12])
    assert scores(config_of(centerness_inference="none"), 0.6, 0.2) == pytest.approx([0.6])


def test_centerness_computed_from_the_prediction() -> None:
    config = config_of(centerness_inference="computed", centerness_branch="none")
    out = blank(config)
    out.logits[0, 27, 0] = logit(0.6)
    out.distances[0, 27] = torch.tensor([2.0, 9, 8, 1])  # Eq. 3: 1/6
    assert run(out, config)[0]["scores"].tolist() == pytest.approx([0.1])


def test_centerness_of_the_oracle() -> None:
    config = config_of(centerness_inference="oracle")
    length = 80
    distances = torch.zeros(1, length, 4)
    distances[0, 5] = torch.tensor([2.0, 9, 8, 1])
    labels = torch.full((1, length), -1)
    labels[0, 5] = 0
    targets = Targets(labels, distances, labels)
    assert scores(config, 0.6, 0.9, targets=targets) == pytest.approx([0.1])
    with pytest.raises(ValueError, match="oracle' needs the true boxes: call model"):
        scores(config, 0.6, 0.9)
    # A location outside every box has quality 0: it is ranked last, whatever its class says.
    out = blank(config)
    out.logits[0, 5, 0], out.logits[0, 50, 0] = logit(0.1), logit(0.99)
    assert run(out, config, targets)[0]["scores"].tolist() == pytest.approx([0.1 / 6, 0.0])


@pytest.mark.parametrize("source", ["branch", "computed", "oracle"])
def test_quality_lies_in_0_to_1(source: str) -> None:
    torch.manual_seed(0)
    config = config_of(centerness_inference=source)
    out = HeadOutput(torch.randn(2, 80, 2), torch.rand(2, 80, 4), torch.randn(2, 80) * 9)
    labels = torch.zeros(2, 80, dtype=torch.int64)
    targets = Targets(labels, torch.rand(2, 80, 4), labels)
    quality = location_quality(out, config, targets)
    assert quality is not None and quality.shape == (2, 80)
    assert (quality >= 0).all() and (quality <= 1).all()
    want = {"branch": out.centerness, "computed": centerness(out.distances), "oracle": centerness(targets.ltrb)}
    assert torch.equal(quality, want[source] if source != "branch" else want[source].sigmoid())  # type: ignore
    assert location_quality(out, config.replace(centerness_inference="none")) is None


# ------------------------------------------------------------------ top k
def test_top_k_is_for_each_level() -> None:
    config = config_of(pre_nms_top_k=3, nms_threshold=1.0, centerness_inference="none")
    torch.manual_seed(0)
    out = HeadOutput(torch.randn(1, 80, 2), torch.rand(1, 80, 4) * 9, torch.zeros(1, 80))
    (found,) = run(out, config)
    want = torch.cat([out.logits[0, :64].flatten().topk(3).values, out.logits[0, 64:].flatten().topk(3).values])
    torch.testing.assert_close(found["scores"], want.sigmoid().sort(descending=True).values)


def test_candidates_are_pairs_of_location_and_class() -> None:
    config = config_of(pre_nms_top_k=4, score_threshold=0.5)
    logits = torch.tensor([[[3.0, -3.0], [1.0, 2.0], [-1.0, -2.0]]])
    score, pair = select_candidates(logits, None, config)
    assert pair[0, :3].tolist() == [0, 3, 2]  # location 0 class 0, location 1 class 1, location 1 class 0
    torch.testing.assert_close(score[0, :3], torch.tensor([3.0, 2.0, 1.0]).sigmoid())
    assert score[0, 3] == -1  # below the threshold
    score, _ = select_candidates(logits, None, config.replace(pre_nms_top_k=1000))
    assert score.shape == (1, 6)  # no more than there are


def test_detections_per_image() -> None:
    config = config_of(detections_per_image=5, nms_threshold=1.0)
    torch.manual_seed(0)
    out = HeadOutput(torch.randn(1, 80, 2) + 3, torch.rand(1, 80, 4) * 9, torch.randn(1, 80))
    (few,), (many,) = run(out, config), run(out, config.replace(detections_per_image=100))
    assert len(few["scores"]) == 5 and len(many["scores"]) == 100
    assert all(torch.equal(few[k], many[k][:5]) for k in few)


# ------------------------------------------------------------------ NMS
def random_boxes(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 300
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 150 + 1], dim=1)
    return boxes, torch.rand(count, generator=generator), torch.randint(0, 6, (count,), generator=generator)


@pytest.mark.parametrize("count", [0, 1, 2, 50, 700])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
def test_class_wise_nms_is_batched_nms(count: int, threshold: float) -> None:
    boxes, score, labels = random_boxes(count, seed=count)
    got = class_wise_nms(boxes, score, labels, threshold)
    assert torch.equal(got, batched_nms(boxes.double(), score.double(), labels, threshold))


def test_class_wise_nms_is_nms_of_each_class() -> None:
    boxes, score, labels = random_boxes(400, seed=1)
    boxes -= 150  # negative coordinates must not bring two classes together
    got = class_wise_nms(boxes, score, labels, 0.5)
    want = []
    for label in range(6):
        own = (labels == label).nonzero()[:, 0]
        want.append(own[nms(boxes[own], score[own], 0.5)])
    assert sorted(got.tolist()) == sorted(torch.cat(want).tolist())
    assert (score[got].diff() <= 0).all()


def test_negative_coordinates_bring_no_two_classes_together() -> None:
    # Moved by the largest coordinate alone, the second box would land exactly on the first.
    boxes = torch.tensor([[200.0, 200, 300, 300], [-101.0, -101, -1, -1]])
    kept = class_wise_nms(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.5)
    assert kept.tolist() == [0, 1]


def test_a_high_class_keeps_the_fractions_of_its_pixels() -> None:
    # The IoU of these two boxes is 0.5995; 90 classes further and rounded to float32 it would be another one.
    pair = torch.tensor([[1000.0, 1000, 1001, 1000.8], [1000.0, 1000, 1001, 1000.4797]])
    labels = torch.tensor([90, 90])
    iou = box_iou(pair.double(), pair.double())[0, 1].item()
    spread = torch.tensor([[0.0, 0, 1300, 1300]])  # a far box stretches the offset between classes
    boxes = torch.cat([pair, spread])
    score, labels = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([90, 90, 0])
    assert class_wise_nms(boxes, score, labels, iou + 1e-4).tolist() == [0, 1, 2]
    assert class_wise_nms(boxes, score, labels, iou - 1e-4).tolist() == [0, 2]
    rounded = boxes + (labels * 1301.0)[:, None]
    assert abs(box_iou(rounded, rounded)[0, 1].item() - iou) > 1e-3  # so float64 is not idle


def test_detect_equals_the_long_way() -> None:
    """Decode everything, then torchvision's batched_nms: the same as threshold and top k first."""
    torch.manual_seed(0)
    config = config_of(score_threshold=0.2, detections_per_image=1000)
    out = HeadOutput(torch.randn(1, 80, 2), torch.rand(1, 80, 4) * 30, torch.randn(1, 80))
    (found,) = run(out, config)
    points = canvas_locations(feature_sizes(*CANVAS, config.strides), config)
    boxes = ltrb_to_boxes(points, out.distances[0]).clamp(0, 64)
    probability = out.logits[0].sigmoid()
    assert out.centerness is not None
    score = probability * out.centerness[0].sigmoid()[:, None]
    where, label = (probability > 0.2).nonzero(as_tuple=True)
    kept = batched_nms(boxes[where].double(), score[where, label].double(), label, config.nms_threshold)
    assert len(kept) > 20
    torch.testing.assert_close(found["boxes"], boxes[where][kept])
    torch.testing.assert_close(found["scores"], score[where, label][kept])
    assert torch.equal(found["labels"], label[kept])


def test_detections_carry_no_gradient() -> None:
    config = config_of()
    out = HeadOutput(*[o.requires_grad_() for o in blank(config)])  # type: ignore[union-attr]
    with torch.no_grad():
        out.logits[0, 5, 0] = 3.0
    (found,) = run(out, config)
    assert len(found["scores"]) == 1
    assert not any(values.requires_grad for values in found.values())
    (ranked,) = candidates_before_nms(out, Grid.of(64, 64, config), [(64, 64)], config)
    assert len(ranked.scores) == 1 and not any(values.requires_grad for values in ranked)


def test_two_classes_at_opposite_corners_do_not_meet() -> None:
    """The last box of a class and the first of the next: moved apart by one pixel less, they would be one box."""
    boxes = torch.tensor([[9.0, 9.0, 10.0, 10.0], [0.0, 0.0, 1.0, 1.0]])
    kept = class_wise_nms(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.0)
    assert kept.tolist() == [0, 1]


def test_where_the_best_do_not_suffice_the_rest_counts() -> None:
    """The best twenty are one object, which leaves one detection of the two that are wanted."""
    config = config_of(detections_per_image=2)
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(22, 1)
    boxes[-1] += 50
    scores = torch.linspace(0.9, 0.1, 22)
    assert best_after_nms(boxes, scores, torch.zeros(22, dtype=torch.int64), config).tolist() == [0, 21]


def test_each_image_needs_its_size() -> None:
    config = config_of()
    with pytest.raises(ValueError, match="zip"):
        detect(blank(config, batch=2), Grid.of(64, 64, config), [(64, 64)], config)


@pytest.mark.parametrize(("spread", "enough"), [(4.0, False), (2000.0, True)])
def test_trying_the_best_first_changes_nothing(spread: float, enough: bool) -> None:
    """Crowded boxes (too few of the best thousand survive) and scattered ones (they suffice)."""
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(3000, 2, generator=generator) * spread
    boxes = torch.cat([start, start + 40 + 5 * torch.rand(3000, 2, generator=generator)], dim=1)
    scores = torch.rand(3000, generator=generator)
    labels = torch.randint(0, 3, (3000,), generator=generator)
    config = FCOSConfig.paper(detections_per_image=100)
    best = scores.topk(1000).indices
    survivors = class_wise_nms(boxes[best], scores[best], labels[best], config.nms_threshold)
    assert (len(survivors) >= 100) == enough  # both ways are taken
    whole = class_wise_nms(boxes, scores, labels, config.nms_threshold)
    assert torch.equal(best_after_nms(boxes, scores, labels, config), whole[:100])
