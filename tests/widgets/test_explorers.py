"""Explorers: their JavaScript gives the package's numbers, and they answer pointer, touch and keyboard, in a browser.

Everything runs in a real browser without a network. The numbers come first: each function of ``js/core.js``, as a page
has it, beside the package, torchvision and pycocotools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou, generalized_box_iou_loss

from fcos_edu import widgets
from fcos_edu.centerness import centerness
from fcos_edu.config import FCOSConfig
from fcos_edu.evaluation.ambiguity import ambiguous_locations
from fcos_edu.evaluation.coco_ap import coco_results, run_coco
from fcos_edu.inference import class_wise_nms
from fcos_edu.locations import Grid, canvas_locations, feature_sizes
from fcos_edu.losses import box_loss, focal_loss, iou_and_giou
from fcos_edu.targets import PaddedBoxes, assign, assign_slow, candidates, ltrb, ltrb_to_boxes
from fcos_edu.widgets import (
    Piece,
    box_explorer,
    centerness_explorer,
    explorers,
    focal_explorer,
    guess_explorer,
    iou_explorer,
    nms_explorer,
    overlap_explorer,
    pr_explorer,
)
from fcos_edu.widgets.piece import script

from .reader import TELEPHONE, Reader, luminance, swipe

Call = Callable[..., Any]
NESTED = [[40, 30, 240, 190], [60, 60, 150, 160], [100, 80, 130, 110]]  # each in the one before
GAINS = [
    {"name": "group norm", "paper": 0.5, "ours": 1.26, "interval": (0.4, 2.12), "word": "reproduced"},
    {"name": "GIoU", "paper": 0.4, "ours": -0.2, "interval": (-9.0, 8.6), "word": "not told apart"},
    {"name": "<b>sampling</b>", "paper": -0.3},
    {"name": "not in the paper", "paper": None, "ours": 0.0},
]
CONFIGS = {
    "paper": FCOSConfig.paper(),
    "improved": FCOSConfig.improved(),
    "torchvision": FCOSConfig.torchvision(),
    "tiny": FCOSConfig.tiny(center_sampling_radius=0.75),
    "one map": FCOSConfig.paper(levels=(4,), level_bounds=(0, float("inf"))),
}


def found_by_detector() -> dict[str, Any]:
    """Three clusters of boxes around NESTED, as before NMS."""
    generator = torch.Generator().manual_seed(3)
    boxes = torch.tensor(NESTED, dtype=torch.float32).repeat(4, 1)
    boxes += 6 * torch.rand(boxes.shape, generator=generator) - 3
    scores = torch.rand(len(boxes), generator=generator)
    return {"boxes": boxes, "scores": scores, "labels": torch.tensor([0, 1, 0]).repeat(4)}


def one_of_each(**options: Any) -> list[Piece]:
    truth = [{"boxes": torch.tensor(NESTED, dtype=torch.float32), "labels": torch.tensor([0, 1, 0])}]
    scene: dict[str, Any] = {"labels": [0, 1, 0], "names": ["disc", "ring"], "size": (240, 320)}
    return [
        box_explorer(NESTED, **scene, **options),
        overlap_explorer(NESTED, **scene, **options),
        iou_explorer(**options),
        centerness_explorer(**options),
        focal_explorer(**options),
        nms_explorer(found_by_detector(), ["disc", "ring"], size=(240, 320), **options),
        pr_explorer([found_by_detector()], truth, ["disc", "ring"], **options),
        guess_explorer(GAINS, **options),
    ]


KINDS = [each.kind for each in one_of_each()]


# ---------------------------------------------------------------- the numbers


@pytest.fixture(scope="module")
def call(chromium: Any) -> Iterator[Call]:
    """Call a function of core.js for each row of arguments, in the browser."""
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    page.set_content(f"<script>{script('core')}</script>")

    def run(name: str, rows: list[Any]) -> Any:
        # Infinity is no JSON; it travels as a word.
        text = json.dumps(rows).replace("Infinity", '"inf"')
        values = "JSON.parse(text, (_, v) => v === 'inf' ? Infinity : v).map((row) => core[name](...row))"
        return json.loads(page.evaluate(f"([name, text]) => JSON.stringify({values})", [name, text]))

    yield run
    page.close()


def random_boxes(generator: torch.Generator, many: int, height: int = 240, width: int = 320) -> Tensor:
    """Boxes of all sizes, half of them on whole and half pixels, where distances are exactly a bound; float32."""
    start = torch.rand(many, 2, generator=generator) * torch.tensor([width, height])
    side = 2 ** (1 + 7.5 * torch.rand(many, 2, generator=generator))
    boxes = torch.cat([start - side / 4, start + side], dim=1)
    return torch.where(
        torch.rand(many, 1, generator=generator) < 0.5, (boxes * 2).round() / 2 + torch.tensor([0, 0, 1, 1]), boxes
    )


def test_distances_and_boxes(call: Call) -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = random_boxes(generator, 300).double()
    points = 300 * torch.rand(300, 2, generator=generator, dtype=torch.float64)
    rows = [[*point, box] for point, box in zip(points.tolist(), boxes.tolist())]
    wanted = torch.stack([ltrb(point[None], box[None])[0, 0] for point, box in zip(points, boxes)])
    assert call("ltrb", rows) == wanted.tolist()
    back = [[*point, distances] for point, distances in zip(points.tolist(), wanted.tolist())]
    assert call("decode", back) == ltrb_to_boxes(points, wanted).tolist()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_location_learns_the_box_of_the_package(call: Call, name: str) -> None:
    """Owners, all claims in their order, and Table 2's counts, at every location of 60 images."""
    config, generator = CONFIGS[name], torch.Generator().manual_seed(1)
    height, width = 240, 320
    sizes = feature_sizes(height, width, config.strides)
    levels = explorers._levels(height, width, config)
    positive = ambiguous = 0
    for number in range(60):
        boxes = random_boxes(generator, 1 + number % 9)
        if number % 3 == 0:  # the same box twice, and one of the same area
            x0, y0, x1, y1 = boxes[0].tolist()
            boxes = torch.cat([boxes, boxes[:1], torch.tensor([[x0, y0, x0 + (y1 - y0), y0 + (x1 - x0)]])])
        labels = torch.randint(0, 2, (len(boxes),), generator=generator)
        valid = torch.ones(1, len(boxes), dtype=torch.bool)
        rows = [
            [
                level["xs"],
                level["ys"],
                boxes.tolist(),
                {
                    "stride": level["stride"],
                    "low": level["low"],
                    "high": float("inf") if level["high"] is None else level["high"],
                    "radius": config.center_sampling_radius,
                    "quirks": config.torchvision_quirks,
                },
            ]
            for level in levels
        ]
        found = call("assignLevel", rows)
        owner = [index for level in found for index in level["owner"]]
        assert owner == assign(boxes[None], valid, sizes, config)[0].tolist(), boxes.tolist()
        if number < 10 and not config.torchvision_quirks:
            points = canvas_locations(sizes, config).split([h * w for h, w in sizes])
            assert owner == assign_slow(points, boxes, config).tolist()

        claims = [each for level in found for each in level["claims"]]
        words, order = candidates(boxes[None], valid, sizes, config)
        expected = [
            [int(order[0, bit]) for bit in range(len(boxes)) if word >> bit & 1] for word in words[0][0].tolist()
        ]
        assert claims == expected
        (counts,) = call("countAmbiguous", [[claims, labels.tolist()]])
        padded = PaddedBoxes(boxes[None], labels[None], valid)
        masks = ambiguous_locations(padded, Grid.of(height, width, config), config)
        assert list(counts.values()) == [int(mask.sum()) for mask in masks]
        positive, ambiguous = positive + counts["positive"], ambiguous + counts["ambiguous"]
    assert positive > 300 and ambiguous > 20, "the random boxes must overlap, or this test shows nothing"


def test_levels_by_the_largest_distance(call: Call) -> None:
    bounds = FCOSConfig.paper().level_bounds
    farthest = [0.5, 63.9, 64, 64.1, 128, 200, 256, 512, 513, 9999]
    rows = [[value, bounds, quirks] for value in farthest for quirks in (False, True)]
    inclusive = [[i for i in range(5) if bounds[i] <= v <= bounds[i + 1]] for v in farthest]
    exclusive = [[i for i in range(5) if bounds[i] < v < bounds[i + 1]] for v in farthest]
    assert call("levelsOf", rows) == [each for pair in zip(inclusive, exclusive) for each in pair]
    assert inclusive[2] == [0, 1] and exclusive[2] == []


def test_centerness(call: Call) -> None:
    generator = torch.Generator().manual_seed(2)
    distances = 200 * torch.rand(400, 4, generator=generator, dtype=torch.float64)
    distances[:40] *= torch.randint(0, 2, (40, 4), generator=generator)  # zeros, alone and together
    wanted = centerness(distances)
    assert call("centerness", [[d] for d in distances.tolist()]) == pytest.approx(wanted.tolist(), rel=1e-12)
    assert (wanted == 0).sum() > 20 and (wanted > 0.5).sum() > 50


def pairs(many: int = 400) -> tuple[Tensor, Tensor]:
    """Two columns of boxes, float64: apart, touching, overlapping, nested, equal."""
    generator = torch.Generator().manual_seed(4)
    a, b = random_boxes(generator, many).double(), random_boxes(generator, many).double()
    b[:20] = a[:20]
    b[20:120] = a[20:120] + 20 * torch.rand(100, 1, generator=generator, dtype=torch.float64) - 10
    middle = (a[120:140, :2] + a[120:140, 2:]) / 2
    b[120:140] = torch.cat([(a[120:140, :2] + middle) / 2, (a[120:140, 2:] + middle) / 2], dim=1)
    b[140:150] = a[140:150] + (a[140:150, 2:] - a[140:150, :2]).repeat(1, 2)  # touch in a corner
    return a, b


def test_iou_and_giou_are_those_of_torchvision(call: Call) -> None:
    a, b = pairs()
    found = call("overlap", [list(pair) for pair in zip(a.tolist(), b.tolist())])
    iou, giou = box_iou(a, b).diagonal(), generalized_box_iou(a, b).diagonal()
    assert [each["iou"] for each in found] == pytest.approx(iou.tolist(), abs=1e-9)
    assert [each["giou"] for each in found] == pytest.approx(giou.tolist(), abs=1e-9)
    assert (iou == 0).sum() > 20 and (iou > 0.3).sum() > 20 and (giou < 0).sum() > 20


def test_box_losses_are_those_of_the_package(call: Call) -> None:
    """The package's functions take distances from a location that lies in both boxes."""
    generator = torch.Generator().manual_seed(5)
    a, b = (1 + 80 * torch.rand(300, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    point = torch.full((300, 2), 100.0, dtype=torch.float64)
    rows = list(zip(ltrb_to_boxes(point, a).tolist(), ltrb_to_boxes(point, b).tolist()))
    found = call("overlap", [list(row) for row in rows])
    iou, giou = iou_and_giou(a, b)
    assert [each["iou"] for each in found] == pytest.approx(iou.tolist(), abs=1e-7)
    assert [each["giou"] for each in found] == pytest.approx(giou.tolist(), abs=1e-7)
    for kind in ("iou", "linear_iou", "giou"):
        losses = call("boxLoss", [[each, kind] for each in found])
        assert losses == pytest.approx(box_loss(a, b, kind).tolist(), abs=1e-6), kind
    # Apart, -ln IoU stops where the package clamps it.
    assert call("boxLoss", [[{"iou": 0.0, "giou": -0.4}, "iou"]])[0] == pytest.approx(-np.log(1e-7))


def test_the_pull_on_the_sides_is_the_gradient(call: Call) -> None:
    a, b = pairs()
    a, b = a[20:].clone(), b[20:]  # equal boxes stand on a kink
    smooth = (
        (a[:, None, :].unflatten(2, (2, 2)) - b[:, None, :].unflatten(2, (2, 2)).flip(2)).abs().amin((1, 2, 3)) > 1e-2
    ) & ((a - b).abs().amin(1) > 1e-2)
    a, b = a[smooth].requires_grad_(), b[smooth]
    found = np.array(call("boxGradient", [[*pair, "giou"] for pair in zip(a.tolist(), b.tolist())]))
    generalized_box_iou_loss(a, b, reduction="sum").backward()
    assert found == pytest.approx(a.grad.numpy(), abs=1e-5) and len(found) > 200

    a.grad = None
    iou = box_iou(a, b).diagonal()
    torch.where(iou > 0, -iou.clamp(min=1e-7).log(), 0.0).sum().backward()
    near = iou > 0.02  # steeper below: central differences are too coarse there
    found = np.array(call("boxGradient", [[*pair, "iou"] for pair in zip(a.tolist(), b.tolist())]))
    assert found[near] == pytest.approx(a.grad[near].numpy(), abs=1e-5) and near.sum() > 50
    assert not found[iou == 0].any() and (iou == 0).any(), "apart, -ln IoU pulls nowhere"


def test_focal_loss_and_cross_entropy(call: Call) -> None:
    generator = torch.Generator().manual_seed(6)
    logits = 8 * torch.randn(400, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (400,), generator=generator)
    plain = call("crossEntropy", [list(row) for row in zip(logits.tolist(), targets.tolist())])
    wanted = F.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    assert plain == pytest.approx(wanted.tolist(), rel=1e-9, abs=1e-14)
    for alpha, gamma in ((0.25, 2.0), (0.5, 0.0), (1.0, 5.0), (0.0, 1.5)):
        rows = [[x, y, alpha, gamma] for x, y in zip(logits.tolist(), targets.tolist())]
        # One location, one class: label 0 is the class, -1 the background.
        wanted = [float(focal_loss(x.view(1, 1, 1), y.view(1, 1) - 1, alpha, gamma)) for x, y in zip(logits, targets)]
        assert call("focal", rows) == pytest.approx(wanted, rel=1e-7, abs=1e-12), (alpha, gamma)
    p = [0.01, 0.3, 0.5, 0.999]
    assert call("sigmoid", [[x] for x in call("logit", [[v] for v in p])]) == pytest.approx(p, rel=1e-12)


def test_nms_keeps_what_the_package_keeps(call: Call) -> None:
    generator = torch.Generator().manual_seed(7)
    rows, wanted, removed = [], [], 0
    for number in range(200):
        many = 1 + number % 25
        boxes = random_boxes(generator, 3).repeat(9, 1)[:many] + 12 * torch.rand(many, 4, generator=generator)
        scores = (torch.rand(many, generator=generator) * (10 if number % 2 else 1e6)).round() / 10  # half with ties
        labels = torch.randint(0, 1 + number % 3, (many,), generator=generator)
        threshold = (0.3, 0.5, 0.6, 0.0, 1.0)[number % 5]
        rows.append([boxes.tolist(), scores.tolist(), labels.tolist(), threshold])
        wanted.append(class_wise_nms(boxes, scores, labels, threshold).tolist())
    for (boxes, _, labels, threshold), keep, found in zip(rows, wanted, call("nms", rows)):
        assert found["kept"] == keep
        for i, (by, iou) in enumerate(zip(found["by"], found["iou"])):
            assert (by < 0) == (i in keep)
            if by >= 0:
                removed += 1
                pair = torch.tensor([boxes[by], boxes[i]], dtype=torch.float64)
                assert by in keep and labels[by] == labels[i] and iou > threshold
                assert iou == pytest.approx(float(box_iou(pair[:1], pair[1:])), abs=1e-9)
    assert removed > 300


def test_precision_recall_and_ap_are_those_of_pycocotools(call: Call) -> None:
    generator = torch.Generator().manual_seed(8)
    images, annotations, results = [], [], []
    for number in range(60):
        truth = random_boxes(generator, number % 5)
        many = 130 if number == 7 else 3 * len(truth)  # more than COCO's 100 in one image
        boxes = torch.cat([truth, truth, random_boxes(generator, many)]) if len(truth) else random_boxes(generator, 2)
        boxes = boxes + 10 * torch.rand(boxes.shape, generator=generator) - 5
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        scores = (torch.rand(len(boxes), generator=generator) * 20).round() / 20  # many ties
        truth, boxes = truth.double(), boxes.double()
        images.append({"boxes": boxes.tolist(), "scores": scores.tolist(), "truth": truth.tolist()})
        found = {"boxes": boxes, "scores": scores, "labels": torch.zeros(len(boxes), dtype=torch.int64)}
        results += coco_results(found, number, [1])
        for x0, y0, x1, y1 in truth.tolist():
            size = (x1 - x0) * (y1 - y0)
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": size}
            annotations.append(annotation | {"bbox": [x0, y0, x1 - x0, y1 - y0]})
    dataset = {
        "images": [{"id": i, "width": 320, "height": 240} for i in range(60)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }
    precision = run_coco(dataset, results).eval["precision"][:, :, 0, 0, 2]  # (10, 101)
    thresholds = np.arange(10) * 0.05 + 0.5
    for threshold, wanted, found in zip(
        thresholds, precision, call("precisionRecall", [[images, t] for t in thresholds.tolist()])
    ):
        assert found["sampled"] == pytest.approx(wanted.tolist(), abs=1e-9), threshold
        assert found["ap"] == pytest.approx(wanted.mean(), abs=1e-9)
        assert found["total"] == len(annotations)
    assert 0.05 < precision[0].mean() < 0.95
    assert call("precisionRecall", [[[{"boxes": [], "scores": [], "truth": []}], 0.5]]) == [None]


# ---------------------------------------------------------------- the text that a notebook stores


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
class TestText:
    def test_the_same_input_gives_the_same_text(self, number: int) -> None:
        assert one_of_each()[number].html == one_of_each()[number].html
        assert one_of_each()[number]._repr_html_() == one_of_each()[number].html

    def test_nothing_comes_from_outside(self, number: int) -> None:
        text = one_of_each()[number].html
        assert set(re.findall(r"https?://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
        assert not re.search(r"\b(?:fetch|XMLHttpRequest|import|eval)\b\s*\(", text)
        assert "<link" not in text and " src=" not in text

    def test_a_name_cannot_end_the_script(self, number: int) -> None:
        evil = "</script><b>&\u2028"
        text = one_of_each(caption=evil)[number].html
        assert text.count("</script>") == 1 and text.rstrip().endswith("</script>\n</div>")
        assert "&lt;/script&gt;&lt;b&gt;&amp;" in text

    def test_it_is_not_large(self, number: int) -> None:
        assert len(one_of_each()[number].html) < 64 * 1024

    def test_it_says_what_it_shows(self, number: int) -> None:
        explorer = one_of_each()[number]
        assert repr(explorer) == f"<{explorer.text}>" and "0x" not in repr(explorer)
        assert f"{explorer.text}. This figure answers" in explorer.html, "for a page where no script runs"


def test_class_names_cannot_end_the_script() -> None:
    text = box_explorer(NESTED, [0, 0, 0], ["</script>"], size=(240, 320)).html
    assert text.count("</script>") == 1


def test_names_of_boxes() -> None:
    def titles(*args: Any) -> list[str]:
        return box_explorer(NESTED, *args, size=(240, 320)).data["names"]

    assert titles() == ["box 1", "box 2", "box 3"]
    assert titles([0, 1, 0], ["disc", "ring"]) == ["disc 1", "ring", "disc 2"]
    assert titles([4, 4, 2]) == ["class 4 1", "class 4 2", "class 2"]


def test_an_image_gives_the_size_and_is_kept_small() -> None:
    image = torch.zeros(3, 240, 320)
    image[0, 60:120, 60:120] = 1.0
    explorer = box_explorer(NESTED, image=image)
    assert explorer.data["size"] == [240, 320]
    assert explorer.data["image"].startswith("data:image/png;base64,") and len(explorer.data["image"]) < 2000
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert box_explorer(NESTED, image=noise).data["image"].startswith("data:image/jpeg;base64,")
    # A name must not depend on the picture, whose bytes differ between versions of Pillow.
    ids = [re.search(r'id="(fcx-[^"]+)"', e.html)[1] for e in (explorer, box_explorer(NESTED, size=(240, 320)))]
    assert ids[0] == ids[1]


def test_locations_and_levels_are_the_configurations() -> None:
    for config in CONFIGS.values():
        data = box_explorer(NESTED, size=(240, 320), config=config).data
        points = [[x, y] for level in data["levels"] for y in level["ys"] for x in level["xs"]]
        assert points == canvas_locations(feature_sizes(240, 320, config.strides), config).tolist()
        assert [level["name"] for level in data["levels"]] == list(config.levels)
        assert data["radius"] == config.center_sampling_radius


def test_the_box_explorer_begins_at_a_location_that_learns() -> None:
    data = box_explorer(NESTED, size=(240, 320)).data
    config = FCOSConfig.paper()
    sizes = feature_sizes(240, 320, config.strides)
    owner = assign(torch.tensor([NESTED], dtype=torch.float32), torch.ones(1, 3, dtype=torch.bool), sizes, config)[0]
    points = canvas_locations(sizes, config).tolist()
    assert owner[points.index(data["start"])] == 2  # the smallest box
    assert box_explorer([[1, 1, 3, 3]], size=(240, 320)).data["start"] == [160, 120]  # no location learns this one


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: box_explorer(NESTED), "neither size nor image"),
        (lambda: box_explorer([], size=(9, 9)), r"boxes of shape \(0,\)"),
        (lambda: box_explorer(np.zeros((0, 4)), size=(9, 9)), "0 boxes; an explorer takes 1 to 40"),
        (lambda: box_explorer(NESTED * 14, size=(9, 9)), "42 boxes"),
        (lambda: box_explorer([[5, 0, 5, 9]], size=(9, 9)), "box 0 is .*x0 < x1"),
        (lambda: box_explorer([[5, 0, float("nan"), 9]], size=(9, 9)), "box 0 is .*x0 < x1"),
        (lambda: box_explorer(NESTED, [0], size=(9, 9)), "1 label for 3 boxes"),
        (lambda: box_explorer(NESTED, [0, 1, 2], ["a", "b"], size=(9, 9)), r"labels \[0, 1, 2\] for 2 names"),
        (lambda: box_explorer(NESTED, size=(9, 0)), r"size is \(9, 0\)"),
        (lambda: box_explorer(NESTED, size=(9, 9), image=np.zeros((3, 8, 9))), r"\(9, 9\), but the image is 8 x 9"),
        (lambda: box_explorer(NESTED, image=np.zeros((8, 9))), r"an image of shape \(8, 9\)"),
        (lambda: overlap_explorer(NESTED, size=(240, 320), level=8), r"level is 8; .*\[3, 4, 5, 6, 7\]"),
        (lambda: iou_explorer(loss="l1"), "loss is 'l1'"),
        (lambda: iou_explorer(truth=(9, 9, 1, 1)), "box 0 is"),
        (lambda: centerness_explorer(point=(1, 1)), r"point is \(1.0, 1.0\)"),
        (lambda: centerness_explorer(score=2), "score is 2"),
        (lambda: focal_explorer(gamma=7), "gamma is 7"),
        (lambda: focal_explorer(alpha=-1), "alpha is -1"),
        (lambda: focal_explorer(prior=0), "prior is 0"),
        (lambda: focal_explorer(positives=-1), "-1 positives"),
        (lambda: guess_explorer([]), "0 rows; the figure takes 1 to 12"),
        (lambda: guess_explorer(GAINS * 4), "16 rows"),
        (lambda: guess_explorer([{"name": "GIoU"}]), "row 'GIoU' has neither 'paper' nor 'ours'"),
        (lambda: guess_explorer([{"name": "GIoU", "paper": float("nan")}]), r"row 'GIoU' has the numbers \[nan\]"),
        (lambda: guess_explorer([GAINS[0] | {"interval": (0.1, float("inf"))}]), "all must be finite"),
        (lambda: guess_explorer(GAINS, step=0), "step is 0"),
        (lambda: nms_explorer({"boxes": [], "scores": [], "labels": []}, size=(9, 9)), "no detections"),
        (lambda: nms_explorer({"boxes": NESTED, "scores": [1], "labels": [0]}, size=(9, 9)), "1 score for 3 boxes"),
        (lambda: nms_explorer(found_by_detector(), ["a"], size=(9, 9)), "for 1 name"),
        (lambda: nms_explorer(found_by_detector(), size=(9, 9), nms_threshold=1.5), "nms_threshold is 1.5"),
        (lambda: pr_explorer([], [{}]), "0 detections for 1 target"),
        (lambda: pr_explorer([found_by_detector()], [{"boxes": [], "labels": []}]), "the targets have no box"),
        (lambda: pr_explorer([found_by_detector()], [{"boxes": NESTED, "labels": [0, 0, 0]}], iou=0.52), "iou is 0.52"),
        (
            lambda: pr_explorer([found_by_detector()], [{"boxes": NESTED, "labels": [0] * 3, "iscrowd": [0, 1, 0]}]),
            "crowd",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(make: Callable[[], Piece], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_only_the_best_detections_are_taken() -> None:
    many = {"boxes": NESTED * 20, "scores": np.arange(60) / 60, "labels": [0] * 60}
    data = nms_explorer(many, size=(240, 320)).data
    assert len(data["boxes"]) == 40 and data["scores"] == sorted(data["scores"], reverse=True)


def test_scripts_and_style_are_part_of_the_package() -> None:
    root = Path(__file__).resolve().parents[2]
    patterns = re.search(r"^fcos_edu = \[(.*)\]", (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]
    packed = {path for pattern in re.findall(r'"([^"]+)"', patterns) for path in (root / "fcos_edu").glob(pattern)}
    needed = {path for path in (root / "fcos_edu" / "widgets").rglob("*") if path.suffix in (".js", ".css")}
    assert len(needed) > 11 and needed <= packed


def test_all_are_exported() -> None:
    assert {f"{kind}_explorer" for kind in KINDS} < set(widgets.__all__)


# ---------------------------------------------------------------- in the reader's hand


def test_all_on_one_page_start_and_leave_no_global_names(reader: Reader) -> None:
    reader.open()
    before = set(reader.page.evaluate("Object.getOwnPropertyNames(window)"))
    reader.open(*one_of_each(), *one_of_each())  # each twice: the same id
    assert reader.page.locator('.fcx[data-alive="true"] .fcx-stage').count() == 2 * len(KINDS)
    assert reader.page.locator(".fcx-still").count() == 0
    assert all(reader.said(i) for i in range(2 * len(KINDS)))
    # (elements with an id are properties of the window, too)
    own = {name for name in reader.page.evaluate("Object.getOwnPropertyNames(window)") if not name.startswith("fcx-")}
    assert own == before
    for name in ("core", "kit", "explore", "DATA"):
        assert reader.page.evaluate(f"typeof {name}") == "undefined"
    names = reader.page.evaluate("[...document.querySelectorAll('input[type=radio]')].map((i) => i.name)")
    assert names, "two radio groups of one name would switch each other off"


def test_scripts_that_a_notebook_inserts_later_run_as_well(reader: Reader) -> None:
    """JupyterLab sets innerHTML, and then puts each script anew into its place."""
    reader.open()
    reader.page.evaluate(
        """(text) => {
          const host = document.createElement("div");
          host.innerHTML = text;
          for (const old of host.querySelectorAll("script")) {
            const script = document.createElement("script");
            script.textContent = old.textContent;
            old.replaceWith(script);
          }
          document.body.appendChild(host);
        }""",
        one_of_each()[0].html,
    )
    assert "location" in reader.said()


def test_a_script_that_does_not_know_its_place_finds_it_by_name(reader: Reader) -> None:
    explorer = one_of_each()[0]
    reader.open()
    code = re.search(r"<script>(.*)</script>", explorer.html, re.DOTALL)[1]
    reader.page.evaluate("(text) => { document.body.innerHTML = text; }", explorer.html)
    assert reader.page.locator(".fcx-still").is_visible(), "without scripts, the figure says so"
    reader.page.evaluate(code)
    assert "location" in reader.said()


def test_the_box_explorer_follows_the_pointer(reader: Reader) -> None:
    config = FCOSConfig.paper()
    reader.open(box_explorer(NESTED, [0, 1, 0], ["disc", "ring"], size=(240, 320), config=config))
    sizes = feature_sizes(240, 320, config.strides)
    owner = assign(torch.tensor([NESTED], dtype=torch.float32), torch.ones(1, 3, dtype=torch.bool), sizes, config)[0]
    points = canvas_locations(sizes, config).tolist()
    names = ["disc 1", "ring", "disc 2"]
    learnt = set()
    inside = torch.tensor([0 < x < 320 and 0 < y < 240 for x, y in points])
    some = [np.random.default_rng(k + 1).permutation((inside & (owner == k)).nonzero()[:, 0])[:9] for k in range(-1, 3)]
    for i in np.concatenate(some).tolist():
        x, y = points[i]
        level = next(k for k in range(5) if i < sum(h * w for h, w in sizes[: k + 1]))
        reader.page.get_by_role("radio", name=f"P{config.levels[level]}").check(force=True)
        reader.page.mouse.move(*reader.at(x + 1, y - 1))
        text = reader.said()
        assert text.startswith(f"P{config.levels[level]}, location ({x:g}, {y:g}) learns ")
        index = int(owner[i])
        if index < 0:
            assert "learns background" in text
            continue
        learnt.add(index)
        left, top, right, bottom = ltrb(torch.tensor([[x, y]]), torch.tensor([NESTED[index]]))[0, 0].tolist()
        assert f"learns {names[index]}: l {left:g}, t {top:g}, r {right:g}, b {bottom:g}; " in text
        value = float(centerness(torch.tensor([left, top, right, bottom])))
        assert float(re.search(r"center-ness ([\d.]+[\d])", text)[1]) == pytest.approx(value, abs=0.0051)
    assert learnt == {0, 1, 2}


def test_the_box_explorer_chooses_the_level_by_itself(reader: Reader) -> None:
    reader.open(box_explorer([[10, 10, 310, 230], [40, 40, 80, 80]], size=(240, 320)))
    reader.page.mouse.move(*reader.at(61, 59))
    assert reader.said().startswith("P3, location (60, 60) learns box 2")
    reader.page.mouse.move(*reader.at(190, 150))
    text = reader.said()
    assert text.startswith(("P5, location (176, 144) learns box 1", "P5, location (208, 144)"))
    reader.page.mouse.move(*reader.at(3, 3))
    assert "it lies in no box" in reader.said()
    reader.page.get_by_role("radio", name="P3").check(force=True)
    reader.page.mouse.move(*reader.at(190, 150))
    assert "is outside P3\u2019s range 0 to 64" in reader.said()


def test_center_sampling_is_given_as_the_reason(reader: Reader) -> None:
    reader.open(box_explorer([[40, 40, 100, 100]], size=(240, 320), config=FCOSConfig.improved()))
    reader.page.get_by_role("radio", name="P3").check(force=True)
    reader.page.mouse.move(*reader.at(92, 92))
    assert "inside box 1, but more than 1.5 strides (12 px) from its centre" in reader.said()
    reader.page.mouse.move(*reader.at(68, 68))
    assert "learns box 1" in reader.said()


def test_the_box_explorer_answers_the_keyboard(reader: Reader) -> None:
    reader.open(box_explorer(NESTED, size=(240, 320), start=(116, 92)))
    stage = reader.page.get_by_role("application", name="Locations of the picture")
    stage.focus()
    assert reader.said().startswith("P3, location (116, 92) learns box 3")
    for key, where in (
        ("ArrowRight", (124, 92)),
        ("ArrowDown", (124, 100)),
        ("ArrowLeft", (116, 100)),
        ("ArrowUp", (116, 92)),
    ):
        reader.page.keyboard.press(key)
        assert f"location ({where[0]}, {where[1]})" in reader.said()
    reader.page.keyboard.press("5")
    assert reader.said().startswith("P5, location (112, 80)")
    assert reader.page.get_by_role("radio", name="P5").is_checked()
    reader.page.keyboard.press("a")
    assert reader.page.get_by_role("radio", name="auto").is_checked()


def ambiguity_of(boxes: list[list[float]], labels: list[int], config: FCOSConfig, level: int) -> list[int]:
    """Positive, ambiguous and different on one level, by the package."""
    grid = Grid.of(240, 320, config)
    valid = torch.ones(1, len(boxes), dtype=torch.bool)
    padded = PaddedBoxes(torch.tensor([boxes], dtype=torch.float32), torch.tensor([labels]), valid)
    masks = ambiguous_locations(padded, grid, config)
    return [int(mask[0].split(grid.counts)[config.levels.index(level)].sum()) for mask in masks]


def numbers_in(text: str) -> list[int]:
    found = re.search(r"(\d+) positive locations?, (\d+) of them ambiguous .* (\d+) of different classes", text)
    return [int(group) for group in found.groups()]


def test_the_overlap_explorer_counts_as_the_package_does(reader: Reader) -> None:
    config, boxes, labels = FCOSConfig.paper(), [[40, 40, 140, 140], [180, 60, 290, 180]], [0, 1]
    reader.open(overlap_explorer(boxes, labels, size=(240, 320), config=config, level=3))
    assert numbers_in(reader.said()) == ambiguity_of(boxes, labels, config, 3)
    assert numbers_in(reader.said())[1] == 0

    reader.drag((235, 120), (165, 100))  # the second box, by its middle, onto the first one
    moved = [boxes[0], [110, 40, 220, 160]]
    assert numbers_in(reader.said()) == ambiguity_of(moved, labels, config, 3)

    reader.drag((220, 160), (200, 130))  # its lower right corner
    moved[1][2:] = [200, 130]
    assert numbers_in(reader.said()) == ambiguity_of(moved, labels, config, 3)

    reader.page.get_by_role("radio", name="P4").check(force=True)
    assert numbers_in(reader.said()) == ambiguity_of(moved, labels, config, 4)
    reader.page.get_by_role("switch", name="size ranges").uncheck(force=True)
    one = FCOSConfig.paper(levels=(4,), level_bounds=(0, float("inf")))
    counts = numbers_in(reader.said())
    assert counts == ambiguity_of(moved, labels, one, 4) and counts[1] == counts[2] > 0
    reader.page.get_by_role("switch", name="center sampling").check(force=True)
    reader.slide("radius", 2.5)
    central = one.replace(center_sampling_radius=2.5)
    assert numbers_in(reader.said()) == ambiguity_of(moved, labels, central, 4)

    reader.page.get_by_role("button", name="reset").click()
    assert numbers_in(reader.said()) == ambiguity_of(boxes, labels, central, 4)


def test_the_overlap_explorer_colours_each_location_by_its_owner(reader: Reader) -> None:
    config = FCOSConfig.paper()
    reader.open(overlap_explorer(NESTED, size=(240, 320), config=config, level=3))
    sizes = feature_sizes(240, 320, config.strides)
    owner = assign(torch.tensor([NESTED], dtype=torch.float32), torch.ones(1, 3, dtype=torch.bool), sizes, config)[0]
    points = canvas_locations(sizes, config).tolist()
    on_p3 = range(sizes[0][0] * sizes[0][1])
    for index in range(3):
        path = reader.page.locator(".fcx-dots").nth(index).get_attribute("d") or ""
        drawn = [[float(v) for v in pair] for pair in re.findall(r"M([\d.]+) ([\d.]+)h", path)]
        assert drawn == [points[i] for i in on_p3 if owner[i] == index]
        cell = reader.page.locator(".fcx-table tbody tr, .fcx-table > tr").nth(index).locator("td").first
        assert cell.inner_text() == str(len(drawn))


def test_boxes_are_moved_and_resized_with_the_keyboard(reader: Reader) -> None:
    reader.open(iou_explorer((60, 50, 190, 170), (130, 90, 290, 210), size=(240, 320)))
    guess = reader.page.get_by_role("application", name="prediction")
    guess.focus()
    reader.page.keyboard.press("ArrowLeft")
    reader.settle()
    assert guess.get_attribute("aria-label") == "prediction, from 128, 90 to 288, 210"
    reader.page.keyboard.press("Shift+ArrowDown")
    reader.settle()
    assert guess.get_attribute("aria-label") == "prediction, from 128, 90 to 288, 212"
    for _ in range(30):
        reader.page.keyboard.press("ArrowDown")
    reader.settle()
    assert guess.get_attribute("aria-label") == "prediction, from 128, 118 to 288, 240", "not out of the picture"
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.matches('.fcx-body-of-box')") is False


def test_the_iou_explorer_shows_torchvisions_numbers(reader: Reader) -> None:
    truth, guess = [60, 50, 190, 170], [130, 90, 290, 210]
    reader.open(iou_explorer(truth, guess))
    reader.drag((220, 160), (150, 140))
    moved = [60, 70, 220, 190]
    a, b = torch.tensor([truth], dtype=torch.float64), torch.tensor([moved], dtype=torch.float64)
    iou, giou = float(box_iou(a, b)), float(generalized_box_iou(a, b))
    text = reader.said()
    assert text == f"IoU {iou:.3f}, GIoU {giou:.3f}; \u2212ln IoU is {-np.log(iou):.3f}."
    reader.page.get_by_role("radio", name="1 \u2212 GIoU").check(force=True)
    assert f"1 \u2212 GIoU is {1 - giou:.3f}" in reader.said()
    shown = reader.page.locator(".fcx-meter .fcx-value").all_inner_texts()
    assert shown == [f"{v:.3f}" for v in (-np.log(iou), 1 - iou, 1 - giou)]


def test_boxes_apart_are_pulled_by_giou_alone(reader: Reader) -> None:
    reader.open(iou_explorer((20, 20, 100, 100), (200, 120, 300, 220), loss="iou"))
    assert "No side is pulled" in reader.said() and reader.page.locator(".fcx-pull:visible").count() == 0
    assert "\u2212ln IoU is \u221e." in reader.said() and "The boxes are apart" in reader.said()
    assert "The code stops at 16.118." in reader.said(), "-ln of what the package keeps an IoU from falling below"
    assert reader.page.locator(".fcx-meter .fcx-value").first.inner_text() == "\u221e"
    reader.page.get_by_role("radio", name="1 \u2212 GIoU").check(force=True)
    assert "pulled" not in reader.said() and reader.page.locator(".fcx-pull:visible").count() > 0
    reader.page.get_by_role("button", name="descend").click()
    reader.page.wait_for_function("/^IoU 0\\.9[5-9]|^IoU 1/.test(document.querySelector('.fcx-say').textContent)")


def test_the_centerness_explorer(reader: Reader) -> None:
    reader.open(centerness_explorer((60, 40, 300, 200), (140, 95), score=0.8))
    reader.drag((140, 95), (240, 120))
    value = float(centerness(torch.tensor([180.0, 80, 60, 80])))
    assert reader.said().startswith(f"l 180, t 80, r 60, b 80: center-ness {value:.2f}.")
    assert f"A class score of 0.80 becomes {0.8 * value:.2f}." in reader.said()
    reader.page.get_by_role("switch", name="square root").uncheck(force=True)
    assert f"without the root {value**2:.2f}" in reader.said()
    reader.drag((300, 200), (180, 120))  # half as large: the location keeps its place, and so its center-ness
    assert reader.said().startswith("l 90, t 40, r 30, b 40: product")
    spot = reader.page.get_by_role("application", name="location at")
    spot.focus()
    reader.page.keyboard.press("ArrowRight")
    assert reader.said().startswith("l 92, t 40, r 28, b 40")


def test_the_map_of_centerness_has_the_paper_s_colours(reader: Reader) -> None:
    """The picture's pixels, read back: red at the centre, blue at the border, and in between Eq. 3."""
    reader.open(centerness_explorer())
    pixels = reader.page.evaluate(
        """async () => {
          const source = document.querySelector(".fcx-stage image").getAttribute("href");
          const image = new Image();
          await new Promise((done) => { image.onload = done; image.src = source; });
          const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
          pen.drawImage(image, 0, 0);
          return [...pen.getImageData(0, 0, image.width, image.height).data];
        }"""
    )
    grid = np.array(pixels).reshape(96, 96, 4)[..., :3]
    at = (torch.arange(96, dtype=torch.float64) + 0.5) / 96
    y, x = torch.meshgrid(at, at, indexing="ij")
    values = centerness(torch.stack([x, y, 1 - x, 1 - y], dim=-1)).numpy()
    from fcos_edu.figures import CENTERNESS_COLORS

    wanted = CENTERNESS_COLORS(values)[..., :3] * 255
    assert np.abs(grid - wanted).max() < 4


def test_the_focal_explorer(reader: Reader) -> None:
    reader.open(focal_explorer(p=0.9))
    loss = focal_loss(torch.tensor([[[np.log(9.0)]]]), torch.tensor([[0]]), 0.25, 2.0)
    assert f"at p 0.90: cross-entropy {-np.log(0.9):.3f}, focal loss of a positive" in reader.said()
    number = reader.page.locator(".fcx-meter .fcx-value").nth(1).inner_text()
    assert float(number) == pytest.approx(float(loss), rel=0.05)
    reader.slide("\u03b3", 0)
    reader.slide("\u03b1", 1)
    assert reader.page.locator(".fcx-meter .fcx-value").all_inner_texts()[:2] == [f"{-np.log(0.9):.3f}"] * 2
    stage = reader.page.get_by_role("slider", name="p of the right answer")
    stage.focus()
    reader.page.keyboard.press("ArrowLeft")
    reader.settle()
    assert stage.get_attribute("aria-valuetext") == "p 0.89"
    # Of an untrained detector: 10 positives, 17,054 negatives at p = 0.01.
    positive, negative = 10 * -np.log(0.01), 17_054 * -np.log(0.99)
    assert (
        f"negatives {100 * negative / (positive + negative):.1f}\u00a0%"
        in reader.page.locator(".fcx-shares").first.inner_text()
    )


def test_the_nms_explorer_steps_as_the_package_does(reader: Reader) -> None:
    found = found_by_detector()
    explorer = nms_explorer(found, ["disc", "ring"], size=(240, 320), score_threshold=0.1, nms_threshold=0.5)
    reader.open(explorer)
    boxes, scores, labels = (torch.tensor(explorer.data[key]) for key in ("boxes", "scores", "labels"))
    some = scores > 0.1
    keep = class_wise_nms(boxes[some], scores[some], labels[some], 0.5).tolist()
    assert f"{int(some.sum())} boxes wait" in reader.said()
    for step, index in enumerate(keep, start=1):
        reader.page.get_by_role("button", name="next").click()
        name = f"{['disc', 'ring'][labels[index]]} {scores[index]:.2f}"
        assert reader.said().startswith(f"Step {step} of {len(keep)}: {name} is the best that is left")
    assert reader.page.get_by_role("button", name="next").is_disabled()
    removed = int(some.sum()) - len(keep)
    assert reader.page.locator(".fcx-figure b").all_inner_texts() == [
        str(int(some.sum())),
        str(len(keep)),
        str(removed),
    ]
    reader.page.get_by_role("button", name="back").click()
    assert f"Step {len(keep) - 1} of" in reader.said()
    reader.slide("remove at IoU above", 1)
    assert f"{int(some.sum())} stay, 0 are removed" in reader.said()
    reader.slide("score above", 1)
    assert "0 of 12 boxes have a score above 1.00" in reader.said()


def test_the_pr_explorer_shows_cocos_ap(reader: Reader) -> None:
    generator = torch.Generator().manual_seed(9)
    found, targets, annotations, results = [], [], [], []
    for number in range(12):
        truth, kinds = random_boxes(generator, 3).clamp(0, 320), torch.tensor([0, 1, number % 2])
        truth[:, 2:] = torch.maximum(truth[:, 2:], truth[:, :2] + 5)
        boxes = truth.repeat(2, 1) + 8 * torch.rand(6, 4, generator=generator) - 4
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 5)
        # As the page has them, rounded.
        truth, boxes = (torch.tensor(np.round(t.double().numpy(), 2)) for t in (truth, boxes))
        scores = torch.tensor(np.round(torch.rand(6, generator=generator).double().numpy(), 4))
        targets.append({"boxes": truth, "labels": kinds})
        found.append({"boxes": boxes, "scores": scores, "labels": kinds.repeat(2)})
        results += coco_results(found[-1], number, [0, 1])
        for (x0, y0, x1, y1), kind in zip(truth.tolist(), kinds.tolist()):
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0, "category_id": kind}
            annotations.append(box | {"id": len(annotations) + 1, "image_id": number})
    dataset = {
        "images": [{"id": i} for i in range(12)],
        "annotations": annotations,
        "categories": [{"id": k, "name": str(k)} for k in range(2)],
    }
    precision = run_coco(dataset, results).eval["precision"][:, :, :, 0, 2]  # (10, 101, 2)
    reader.open(pr_explorer(found, targets, ["disc", "ring"], iou=0.75, score=0.4))
    summary = reader.page.locator(".fcx-formula").inner_text()
    assert summary == f"AP at IoU 0.75: {precision[5].mean():.3f}\nAP, mean of .50 to .95: {precision.mean():.3f}"
    reader.page.get_by_role("radio", name="ring").check(force=True)
    reader.slide("IoU at least", 0.5)
    summary = reader.page.locator(".fcx-formula").inner_text()
    assert summary.startswith(f"AP at IoU 0.50: {precision[0, :, 1].mean():.3f}\n")
    counts = [int(v) for v in re.findall(r"(\d+) (?:right|wrong|missed)", reader.said())]
    kinds = torch.cat([f["labels"] for f in found]) == 1
    taken = int(((torch.cat([f["scores"] for f in found]) >= 0.4) & kinds).sum())
    total = sum(int((t["labels"] == 1).sum()) for t in targets)
    assert counts[0] + counts[1] == taken and counts[0] + counts[2] == total and counts[0] > 0
    reader.slide("score at least", 1)
    assert f"0 right, 0 wrong, {total} missed" in reader.said()


# ---------------------------------------------------------------- touch, width, theme, nothing that jumps


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
def test_a_guess_comes_before_the_answer(reader: Reader) -> None:
    """Nothing tells before the figure is open; then nothing can be guessed; the marks stand where the numbers are."""
    reader.open(guess_explorer(GAINS))
    page = reader.page
    lanes, told = page.locator("[role=slider]"), page.locator(".fcx-told")
    assert "reproduced" not in page.locator(".fcx").inner_text() and not told.is_visible()
    heard = page.get_by_role("listitem")  # of what a screen reader is told
    assert heard.count() == 0
    assert reader.said() == "4 of 4 rows wait for your guess."
    assert page.locator(".fcx-figure b").all_inner_texts() == ["0/4", "?", "?"]

    lanes.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    page.get_by_label("your guess for <b>sampling</b>", exact=False).focus()
    page.keyboard.press("ArrowUp")
    box = lanes.nth(1).bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    assert reader.said() == "1 of 4 rows waits for your guess."
    guesses = [float(lane.get_attribute("aria-valuenow")) for lane in lanes.all()]
    assert guesses[0] == 0.2 and guesses[1] > 1 and guesses[2:] == [0.1, 0]

    page.get_by_role("button", name="show what came out").click()
    assert told.is_visible() and heard.count() == 4
    off = (abs(guesses[0] - 0.5) + abs(guesses[1] - 0.4) + abs(guesses[2] + 0.3)) / 3
    assert reader.said() == f"You had 2 of 3 on the right side of 0, and were {off:.2f} AP off on average."
    lines = page.locator(".fcx-told li").all_inner_texts()
    assert lines[0] == "group norm: you +0.2; paper +0.5; here +1.3, +0.4 to +2.1: reproduced."
    assert lines[2].startswith("<b>sampling</b>: you +0.1; paper \u22120.3")
    assert lines[3] == "not in the paper: you made no guess; here 0.0."
    zero = page.locator(".fcx-needle").bounding_box()["x"]
    marks = page.locator("path.fcx-mark")
    assert [m.bounding_box()["x"] + m.bounding_box()["width"] / 2 > zero for m in marks.all()[:3]] == [
        True,
        True,
        False,
    ]
    assert not marks.nth(3).is_visible()

    lanes.nth(0).focus()
    page.keyboard.press("ArrowRight")
    reader.settle()
    assert float(lanes.nth(0).get_attribute("aria-valuenow")) == 0.2, "a guess after the answer"
    page.get_by_role("button", name="guess again").click()
    assert reader.said() == "4 of 4 rows wait for your guess." and not told.is_visible()


def test_a_finger_moves_boxes_and_the_page_does_not_scroll_with_it(reader: Reader) -> None:
    reader.open(iou_explorer((60, 50, 190, 170), (130, 90, 290, 210)), *one_of_each())
    swipe(reader, (240, 180), (200, 130))
    label = reader.page.get_by_role("application", name="prediction").first.get_attribute("aria-label")
    x0, y0 = map(float, re.search(r"from ([\d.]+), ([\d.]+)", label).groups())
    assert x0 == pytest.approx(90, abs=2) and y0 == pytest.approx(40, abs=2)
    assert reader.page.evaluate("window.scrollY") == 0


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
def test_a_finger_moves_the_location_and_the_probability(reader: Reader) -> None:
    reader.open(box_explorer(NESTED, size=(240, 320)), *one_of_each())
    swipe(reader, (20, 20), (115, 95))
    assert "location (116, 92)" in reader.said() and reader.page.evaluate("window.scrollY") == 0
    reader.open(focal_explorer(), *one_of_each())
    swipe(reader, (200, 100), (300, 105))
    assert re.search(r"at p 0\.6[5-7]", reader.said())
    swipe(reader, (200, 300), (205, 20))  # up and down, the finger scrolls the page
    reader.page.wait_for_function("window.scrollY > 50")


@pytest.mark.parametrize(
    "reader", [{"viewport": {"width": 390, "height": 844}}, {"viewport": {"width": 320, "height": 700}}], indirect=True
)
def test_nothing_is_wider_than_a_telephone(reader: Reader) -> None:
    reader.open(*one_of_each(caption="A sentence that is long enough to need more than one line on a telephone."))
    assert reader.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = reader.page.evaluate(
        """[...document.querySelectorAll(".fcx *")].filter((node) => {
          const box = node.getBoundingClientRect(), root = node.closest(".fcx").getBoundingClientRect();
          return !node.closest("svg") && !node.closest("legend") && box.width > 1 && box.right > root.right + 1;
        }).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert wide == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(reader: Reader, theme: str) -> None:
    """Contrast of at least 4.5 between texts and the figure's ground (WCAG AA)."""
    reader.open(*one_of_each(), theme=theme)
    colors = reader.page.evaluate(
        """[".fcx-say", ".fcx-hint", ".fcx-figure b", ".fcx-figure span", ".fcx-name", ".fcx-value"].map((selector) =>
          getComputedStyle(document.querySelector(selector)).color)"""
    )
    ground = reader.page.evaluate("getComputedStyle(document.querySelector('.fcx')).backgroundColor")

    back = luminance(ground)
    assert (back > 0.5) == (theme == "light")
    for color in colors:
        high, low = sorted((luminance(color), back), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (color, ground)


def test_nothing_jumps_while_the_pointer_moves(reader: Reader) -> None:
    """Height of the figure, and place of the stage, over a walk through the picture."""
    reader.open(box_explorer(NESTED, [0, 1, 0], ["disc", "ring"], size=(240, 320)))

    def places() -> list[float]:
        reader.settle()
        names = (".fcx", ".fcx-stage", ".fcx-hint", ".fcx-gauge")
        boxes = [reader.page.locator(name).bounding_box() for name in names]
        return [box[key] for box in boxes for key in ("y", "height")]

    first = places()
    for x, y in ((5, 5), (60, 100), (70, 70), (115, 95), (128, 82), (235, 185), (315, 235), (160, 120)):
        reader.page.mouse.move(*reader.at(x, y))
        assert places() == first, (x, y)


def test_what_has_the_focus_is_framed(reader: Reader) -> None:
    reader.open(*one_of_each())
    seen = set()
    for _ in range(120):
        reader.page.keyboard.press("Tab")
        state = reader.page.evaluate(
            """() => {
              const node = document.activeElement;
              if (!node.closest(".fcx")) return null;
              const holder = node.matches(".fcx-chips input, .fcx-toggle input") ? node.parentElement : node;
              const style = getComputedStyle(holder);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              const framed = outlined || parseFloat(style.strokeWidth) >= 5;
              return [node.closest(".fcx").className, framed, holder.outerHTML.slice(0, 120)];
            }"""
        )
        if state:
            assert state[1], state[2]
            seen.add(state[0].split()[-1])
    assert seen == {f"fcx-{kind}" for kind in KINDS}
