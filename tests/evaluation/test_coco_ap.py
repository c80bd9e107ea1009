"""COCO AP against cases whose AP is known by hand, and its refusals."""

import json

import pytest
import torch
from torch import nn

from fcos_edu import FCOS, FCOSConfig, data
from fcos_edu.evaluation import METRICS, EvaluationError, coco_metrics, evaluate, metrics_table, predict
from fcos_edu.evaluation.coco_ap import predict_seen, run_coco, truth_of


def truth(*boxes, images=1, crowd=()):
    """Ground truth of class 1; boxes are (image, x, y, w, h)."""
    return {
        "images": [{"id": i + 1, "width": 200, "height": 200} for i in range(images)],
        "annotations": [
            {"id": k + 1, "image_id": b[0], "category_id": 1, "bbox": list(b[1:]), "area": b[3] * b[4],
             "iscrowd": int(k in crowd)}
            for k, b in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }  # fmt: skip


def result(image, x, y, w, h, score, category=1):
    return {"image_id": image, "category_id": category, "bbox": [x, y, w, h], "score": score}


def test_perfect_detections_give_one():
    metrics = coco_metrics(truth((1, 10, 10, 50, 50), (1, 100, 100, 60, 60)),
                           [result(1, 10, 10, 50, 50, 0.9), result(1, 100, 100, 60, 60, 0.8)])  # fmt: skip
    assert list(metrics) == list(METRICS)
    assert metrics["AP"] == metrics["AP50"] == metrics["AP75"] == metrics["AR100"] == pytest.approx(1.0)
    assert metrics["APM"] == pytest.approx(1.0)  # 2,500 and 3,600 pixels lie between 32^2 and 96^2
    assert metrics["APS"] is None and metrics["APL"] is None  # no such box: not zero, but undefined


def test_one_of_two_boxes_found_gives_half():
    # Precision is 1 up to recall 0.5, of which 51 of the 101 recall points are reached.
    metrics = coco_metrics(truth((1, 10, 10, 50, 50), (1, 100, 100, 60, 60)), [result(1, 10, 10, 50, 50, 0.9)])
    assert metrics["AP"] == pytest.approx(51 / 101)
    assert metrics["AR100"] == pytest.approx(0.5)


def test_iou_decides_which_thresholds_are_passed():
    # 50x50 against 50x40 inside it: IoU 0.8, so 7 of the thresholds 0.50, 0.55, ... 0.95 are met.
    metrics = coco_metrics(truth((1, 10, 10, 50, 50)), [result(1, 10, 10, 50, 40, 0.9)])
    assert metrics["AP"] == pytest.approx(0.7)
    assert metrics["AP50"] == metrics["AP75"] == pytest.approx(1.0)


def test_a_higher_scored_false_positive_halves_precision():
    metrics = coco_metrics(
        truth((1, 10, 10, 50, 50)), [result(1, 120, 120, 50, 50, 0.9), result(1, 10, 10, 50, 50, 0.5)]
    )
    assert metrics["AP50"] == pytest.approx(0.5)


def test_detections_on_a_crowd_are_no_mistakes():
    with_crowd = truth((1, 10, 10, 50, 50), (1, 100, 100, 80, 80), crowd=(1,))
    found = [result(1, 110, 110, 40, 40, 0.95), result(1, 10, 10, 50, 50, 0.5)]
    assert coco_metrics(with_crowd, found)["AP50"] == pytest.approx(1.0)


def test_no_detections_give_zero():
    metrics = coco_metrics(truth((1, 10, 10, 50, 50)), [])
    assert metrics["AP"] == metrics["APM"] == metrics["AR100"] == 0.0
    assert metrics["APS"] is None and metrics["APL"] is None


def test_refusals_name_the_value():
    with pytest.raises(EvaluationError, match="has no boxes"):
        coco_metrics(truth(), [])
    with pytest.raises(EvaluationError, match="image_id 7"):
        coco_metrics(truth((1, 10, 10, 50, 50)), [result(7, 10, 10, 50, 50, 0.9)])
    with pytest.raises(EvaluationError, match="category_id 3"):
        coco_metrics(truth((1, 10, 10, 50, 50)), [result(1, 10, 10, 50, 50, 0.9, category=3)])


class Oracle(nn.Module):
    """Knows the answers: what `predict` must hand to pycocotools unchanged."""

    def __init__(self, dataset):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.answers = iter([dataset.read(i)[1] for i in range(len(dataset))])

    def forward(self, images):
        assert not self.training
        found = []
        for _ in images:
            target = next(self.answers)
            boxes = target["boxes"].as_subclass(torch.Tensor)
            found.append({"boxes": boxes, "labels": target["labels"], "scores": torch.linspace(0.9, 0.5, len(boxes))})
        return found


def test_predict_and_evaluate_the_truth_give_one():
    dataset = data.load("shapes", "test", num_images=7, transforms=data.transforms.eval_transforms())
    model = Oracle(dataset).train()
    metrics = evaluate(model, dataset, batch_size=3, progress=False)
    assert metrics["AP"] == pytest.approx(1.0, abs=1e-3)
    assert model.training  # as it was before


def coco_folder(folder, *, corrupt=()):
    """Six pictures of shapes, some of them cut off."""
    data.ShapesDataset(num_images=6, split="test", size=(96, 96)).export_coco(folder)
    pictures = sorted((folder / "images").rglob("*.png"))
    for i in corrupt:
        pictures[i].write_bytes(pictures[i].read_bytes()[:100])
    return data.load(folder, "test", transforms=data.transforms.eval_transforms(), on_corrupt="skip")


class Repeats(nn.Module):
    """Gives what stands in the targets: what can be seen, it finds."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = FCOSConfig.tiny(num_classes=5, centerness_inference="oracle")

    def forward(self, images, targets):
        return [{**t, "scores": torch.full((len(t["labels"]),), 0.9)} for t in targets]


@pytest.mark.parametrize("corrupt", [(0,), (5,), (1, 2, 3)])
def test_skipped_images_are_left_out_of_the_truth(tmp_path, corrupt):
    dataset = coco_folder(tmp_path, corrupt=corrupt)
    boxes = [len(dataset.annotations().boxes[dataset.annotations().of_image(i)]) for i in range(6)]
    were, their = ("was", "its") if len(corrupt) == 1 else ("were", "their")
    left_out = sum(boxes[i] for i in corrupt)
    told = f"{len(corrupt)} of 6 images {were} not read; .* with {their} {left_out} box{'es' * (left_out > 1)}$"
    with pytest.warns(UserWarning, match=told):
        metrics = evaluate(Repeats(), dataset, batch_size=2, progress=False)
    assert metrics["AP"] == metrics["AR100"] == pytest.approx(1.0)
    results, seen = predict_seen(Repeats(), dataset, batch_size=2, progress=False)
    assert seen == [i for n, i in enumerate(dataset.image_ids) if n not in corrupt]
    assert {r["image_id"] for r in results} == set(seen)


def test_indices_choose_what_is_measured(tmp_path):
    dataset = coco_folder(tmp_path)
    with pytest.warns(UserWarning, match="4 of 6 images"):
        assert evaluate(Repeats(), dataset, indices=[3, 1], progress=False)["AP"] == pytest.approx(1.0)
    assert truth_of(dataset, dataset.image_ids) == dataset.ground_truth()


def test_nothing_that_can_be_read_is_nothing_to_measure(tmp_path):
    dataset = coco_folder(tmp_path, corrupt=range(6))
    with pytest.raises(EvaluationError, match="none of the 6 images could be read"):
        evaluate(Repeats(), dataset, progress=False)


def test_the_mode_is_restored_after_an_error():
    dataset = data.load("shapes", "test", num_images=1, transforms=data.transforms.eval_transforms())
    model = Oracle(dataset).train()
    model.answers = iter([])
    with pytest.raises(StopIteration):
        predict(model, dataset, progress=False)
    assert model.training


def test_an_unknown_precision_is_refused():
    dataset = data.load("shapes", "test", num_images=1, transforms=data.transforms.eval_transforms())
    with pytest.raises(ValueError, match="precision is 'fp16'"):
        predict(Oracle(dataset), dataset, precision="fp16", progress=False)


def test_a_model_may_return_more():
    dataset = data.load("shapes", "test", num_images=2, transforms=data.transforms.eval_transforms())
    model = Oracle(dataset)
    model.register_forward_hook(lambda module, given, found: [f | {"masks": torch.zeros(3)} for f in found])
    assert predict(model, dataset, progress=False) == predict(Oracle(dataset), dataset, progress=False) != []


def test_run_coco_is_pycocotools_with_its_arrays():
    run = run_coco(truth((1, 10, 10, 50, 50), (1, 100, 100, 60, 60)), [result(1, 10, 10, 50, 50, 0.9)],
                   ious=(0.3, 0.6), max_detections=(5, 7))  # fmt: skip
    assert run.eval["precision"].shape == (2, 101, 1, 4, 2)
    assert run.eval["recall"][:, 0, 0, :].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_results_are_json_in_coco_format():
    dataset = data.load("shapes", "test", num_images=2, transforms=data.transforms.eval_transforms())
    results = json.loads(json.dumps(predict(Oracle(dataset), dataset, progress=False)))
    x0, y0, x1, y1 = dataset.read(0)[1]["boxes"][0].tolist()
    assert results[0]["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])
    assert {r["image_id"] for r in results} == set(dataset.image_ids)


def test_table_prints_percent_and_a_dash_for_the_undefined():
    table = metrics_table({"AP": 0.5712, "APS": None})
    assert table.split() == ["AP", "APS", "57.1", "-"]


def test_the_oracle_gets_the_true_boxes():
    config = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64)
    model = FCOS(config).set_inference(centerness_inference="oracle", score_threshold=0.0)
    dataset = data.load("shapes", "test", num_images=2, size=(64, 64), transforms=data.transforms.eval_transforms())
    results = predict(model, dataset, progress=False)
    assert results and all(r["score"] > 0 for r in results[:5])
