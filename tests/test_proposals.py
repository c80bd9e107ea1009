"""FCOS in the place of torchvision's RPN: FCOS's own boxes, both kinds train, labels and pixels are ours."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, box_iou, roi_align

from fcos_edu import FCOS, ConfigError, FCOSConfig
from fcos_edu.detectors import build as build_detector
from fcos_edu.inference import detect
from fcos_edu.locations import canvas_locations, feature_sizes
from fcos_edu.network import HeadOutput
from fcos_edu.proposals import (
    COARSE_LEVELS,
    LEVELS,
    CanvasRoIAlign,
    FCOSProposals,
    Kind,
    TwoStage,
    anchor_sizes,
    drawn,
    faster_rcnn,
    rpn_propose,
)
from fcos_edu.targets import Targets

KINDS = get_args(Kind)
STRIDES = [2**level for level in LEVELS]


def config(**changes: Any) -> FCOSConfig:
    fields = dict(num_classes=3, levels=LEVELS, fpn_channels=32, num_head_convs=1, min_size=96, max_size=128)
    return FCOSConfig.tiny(**(fields | changes))


def build(kind: Kind, seed: int = 0, **changes: Any) -> TwoStage:
    torch.manual_seed(seed)
    return faster_rcnn(config(**changes), kind, regions_per_image=64)


def picture(height: int, width: int, boxes: list[list[int]], labels: list[int]) -> tuple[Tensor, dict[str, Tensor]]:
    """Rectangles whose colour is their class, on grey."""
    image = torch.full((3, height, width), 0.3)
    for (x0, y0, x1, y1), label in zip(boxes, labels, strict=True):
        image[label, y0:y1, x0:x1] = 0.9
    target = {"boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), "labels": torch.tensor(labels).long()}
    return image, target


def two() -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Two images of different scale; no side is a multiple of a stride after resizing. Class 1 is not among them."""
    first = picture(180, 250, [[20, 24, 100, 120], [130, 60, 230, 150]], [0, 2])
    second = picture(75, 103, [[10, 10, 50, 60]], [2])
    return [first[0], second[0]], [first[1], second[1]]


def canvas(height: int, width: int, images: int = 1) -> ImageList:
    return ImageList(torch.zeros(images, 3, height, width), [(height, width)] * images)


def maps(height: int, width: int, channels: int = 32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    sizes = feature_sizes(height, width, STRIDES)
    return OrderedDict((f"p{i}", torch.randn(1, channels, *s, generator=generator)) for i, s in zip(LEVELS, sizes))


def proposer(**changes: Any) -> FCOSProposals:
    torch.manual_seed(0)
    return FCOSProposals(config(num_classes=1), **changes)


# ------------------------------------------------------------------ the same as FCOS, and as torchvision's RPN
@pytest.mark.parametrize("branch", ["branch", "computed", "none"])
def test_proposals_are_what_fcos_detects(branch: str) -> None:
    size = dict(min_size=128, max_size=192)
    model = build("fcos", centerness_inference=branch, **size).eval()
    one_class = config(
        num_classes=1, centerness_inference=branch, **size,
        score_threshold=0.0, nms_threshold=0.7, pre_nms_top_k=1000, detections_per_image=1000,
    )  # fmt: skip
    alone = FCOS(one_class).eval()
    alone.pyramid.load_state_dict(model.detector.backbone.pyramid.state_dict())
    alone.head.load_state_dict(model.detector.rpn.head.state_dict())

    images = [torch.rand(3, 64, 96), torch.rand(3, 256, 384)]  # doubled and halved: a canvas without padding
    batch, _ = model.detector.transform(images)
    height, width = batch.tensors.shape[-2:]
    assert batch.image_sizes == [(height, width)] * 2 == [(128, 192)] * 2
    with torch.no_grad():  # one after the other, as images of different sizes are: a batch rounds differently
        outputs = [alone.predict(canvas[None]) for canvas in batch.tensors]
    grid = alone.grid(height, width)
    want = [detect(output, grid, [(height, width)], one_class)[0] for output in outputs]

    got = model.proposals(images)
    for a, b, image, size in zip(got, want, images, batch.image_sizes, strict=True):
        assert len(a["boxes"]) > 100
        scale = torch.tensor([image.shape[-1] / size[1], image.shape[-2] / size[0]]).repeat(2)
        torch.testing.assert_close(a["boxes"], b["boxes"] * scale, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(a["scores"], b["scores"])
        assert a["labels"].tolist() == [0] * len(a["boxes"])


def test_rpn_proposals_are_those_of_its_forward() -> None:
    model = build("rpn").eval()
    images, _ = two()
    batch, _ = model.detector.transform(images)
    with torch.no_grad():
        features = model.detector.backbone(batch.tensors)
        want, _ = model.detector.rpn(batch, features)
        got, scores = rpn_propose(model.detector.rpn, batch, features)
    for a, b, s in zip(got, want, scores, strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
        assert len(s) == len(a) > 100 and bool((s[:-1] >= s[1:]).all()) and 0 < s[-1] < s[0] < 1


def test_scores_of_the_rpn_belong_to_their_boxes() -> None:
    """One anchor of the middle of P3 is sure of an object; the first proposal is that anchor."""
    model = build("rpn").eval()
    rpn = model.detector.rpn
    features = maps(128, 128)
    anchors = rpn.anchor_generator(canvas(128, 128), list(features.values()))[0]
    shapes = [x.shape[-2:] for x in features.values()]
    logits = [torch.full((1, 3, h, w), -5.0) for h, w in shapes]
    logits[1][0, 1, 8, 7] = 2.0  # P3, ratio 1, row 8, column 7
    rpn.head.forward = lambda x: (logits, [torch.zeros(1, 12, h, w) for h, w in shapes])
    (boxes,), (scores,) = rpn_propose(rpn, canvas(128, 128), features)
    torch.testing.assert_close(boxes[0], torch.tensor([56.0 - 16, 64 - 16, 56 + 16, 64 + 16]))  # sizes halve: 32 on P3
    assert (anchors == boxes[0]).all(1).any()
    torch.testing.assert_close(scores[0], torch.tensor(2.0).sigmoid())
    torch.testing.assert_close(scores[1], torch.tensor(-5.0).sigmoid())


# ------------------------------------------------------------------ Table 6's number of samples
def test_a_third_of_the_anchors() -> None:
    """800 x 1024: ~66 K locations and ~200 K anchors, says Table 6."""
    sizes = feature_sizes(800, 1024, STRIDES)
    locations = sum(h * w for h, w in sizes)
    assert locations == 68_208
    generator = build("rpn").detector.rpn.anchor_generator
    (anchors,) = generator(canvas(800, 1024), [torch.empty(1, 0, h, w) for h, w in sizes])
    assert len(anchors) == 3 * locations == 204_624


def test_anchor_sizes() -> None:
    assert anchor_sizes(FCOSConfig.paper(levels=LEVELS)) == (32, 64, 128, 256, 512)
    assert anchor_sizes(config()) == (16, 32, 64, 128, 256)
    assert build("rpn").detector.rpn.anchor_generator.sizes == ((16,), (32,), (64,), (128,), (256,))


@pytest.mark.parametrize("divisor", [1, 32, 48, 128])
def test_anchors_lie_a_stride_apart(divisor: int) -> None:
    """As locations do; torchvision divides the canvas by the cells, so the canvas must be whole in cells of P6."""
    model = build("rpn", size_divisor=divisor).eval()
    batch, _ = model.detector.transform([torch.rand(3, 96, 101)])
    features = model.detector.backbone(batch.tensors)
    height, width = batch.tensors.shape[-2:]
    assert [tuple(x.shape[-2:]) for x in features.values()] == feature_sizes(height, width, STRIDES)
    (anchors,) = model.detector.rpn.anchor_generator(batch, list(features.values()))
    last = anchors.reshape(-1, 3, 4)[-1]  # the last cell of P6
    center = (last[:, :2] + last[:, 2:]) / 2
    assert center.tolist() == [[width - 64.0, height - 64.0]] * 3


# ------------------------------------------------------------------ training
@pytest.mark.parametrize("kind", KINDS)
def test_trains_end_to_end(kind: Kind) -> None:
    images, targets = two()
    model = build(kind).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    totals, reached = [], set()
    for _ in range(60):  # after 30, on one kind of processor, no score had reached 0.8 yet
        losses = model(images, targets)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        reached |= {n for n, p in model.named_parameters() if p.grad is not None and bool((p.grad != 0).any())}
        optimizer.step()
        totals.append(total.item())
    assert reached == {n for n, _ in model.named_parameters()}  # backbone, proposals and ROI heads
    assert sum(totals[-3:]) / 3 < 0.5 * sum(totals[:3]) / 3

    # Both stages find each box, in pixels of the image that was given, and the second its class.
    model.eval()
    with torch.no_grad():
        detections, proposals = model(images), model.proposals(images)
    for target, found, proposed in zip(targets, detections, proposals, strict=True):
        assert bool((box_iou(target["boxes"], proposed["boxes"]).amax(1) > 0.6).all())
        iou, best = box_iou(target["boxes"], found["boxes"][found["scores"] > 0.8]).max(1)
        assert bool((iou > 0.6).all())
        assert found["labels"][best].tolist() == target["labels"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_shifted_both_ways(kind: Kind) -> None:
    model = build(kind, score_threshold=0.0, nms_threshold=1.0, detections_per_image=5000).train()
    images, targets = two()
    before = [{k: v.clone() for k, v in t.items()} for t in targets]
    seen: list[Tensor] = []
    handle = model.detector.register_forward_pre_hook(lambda _, args: seen.extend(t["labels"] for t in args[1]))
    model(images, targets)
    handle.remove()
    assert [s.tolist() for s in seen] == [[1, 3], [3]]
    assert all(torch.equal(t[k], b[k]) for t, b in zip(targets, before, strict=True) for k in t)  # the caller's stay

    model.eval()
    with torch.no_grad():
        ours, theirs = model(images), model.detector(images)
    for a, b in zip(ours, theirs, strict=True):
        # A canvas of its own and a common one round differently, so equal scores may change places.
        assert sorted(a["labels"].tolist()) == sorted(k - 1 for k in b["labels"].tolist())
        assert set(a["labels"].tolist()) == {0, 1, 2}
    assert all(len(p["labels"]) and p["labels"].max() == 0 for p in model.proposals(images))


def test_losses_of_the_proposals_ignore_classes() -> None:
    """Class-agnostic: any labels give FCOS's own losses for one class."""
    proposals = proposer().train()
    images, features = canvas(128, 128), maps(128, 128)
    box = torch.tensor([[20.0, 30, 90, 110], [5, 5, 30, 40]])
    _, first = proposals(images, features, [{"boxes": box, "labels": torch.tensor([0, 0])}])
    _, other = proposals(images, features, [{"boxes": box, "labels": torch.tensor([7, 3])}])
    assert set(first) == {"proposal_classification", "proposal_bbox_regression", "proposal_centerness"}
    assert all(torch.equal(first[name], other[name]) for name in first)

    alone = FCOS(config(num_classes=1)).train()
    alone.head = proposals.head
    alone.pyramid.forward = lambda x: list(features.values())  # type: ignore[method-assign]
    alone.batcher.resize_in_training = False
    want = alone([torch.zeros(3, 128, 128)], [{"boxes": box, "labels": torch.tensor([0, 0])}])
    for name, loss in want.items():
        torch.testing.assert_close(first[f"proposal_{name}"], loss)


def test_proposals_carry_no_gradient() -> None:
    proposals = proposer().train()
    features = {k: v.requires_grad_() for k, v in maps(128, 128).items()}
    target = {"boxes": torch.tensor([[20.0, 30, 90, 110]]), "labels": torch.tensor([0])}
    (boxes,), losses = proposals(canvas(128, 128), features, [target])
    assert not boxes.requires_grad and all(loss.requires_grad for loss in losses.values())


def test_without_centerness() -> None:
    model = build("fcos", centerness_branch="none", centerness_inference="none").train()
    assert model.detector.rpn.head.centerness is None
    losses = model(*two())
    assert set(losses) == {
        "loss_classifier", "loss_box_reg", "proposal_classification", "proposal_bbox_regression"
    }  # fmt: skip
    assert all(len(p["scores"]) > 100 for p in model.eval().proposals(two()[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_step(kind: Kind) -> None:
    """Finite and near float32, and boxes that bf16 could not hold: it steps by a pixel above 128."""
    images, targets = two()
    results = []
    for lowered in (False, True):
        model = build(kind, 1, min_size=256, max_size=320).train()
        proposed: list[Tensor] = []
        model.detector.rpn.register_forward_hook(lambda _, args, out, into=proposed: into.extend(out[0]))
        torch.manual_seed(1)  # of torchvision's sampling
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
            losses = model(images, targets)
        torch.stack(list(losses.values())).sum().backward()
        norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
        results.append((losses, norm))
        assert all(boxes.dtype == torch.float32 for boxes in proposed)
        high = torch.cat(proposed).flatten()
        high = high[(high > 128) & (high % 64 != 0)]
        assert (high != high.bfloat16()).float().mean() > 0.5
    for name, loss in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], loss, atol=0.05, rtol=0.05)
    torch.testing.assert_close(results[1][1], results[0][1], atol=0, rtol=0.1)

    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model(images)
        features = model.detector.backbone(torch.zeros(1, 3, 128, 128))  # torchvision's anchors take their precision
    assert all(x.dtype == torch.float32 for x in features.values())
    assert all(d[k].dtype == torch.float32 for d in found for k in ("boxes", "scores"))


# ------------------------------------------------------------------ edges
@pytest.mark.parametrize("kind", KINDS)
def test_images_without_boxes(kind: Kind) -> None:
    images, targets = two()
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    model = build(kind).train()
    losses = model(images, [targets[0], empty])
    assert all(bool(loss.isfinite()) for loss in losses.values())
    losses = model(images, [empty, empty])
    torch.stack(list(losses.values())).sum().backward()
    for name, loss in losses.items():  # background is learnt, boxes and center-ness are not
        assert bool(loss.isfinite()) and bool(loss > 0) == ("class" in name or "objectness" in name), name
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_nasty_boxes_and_sizes(kind: Kind) -> None:
    """One pixel, the whole image, twice the same, on the border; a strip of an image beside a large one."""
    boxes = torch.tensor([[3.0, 4, 4, 5], [0, 0, 333, 219], [0, 0, 333, 219], [300, 100, 333, 150]])
    strip = {"boxes": torch.tensor([[0.0, 0, 400, 21]]), "labels": torch.tensor([0])}
    images = [torch.rand(3, 219, 333), torch.rand(3, 21, 400)]
    model = build(kind).train()
    losses = model(images, [{"boxes": boxes, "labels": torch.tensor([0, 1, 2, 1])}, strip])
    torch.stack(list(losses.values())).sum().backward()
    assert all(bool(loss.isfinite()) for loss in losses.values())
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)

    for found in (model.eval()(images), model.proposals(images)):
        for d, image in zip(found, images, strict=True):
            x0, y0, x1, y1 = d["boxes"].unbind(1)
            assert len(x0) > 0 and bool((x1 > x0).all() and (y1 > y0).all())
            assert min(x0.min(), y0.min()) >= 0
            assert x1.max() <= image.shape[-1] * (1 + 1e-6) and y1.max() <= image.shape[-2] * (1 + 1e-6)


def test_no_proposals_at_all() -> None:
    """Every distance 0: no box has an area. In training the ROI heads still get the true boxes."""
    model = build("fcos", box_activation="relu", normalize_targets=False)
    torch.nn.init.constant_(model.detector.rpn.head.regression.bias, -100.0)
    images, targets = two()
    assert all(bool(loss.isfinite()) for loss in model.train()(images, targets).values())
    model.eval()
    for found in (model.proposals(images), model(images)):
        assert [d["boxes"].shape for d in found] == [(0, 4)] * 2
        assert [len(d["scores"]) for d in found] == [0, 0]


def test_locations_in_the_padding_propose_nothing() -> None:
    """Every location predicts a box of 2 pixels, surest at the bottom right; the image fills the canvas in part."""
    proposals = proposer(nms_threshold=1.0).eval()
    length = sum(h * w for h, w in feature_sizes(128, 128, STRIDES))
    stub = HeadOutput(torch.linspace(-3, 3, length).reshape(1, -1, 1), torch.ones(1, length, 4), None)
    proposals.head.forward = lambda x: stub  # type: ignore[method-assign]
    proposals.config = proposals.config.replace(centerness_inference="none", normalize_targets=False)
    images = ImageList(torch.zeros(1, 3, 128, 128), [(70, 45)])
    (boxes,), _ = proposals(images, maps(128, 128))
    # Columns at 2, 6, ..., 42 and rows at 2, ..., 66 on P2; 4, ..., 44 and 4, ..., 68; 8, 24, 40 and 8, ..., 56; ...
    assert len(boxes) == 11 * 17 + 6 * 9 + 3 * 4 + 1 * 2 + 1 * 1
    assert boxes[:, 2].max() <= 45 and boxes[:, 3].max() <= 70


@pytest.mark.parametrize(("threshold", "count"), [(None, 2), (0.6, 1), (0.75, 3)])
def test_nms_threshold(threshold: float | None, count: int) -> None:
    """Two boxes with IoU 0.725 and 0.62 to the best one, 0.50 to each other; 0.7 if nothing is said."""
    proposals = proposer(**({} if threshold is None else {"nms_threshold": threshold})).eval()
    sizes = feature_sizes(128, 128, STRIDES)
    points = canvas_locations(sizes, proposals.config)
    wanted = torch.tensor([[20.0, 20, 120, 120], [20, 20, 120, 92.5], [20, 20, 82, 120]])
    where = (points == torch.tensor([50.0, 50.0])).all(1).nonzero()[0, 0] + torch.arange(3)  # neighbours on P2
    distances = torch.zeros(1, len(points), 4)
    distances[0, where] = torch.cat([points[where] - wanted[:, :2], wanted[:, 2:] - points[where]], dim=1)
    logits = torch.full((1, len(points), 1), -math.inf)
    logits[0, where, 0] = torch.tensor([3.0, 2.0, 1.0])
    proposals.config = proposals.config.replace(centerness_inference="none", normalize_targets=False)
    proposals.head.forward = lambda x: HeadOutput(logits, distances, None)  # type: ignore[method-assign]
    (boxes,), _ = proposals(canvas(128, 128), maps(128, 128))
    torch.testing.assert_close(boxes, wanted[[0, 2] if count == 2 else slice(count)])


def test_an_nms_for_each_level_keeps_the_same_box_of_two_levels() -> None:
    """A location of P2 and one of P3 propose one box, a neighbour on P2 nearly the same."""
    proposals = proposer().eval()
    points = canvas_locations(feature_sizes(128, 128, STRIDES), proposals.config)
    box, near = torch.tensor([20.0, 20, 120, 120]), torch.tensor([20.0, 20, 120, 115])
    first = int((points == torch.tensor([50.0, 50.0])).all(1).nonzero()[0, 0])  # on P2, as 1024 locations are
    where = torch.tensor([first, first + 1, 1024 + 100])
    assert first < 1023 and 20 < float(points[where].min()) < float(points[where].max()) < 115
    wanted = torch.stack([box, near, box])
    distances = torch.zeros(1, len(points), 4)
    distances[0, where] = torch.cat([points[where] - wanted[:, :2], wanted[:, 2:] - points[where]], dim=1)
    logits = torch.full((1, len(points), 1), -math.inf)
    logits[0, where, 0] = torch.tensor([3.0, 2.0, 1.0])
    for network in (proposals, proposer(nms_per_level=True).eval()):
        network.config = network.config.replace(centerness_inference="none", normalize_targets=False)
        network.head.forward = lambda x: HeadOutput(logits, distances, None)  # type: ignore[method-assign]
        (boxes,), _ = network(canvas(128, 128), maps(128, 128))
        torch.testing.assert_close(boxes, wanted[[0, 2] if network.nms_per_level else [0]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_nms_of_a_trained_detectors_proposals(kind: Kind) -> None:
    model = build(kind).eval()
    images, _ = two()
    before = model.proposals(images)
    counts = []
    for threshold in (0.5, 0.7, 0.9, 1.0):
        model.set_proposal_nms(threshold)
        found = model.proposals(images)
        counts.append(sum(len(one["boxes"]) for one in found))
        for one in found:
            overlap = box_iou(one["boxes"], one["boxes"]).fill_diagonal_(0)
            if kind == "fcos" and len(overlap):  # one NMS for all levels, and scaling the boxes back rounds
                assert float(overlap.max()) <= threshold + 1e-4
    assert counts == sorted(counts) and counts[0] < counts[2]
    model.set_proposal_nms(0.7, per_level=True)
    each = model.proposals(images)
    model.set_proposal_nms(0.7)
    for one, other, apart in zip(before, model.proposals(images), each, strict=True):
        assert torch.equal(one["boxes"], other["boxes"])
        same = len(apart["boxes"]) == len(one["boxes"])
        assert same if kind == "rpn" else len(apart["boxes"]) >= len(one["boxes"])
    with pytest.raises(ConfigError, match="nms_threshold is 7"):
        model.set_proposal_nms(7)


def test_numbers_of_proposals() -> None:
    """Before NMS they are counted for each level, after it for each image; NMS at 1 drops none."""
    images, features = canvas(128, 128), maps(128, 128)
    counts = [h * w for h, w in feature_sizes(128, 128, STRIDES)]
    assert counts == [1024, 256, 64, 16, 4]
    target = [{"boxes": torch.tensor([[20.0, 30, 90, 110]]), "labels": torch.tensor([0])}]
    proposals = proposer(training=(100, 1000), evaluation=(20, 30), nms_threshold=1.0)
    assert len(proposals.train()(images, features, target)[0][0]) == 100 + 100 + 64 + 16 + 4
    assert len(proposals.eval()(images, features)[0][0]) == 30
    assert len(proposals.train()(images, features, target)[0][0]) == 284
    wider = proposer(evaluation=(20, 1000), nms_threshold=1.0).eval()
    (boxes,), losses = wider(images, features)
    assert len(boxes) == 4 * 20 - 4 + 4 and losses == {}
    (again,), (scores,) = wider.propose(images, features)
    assert torch.equal(boxes, again) and bool((scores[:-1] >= scores[1:]).all())


@pytest.mark.parametrize("height", [33, 40, 70, 96, 130])
def test_regions_are_pooled_with_the_strides_of_the_canvas(height: int) -> None:
    side = -(-height // 64) * 64
    features = maps(side, side, channels=2)
    box = torch.tensor([[3.0, 5.0, 30.0, 32.0]])  # small: pooled from P2
    pool = CanvasRoIAlign(["p2", "p3", "p4", "p5"], output_size=7, sampling_ratio=2)
    want = roi_align(features["p2"], [box], 7, spatial_scale=1 / 4, sampling_ratio=2)
    torch.testing.assert_close(pool(features, [box], [(height, height)]), want)
    assert pool.scales == [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def test_torchvision_alone_mistakes_the_stride() -> None:
    """The reason for :class:`CanvasRoIAlign`."""
    features = maps(128, 128, channels=2)
    pool = MultiScaleRoIAlign(["p2", "p3", "p4", "p5"], output_size=7, sampling_ratio=2)
    pool(features, [torch.tensor([[3.0, 5.0, 30.0, 32.0]])], [(70, 70)])
    assert pool.scales == [1 / 2, 1 / 4, 1 / 8, 1 / 16]


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize("kind", KINDS)
def test_other_levels_are_refused(kind: Kind) -> None:
    with pytest.raises(ConfigError, match=r"levels is \(3, 4, 5, 6\).*levels=\(2, 3, 4, 5, 6\)"):
        faster_rcnn(
            FCOSConfig.tiny(num_classes=3, levels=(3, 4, 5, 6), level_bounds=(0.0, 32.0, 64.0, 128.0, math.inf)), kind
        )


def test_wrong_configurations_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_classes is 3.*num_classes=1"):
        FCOSProposals(config())
    with pytest.raises(ConfigError, match=r"levels is \(3, 4, 5, 6\)"):
        FCOSProposals(
            FCOSConfig.tiny(num_classes=1, levels=(3, 4, 5, 6), level_bounds=(0.0, 32.0, 64.0, 128.0, math.inf))
        )
    with pytest.raises(ConfigError, match="oracle"):
        FCOSProposals(config(num_classes=1, centerness_inference="oracle"))
    with pytest.raises(ConfigError, match="proposals is 'FCOS'; it must be one of rpn, fcos"):
        faster_rcnn(config(), "FCOS")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_calls_are_refused(kind: Kind) -> None:
    model = build(kind).train()
    images, targets = two()
    with pytest.raises(ValueError, match="training needs targets"):
        model(images)
    with pytest.raises(ValueError, match="evaluation mode"):
        model.proposals(images)
    wrong = [targets[0], targets[1] | {"labels": torch.tensor([3])}]
    with pytest.raises(ValueError, match=r"target 1: label 3 of box 0 is outside 0\.\.2"):
        model(images, wrong)
    with pytest.raises(ValueError, match="divide by 255"):
        model.eval().proposals([images[0] * 255])


def test_the_proposal_network_alone_needs_targets() -> None:
    with pytest.raises(ValueError, match="training needs targets"):
        proposer().train()(canvas(64, 64), maps(64, 64))


# ---- experiments on the first stage: Table 6, one change at a time


def test_the_rpn_gets_group_norm_and_nothing_else() -> None:
    plain, normed = (faster_rcnn(config(), "rpn", regions_per_image=64, group_norm=on) for on in (False, True))
    names = [{name for name, _ in model.named_parameters()} for model in (plain, normed)]
    more = names[1] - names[0]
    assert {name.rsplit(".", 1)[0] for name in more} == {"detector.rpn.head.conv.0.1"}, "a norm's weight and bias"
    assert names[0] - names[1] == {"detector.rpn.head.conv.0.0.bias"}, "which the norm replaces"
    images, targets = two()
    normed.train()
    sum(normed(images, targets).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in normed.detector.rpn.parameters())


def test_drawn_locations_are_balanced_as_an_rpns_anchors() -> None:
    labels = torch.full((3, 100), -1)
    labels[0, :60], labels[1, :3] = 0, 0
    made = Targets(labels, torch.zeros(3, 100, 4), labels.clone())
    torch.manual_seed(0)
    chosen = drawn(made, 40)
    assert chosen.shape == (3, 40) and all(len(set(row.tolist())) == 40 for row in chosen)
    assert made.positive.gather(1, chosen).sum(1).tolist() == [20, 3, 0]
    assert not torch.equal(chosen, drawn(made, 40)), "at random"
    assert drawn(made, 1000).shape == (3, 100)


def test_fcos_learns_from_the_drawn_locations_alone() -> None:
    torch.manual_seed(0)
    few = faster_rcnn(config(), "fcos", regions_per_image=64, samples=16).train()
    every = faster_rcnn(config(), "fcos", regions_per_image=64, samples=10**6).train()
    every.load_state_dict(few.state_dict())
    all_of_them = build("fcos").train()
    all_of_them.load_state_dict(few.state_dict())
    images, targets = two()
    names = ("proposal_classification", "proposal_bbox_regression", "proposal_centerness")
    losses = {}
    for name, model in (("few", few), ("every", every), ("all", all_of_them)):
        torch.manual_seed(1)
        losses[name] = [model(images, targets)[key].item() for key in names]  # type: ignore[call-overload]
    assert losses["every"] == pytest.approx(losses["all"], rel=1e-5), "more than there are is all of them"
    assert losses["few"] != pytest.approx(losses["all"], rel=1e-3)


def test_all_anchors_are_learnt_from() -> None:
    model = build_detector("faster_rcnn_gn_all", config())
    labels = [torch.tensor([1.0] * 5 + [0.0] * 2000 + [-1.0] * 7)]
    positive, negative = model.detector.rpn.fg_bg_sampler(labels)  # type: ignore[union-attr]
    assert positive[0].sum() == 5 and negative[0].sum() == 2000


@pytest.mark.parametrize("kind", KINDS)
def test_levels_p3_to_p7_train_and_propose(kind: Kind) -> None:
    torch.manual_seed(0)
    model = faster_rcnn(config(levels=COARSE_LEVELS), kind, regions_per_image=64).train()
    images, targets = two()
    sum(model(images, targets).values()).backward()  # type: ignore[union-attr]
    assert model.detector.roi_heads.box_roi_pool.featmap_names == ["p3", "p4", "p5"]
    found = model.eval().proposals(images)
    assert all(len(one["boxes"]) for one in found)
