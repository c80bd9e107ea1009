"""Table 4 against four calls of evaluate, Fig. 7's points and the count of ambiguous locations against slow loops."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import signal
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fcos_edu import FCOS, FCOSConfig, data, detectors
from fcos_edu.data import DetectionDataset, processes
from fcos_edu.data.processes import LoaderDiedError
from fcos_edu.evaluation import evaluate, predict
from fcos_edu.evaluation.coco_ap import each_batch
from fcos_edu.evaluation.quality import ambiguous_detections, ambiguous_detections_above, four_ways, score_iou, under

QUIET = {"progress": False, "batch_size": 3}


def shapes(images: int = 8, **options: Any) -> DetectionDataset:
    return data.load("shapes", "val", num_images=images, transforms=data.transforms.eval_transforms(), **options)


class Given(FCOS):
    """Returns the detections it is given, image by image."""

    def __init__(self, detections: list[dict[str, Any]], **config: Any) -> None:
        super().__init__(FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, **config))
        self.given = iter(detections)

    def detections(self, seen: Any, config: Any = None) -> Any:
        return [next(self.given) for _ in seen.images]


class OnGrey(DetectionDataset):
    """Boxes on grey images of 64 x 64 pixels: for each image rows (label, x0, y0, x1, y1)."""

    def __init__(self, *images: list[tuple[float, ...]]) -> None:
        super().__init__(data.shapes.CLASSES, image_ids=range(len(images)))
        self.rows = [torch.tensor(rows, dtype=torch.float32).reshape(-1, 5) for rows in images]

    def __getitem__(self, index: int) -> Any:
        rows = self.rows[index]
        target = {"boxes": rows[:, 1:], "labels": rows[:, 0].long(), "image_id": index}
        return torch.full((3, 64, 64), 0.5), target


def detections(*rows: tuple[float, ...]) -> dict[str, Tensor]:
    """Rows (label, class score, center-ness, x0, y0, x1, y1)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 7)
    return {
        "boxes": table[:, 3:],
        "labels": table[:, 0].long(),
        "class_scores": table[:, 1],
        "scores": table[:, 1] * table[:, 2],
    }


# ------------------------------------------------------------------ Table 4
def without_branch() -> FCOS:
    """The packaged detector with its branch cut off."""
    full = FCOS.pretrained("shapes")
    bare = FCOS(full.config.replace(centerness_branch="none", centerness_inference="none"))
    bare.load_state_dict({k: v for k, v in full.state_dict().items() if k in bare.state_dict()})
    return bare.eval()


@pytest.mark.parametrize("branch", [True, False])
def test_four_ways_are_four_evaluations(branch: bool) -> None:
    model = FCOS.pretrained("shapes") if branch else without_branch()
    model.train()
    before, dataset = model.config, shapes()
    runs: list[int] = []
    model.pyramid.register_forward_hook(lambda module, given, output: runs.append(len(given[0])))
    got = four_ways(model, dataset, **QUIET)
    assert runs == [3, 3, 2]  # the network once an image
    assert model.config == before and model.training
    assert list(got) == (["none", "computed", "branch", "oracle"] if branch else ["none", "computed", "oracle"])
    for way, metrics in got.items():
        want = evaluate(model.set_inference(centerness_inference=way), dataset, **QUIET)
        assert metrics == pytest.approx(want), way
        assert metrics["AP"] > 0.3  # type: ignore[operator]
    assert len({metrics["AP"] for metrics in got.values()}) == len(got)  # each ranks in its own way


def test_four_ways_in_bf16() -> None:
    model, dataset = FCOS.pretrained("shapes"), shapes()
    for way, metrics in four_ways(model, dataset, precision="bf16", **QUIET).items():
        model.set_inference(centerness_inference=way)
        assert metrics == pytest.approx(evaluate(model, dataset, precision="bf16", **QUIET)), way


def test_a_model_trained_without_the_branch_has_the_same_none() -> None:
    dataset = shapes(4)
    full, bare = FCOS.pretrained("shapes"), without_branch()
    got, want = four_ways(bare, dataset, **QUIET), four_ways(full, dataset, **QUIET)
    assert all(got[way] == pytest.approx(want[way]) for way in got)


def test_four_ways_where_images_have_no_box() -> None:
    dataset = dataset_with_truth(OnGrey([(0, 10, 10, 40, 40)], []))
    model = FCOS(FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64)).set_inference(score_threshold=0.9)
    assert all(metrics["AP"] == 0.0 for metrics in four_ways(model, dataset, **QUIET).values())


def dataset_with_truth(dataset: OnGrey) -> OnGrey:
    """Lets the grey images be evaluated."""
    annotations = [
        {"id": 1 + i, "image_id": i, "category_id": 1 + int(label), "iscrowd": 0,
         "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        for i, rows in enumerate(dataset.rows) for label, x0, y0, x1, y1 in rows.tolist()
    ]  # fmt: skip
    images = [{"id": i, "width": 64, "height": 64} for i in dataset.image_ids]
    whole = {"images": images, "annotations": annotations, "categories": dataset.categories()}
    dataset.ground_truth = lambda: whole  # type: ignore[method-assign]
    return dataset


# ------------------------------------------------------------------ Fig. 7
TRUTH = [(0, 0, 0, 20, 20), (1, 30, 30, 50, 60), (0, 40, 0, 60, 10)]
FOUND = [
    (0, 0.9, 0.5, 0, 0, 20, 20),  # exact: IoU 1
    (0, 0.8, 0.5, 40, 0, 60, 20),  # of the two boxes of its class, the one it covers half: IoU 1/2
    (1, 0.6, 0.5, 0, 0, 20, 20),  # on a box of another class, beside its own: IoU 0
    (1, 0.5, 0.25, 30, 30, 50, 45),  # IoU 1/2
    (4, 0.1, 1.0, 30, 30, 50, 60),  # a class that the image lacks
]


def test_score_iou_by_hand() -> None:
    dataset = OnGrey(TRUTH, [], [(2, 0, 0, 10, 10)])
    model = Given([detections(*FOUND), detections((0, 0.7, 0.5, 0, 0, 20, 20)), detections()])
    points = score_iou(model, dataset, **QUIET)
    assert points.class_scores.tolist() == pytest.approx([0.9, 0.8, 0.6, 0.5, 0.1, 0.7])
    assert points.scores.tolist() == pytest.approx([0.45, 0.4, 0.3, 0.125, 0.1, 0.35])
    assert points.ious.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.5, 0.0, 0.0])
    assert under(points.class_scores, points.ious) == (4, 6)  # the fourth lies on the line, which is not under it
    assert under(points.scores, points.ious) == (3, 6)
    assert under(points.scores[3:4], points.ious[3:4]) == (0, 1)


def test_the_square_root_is_undone() -> None:
    found = detections(*FOUND)
    root = found | {"scores": found["scores"].sqrt()}
    points = score_iou(Given([root], sqrt_score=True), OnGrey(TRUTH), **QUIET)
    assert points.scores.tolist() == pytest.approx(found["scores"].tolist())


def test_score_iou_without_detections() -> None:
    points = score_iou(Given([detections()]), OnGrey(TRUTH), **QUIET)
    assert all(values.shape == (0,) for values in points)
    assert under(points.scores, points.ious) == (0, 0)


def slow_iou(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("way", ["branch", "none", "oracle"])
def test_score_iou_of_a_trained_model(way: str) -> None:
    dataset = shapes(6)
    model = FCOS.pretrained("shapes").set_inference(centerness_inference=way)
    points = score_iou(model, dataset, **QUIET)
    row = 0
    for i in range(len(dataset)):
        image, target = dataset[i]  # type: ignore[misc]
        with torch.inference_mode():
            (found,) = model([image], [target])
        assert len(found["boxes"]) > 0
        for box, label in zip(found["boxes"].tolist(), found["labels"].tolist(), strict=True):
            same = [b for b, k in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True) if k == label]
            assert points.ious[row] == pytest.approx(max((slow_iou(box, b) for b in same), default=0.0), abs=1e-3)
            row += 1
    assert row == len(points.ious) == len(points.scores) == len(points.class_scores)
    if way == "none":
        assert points.scores == pytest.approx(points.class_scores)
    else:
        assert (points.scores <= points.class_scores + 1e-6).all()
        assert (points.scores < 0.8 * points.class_scores).any()


def test_under_needs_pairs() -> None:
    with pytest.raises(ValueError, match="3 scores but 2 IoUs"):
        under(np.zeros(3, np.float32), np.zeros(2, np.float32))


# ------------------------------------------------------------------ the 2.3 % and the 1.5 %
def at(*locations: int, score: float = 0.5) -> dict[str, Tensor]:
    return {"locations": torch.tensor(locations), "scores": torch.full((len(locations),), score)}


def test_ambiguous_detections_by_hand() -> None:
    # 64 x 64 pixels, P3 alone: 8 x 8 locations at 4, 12, 20, ... The boxes of image 0 share the columns 20 and 28 of
    # the first three rows; those of image 1 do too, and are of one class.
    boxes = ((0, 0, 32, 24), (16, 0, 48, 24))
    dataset = OnGrey([(0, *boxes[0]), (1, *boxes[1])], [(2, *box) for box in boxes], [])
    first = at(0, 1, 2, 3, 4, 8 + 2, 24 + 2)  # columns 4, 12, 20, 28, 36; then row 12; then row 28: outside
    second, third = at(2, 2, 40), at(2)
    single = {"levels": (3,), "level_bounds": (0, math.inf), "center_sampling_radius": None}
    got = ambiguous_detections(Given([first, second, third], **single), dataset, **QUIET)
    assert got == {
        "detections": 11, "all": pytest.approx(5 / 11), "different_classes": pytest.approx(3 / 11),
        # Six columns of three rows lie in the boxes of an image, the two shared ones included.
        "samples": {"positive": 36, "all": pytest.approx(12 / 36), "different_classes": pytest.approx(6 / 36)},
    }  # fmt: skip


def test_detections_below_the_threshold_do_not_count() -> None:
    dataset = OnGrey([(0, 0, 0, 32, 24), (1, 16, 0, 48, 24)])
    single = {"levels": (3,), "level_bounds": (0, math.inf), "center_sampling_radius": None}
    found = {"locations": torch.tensor([2, 3, 4, 0]), "scores": torch.tensor([0.9, 0.5, 0.5, 0.4])}

    def counted(*thresholds: float) -> list[dict[str, Any]]:
        return ambiguous_detections_above(thresholds, Given([found], **single), dataset, **QUIET)

    half, every, none = counted(0.5, 0.0, 0.95)
    samples = half.pop("samples")
    assert half == {"detections": 3, "all": pytest.approx(2 / 3), "different_classes": pytest.approx(2 / 3)}
    assert every["all"] == pytest.approx(0.5) and every["detections"] == 4
    assert none == {"detections": 0, "all": None, "different_classes": None, "samples": samples}
    assert ambiguous_detections(Given([found], **single), dataset, threshold=0.5, **QUIET) == half | {
        "samples": samples
    }
    with pytest.raises(ValueError, match="threshold is 30"):
        counted(0.5, 30)


def test_images_without_boxes_have_no_samples() -> None:
    (got,) = ambiguous_detections_above((0.0,), Given([at(3)]), OnGrey([]), **QUIET)
    assert got["samples"] == {"positive": 0, "all": None, "different_classes": None}


def slow_claims(x: float, y: float, level: int, target: dict[str, Any], scale: float, config: FCOSConfig) -> list[int]:
    """Sections 3.1 and 3.2 for one location: the classes of the boxes that may claim it."""
    low, high = config.level_bounds[level - 3 : level - 1]
    classes = []
    for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
        x0, y0, x1, y1 = (side * scale for side in box)
        distances = x - x0, y - y0, x1 - x, y1 - y
        claimed = min(distances) > 0 and low <= max(distances) <= high
        if config.center_sampling_radius is not None:
            reach = config.center_sampling_radius * 2**level
            claimed &= max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < reach
        if claimed:
            classes.append(label)
    return classes


@pytest.mark.parametrize("radius", [None, 1.5])
@pytest.mark.parametrize("side", [256, 192])  # 192: images are scaled, and their boxes with them
def test_ambiguous_detections_against_a_slow_loop(radius: float | None, side: int) -> None:
    dataset = shapes(12)
    model = FCOS.pretrained("shapes").set_inference(min_size=side, max_size=side, score_threshold=0.02)
    # Only targets depend on the radius, not what the network says.
    model.config = model.batcher.config = dataclasses.replace(model.config, center_sampling_radius=radius)
    counts = [0, 0, 0]
    for i in range(len(dataset)):
        image, target = dataset[i]  # type: ignore[misc]
        with torch.inference_mode():
            (found,) = model([image])
        for level, location in zip(found["levels"].tolist(), found["locations"].tolist(), strict=True):
            stride = 2**level
            columns = math.ceil(side / stride)
            cell = location - sum(math.ceil(side / 2**k) ** 2 for k in range(3, level))
            assert 0 <= cell < columns**2
            x, y = (stride // 2 + c * stride for c in (cell % columns, cell // columns))
            claims = slow_claims(x, y, level, target, side / 256, model.config)
            counts[0] += 1
            counts[1] += len(claims) > 1
            counts[2] += len(set(claims)) > 1
    got = ambiguous_detections(model, dataset, **QUIET)
    got.pop("samples")
    total, ambiguous, different = counts
    assert got == {
        "detections": total,
        "all": pytest.approx(ambiguous / total),
        "different_classes": pytest.approx(different / total),
    }
    assert total > 100 and ambiguous > 0


def of_two_scores(*given: Any, **options: Any) -> list[dict[str, Any]]:
    return ambiguous_detections_above((0.0, 0.3), *given, **options)


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="processes that begin from nothing only load")
@pytest.mark.parametrize("measure", [predict, four_ways, score_iou, of_two_scores])
def test_processes_that_run_the_network_find_the_same(measure, monkeypatch, one_thread):
    model, dataset = detectors.load("shapes"), shapes()
    here, ran = os.getpid(), multiprocessing.Value("i", 0)
    alone = measure(model, dataset, **QUIET)
    monkeypatch.setattr(processes, "_cores", lambda: 2)

    def elsewhere(*_: Any) -> None:
        assert os.getpid() != here
        with ran.get_lock():
            ran.value += 1

    model.pyramid.register_forward_pre_hook(elsewhere)
    together = measure(model, dataset, workers=2, **QUIET)
    assert ran.value == 3  # batches
    if measure is score_iou:
        assert len(alone.scores) > 20
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one, other)
    else:
        assert alone == together
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="there torch looks for them only while it waits")
def test_a_process_that_is_killed_while_the_network_runs_is_told():
    def step(*_: Any) -> None:
        multiprocessing.active_children()[0].kill()
        time.sleep(0.5)

    with pytest.raises(LoaderDiedError, match="killed by signal"):
        each_batch(step, detectors.load("shapes"), shapes(), workers=1, **QUIET)


def test_with_fewer_batches_than_cores_the_network_stays_where_it_has_all_threads(monkeypatch):
    monkeypatch.setattr(processes, "_cores", lambda: 2)
    model, seen = detectors.load("shapes"), []
    model.pyramid.register_forward_pre_hook(lambda *_: seen.append(os.getpid()))
    predict(model, shapes(), workers=2, batch_size=8, progress=False)
    assert seen == [os.getpid()]


def test_a_step_whose_answer_nobody_takes_stays_in_this_process(monkeypatch):
    monkeypatch.setattr(processes, "_cores", lambda: 2)
    seen = []
    ids = each_batch(
        lambda images, targets: seen.extend(images), detectors.load("shapes"), shapes(), workers=2, **QUIET
    )
    assert len(seen) == len(ids) == 8
