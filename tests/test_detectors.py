"""The detectors that FCOS is compared with: torchvision's own, on our backbone, through our trainer."""

from __future__ import annotations

import ast
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.retinanet import RetinaNetHead, retinanet_resnet50_fpn
from torchvision.tv_tensors import BoundingBoxes

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, detectors, weights
from fcos_edu.evaluation import predict
from fcos_edu.network import GroupNorm
from fcos_edu.proposals import LEVELS, anchor_sizes
from fcos_edu.training import loop
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import Batch
from fcos_edu.training.loop import train
from fcos_edu.training.state import backward

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)


def config_for(name: str, **changes) -> FCOSConfig:
    needs = {"levels": LEVELS} if name.startswith("faster") else {}
    if name == "torchvision_fcos":
        needs = {"fpn_channels": 64}
    return SMALL.replace(**needs, **changes)


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 4})


@pytest.mark.parametrize("name", detectors.DETECTORS)
def test_trains_saves_and_detects_in_one_convention(name, tmp_path):
    """One loop for all: losses fall into the log, the checkpoint gives the same detector, labels are 0..C-1."""
    config = TrainConfig(
        data="shapes", detector=name, iterations=4, batch_size=2, log_every=2, precision="no", warmup_iterations=1,
        model=config_for(name, score_threshold=0.0), test_split="val",
    )  # fmt: skip
    outcome = train(config, tmp_path, progress=False)
    assert outcome["images"] == 4 and 0 <= outcome["AP"] <= 1
    model = detectors.load(tmp_path / "model.safetensors")
    assert type(model) is type(detectors.build(name, config.model)) and not model.training
    val = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    found = predict(model, val, progress=False)
    assert found and {entry["category_id"] for entry in found} <= set(val.category_ids)
    for entry in found:
        x, y, width, height = entry["bbox"]
        assert 0 <= x and 0 <= y and x + width <= 256.01 and y + height <= 256.01  # pixels of the original image
    assert torch.isfinite(torch.tensor([entry["score"] for entry in found])).all()


def test_a_model_of_ones_own_is_trained_by_the_same_loop(tmp_path):
    """Any detector in torchvision's convention: here its RetinaNet as it comes, without our backbone."""
    torch.manual_seed(0)
    model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=5, min_size=64, max_size=64)
    before = {name: value.clone() for name, value in model.named_parameters()}
    config = TrainConfig(
        data="shapes", iterations=2, batch_size=2, log_every=1, precision="no", test_split="", warmup_iterations=0,
        model=SMALL,
    )  # fmt: skip
    train(config, tmp_path, model=model, progress=False)
    assert any(not torch.equal(before[name], value) for name, value in model.named_parameters())
    checkpoint = weights.load(tmp_path / "model.safetensors")
    assert checkpoint.about["detector"] == "custom"
    model.load_state_dict(checkpoint.state)
    with pytest.raises(weights.CheckpointError, match="custom"):
        detectors.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", detectors.DETECTORS)
def test_the_backbone_and_pyramid_are_the_same(name):
    """Of both sides of a comparison: same parameters, same shapes, and the same start from the same seed."""
    config = config_for(name)
    torch.manual_seed(3)
    ours = FCOS(config).pyramid.state_dict()
    torch.manual_seed(3)
    model = detectors.build(name, config)
    theirs = next(m for m in model.modules() if type(m) is type(FCOS(config).pyramid)).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours.values(), theirs.values(), strict=True))


def test_anchors_are_retinanets_for_the_papers_bounds():
    assert anchor_sizes(FCOSConfig.paper()) == (32, 64, 128, 256, 512)
    assert anchor_sizes(FCOSConfig.tiny()) == (16, 32, 64, 128, 256)
    model = detectors.retinanet(FCOSConfig.paper(backbone_weights="random", frozen_stages=0, backbone="resnet18"))
    default = retinanet_resnet50_fpn(weights=None, weights_backbone=None).anchor_generator
    for mine, theirs in zip(model.anchor_generator.cell_anchors, default.cell_anchors, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1.0, rtol=0.05)  # torchvision truncates its sizes
    assert model.anchor_generator.num_anchors_per_location() == [9] * 5

    one = detectors.build("retinanet_one_anchor", SMALL)  # Table 8, first row
    assert one.anchor_generator.num_anchors_per_location() == [1] * 5
    for cell, size in zip(one.anchor_generator.cell_anchors, anchor_sizes(SMALL), strict=True):
        assert cell.tolist() == [[-size / 2, -size / 2, size / 2, size / 2]]


def test_retinanets_head_is_torchvisions():
    """With as many convolutions as torchvision's, the head has its parameters; with fewer, the first of them."""
    norm = partial(GroupNorm, math.gcd(32, 8))
    full = RetinaNetHead(16, 9, 5, norm_layer=norm)
    mine = detectors.retinanet(SMALL.replace(num_head_convs=4)).head
    assert {k: v.shape for k, v in mine.state_dict().items()} == {k: v.shape for k, v in full.state_dict().items()}
    mine.load_state_dict(full.state_dict())
    maps = [torch.rand(1, 16, n, n) for n in (8, 4, 2, 1, 1)]
    for name, value in full(maps).items():
        torch.testing.assert_close(mine(maps)[name], value)
    assert len(detectors.retinanet(SMALL).head.classification_head.conv) == 1
    assert len(detectors.retinanet(SMALL).head.regression_head.conv) == 1


def test_torchvisions_fcos_has_our_bounds_and_radius():
    """Its ranges follow from the anchor's size, so the size follows from the range; the targets then agree."""
    torch.manual_seed(0)
    config = SMALL.replace(
        min_size=256, max_size=256, location_offset="none", normalize_targets=False, size_divisor=128,
        torchvision_quirks=True, fpn_channels=64,
    )  # fmt: skip
    model = detectors.torchvision_fcos(config)
    # Boxes between whole pixels, so that no location lies on a border or a bound.
    start = torch.rand(6, 2) * 150 + 0.3
    boxes = torch.cat([start, start + torch.rand(6, 2) * 90 + 10.17], dim=1)
    targets = [{"boxes": boxes, "labels": torch.arange(6) % 5}]
    seen = {}

    def keep(targets, outputs, anchors, matched):
        seen["matched"] = matched
        return {}

    model.head.compute_loss = keep
    model.train()
    model([torch.rand(3, 256, 256)], targets)
    ours = FCOS(config).targets(targets, 256, 256).matched[0]
    assert (ours >= 0).sum() > 20
    assert torch.equal(seen["matched"][0], ours)


def test_thresholds_and_sizes_are_the_same():
    config = config_for("torchvision_fcos").replace(
        score_threshold=0.11, nms_threshold=0.33, detections_per_image=7, pre_nms_top_k=13
    )
    for model in (detectors.retinanet(config), detectors.torchvision_fcos(config)):
        assert isinstance(model, detection.RetinaNet | detection.FCOS)
        told = (model.score_thresh, model.nms_thresh, model.detections_per_img, model.topk_candidates)
        assert told == (0.11, 0.33, 7, 13)
        assert (model.transform.min_size, model.transform.max_size) == ((64,), 64)
        assert model.transform.size_divisible == config.size_divisor


@pytest.mark.parametrize("name", ["retinanet", "torchvision_fcos"])
def test_half_precision_gives_float32_losses_and_boxes(name):
    model = detectors.build(name, config_for(name, score_threshold=0.0))
    images = [torch.rand(3, 64, 64)]
    targets = [{"boxes": torch.tensor([[5.0, 5.0, 40.0, 50.0]]), "labels": torch.tensor([4])}]
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.train()(images, targets)
        found = model.eval()(images)[0]
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert found["boxes"].dtype == torch.float32


def test_refused():
    with pytest.raises(ConfigError, match="detector is 'yolo'"):
        detectors.build("yolo", SMALL)
    with pytest.raises(ConfigError, match="levels is"):
        detectors.build("faster_rcnn", SMALL.replace(levels=(3, 4), level_bounds=(0.0, 64.0, math.inf)))
    with pytest.raises(ConfigError, match="detector is 'retinnet'.*retinanet"):
        TrainConfig(detector="retinnet")
    with pytest.raises(ConfigError, match="train_sizes"):
        TrainConfig(detector="retinanet", train_sizes=(64, 96))
    with pytest.raises(ConfigError, match="fpn_channels is 16.*32"):
        detectors.build("torchvision_fcos", SMALL)


def test_an_ordinary_checkpoint_is_an_fcos(tmp_path):
    FCOS(SMALL).save(tmp_path / "a.safetensors")
    assert isinstance(detectors.load(tmp_path / "a.safetensors"), FCOS)
    assert isinstance(detectors.load(tmp_path / "a.safetensors"), nn.Module)


# ---------------------------------------------------------------------- what the trainer asks
class Counting(nn.Module):
    """A detector of one's own: one weight, whose loss is its distance to the number of boxes."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, images, targets=None):
        if not self.training:
            return [{"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0).long()}]
        self.seen.append(len(images))
        boxes = sum(len(target["boxes"]) for target in targets)
        return {"distance": (self.weight - boxes).abs()}


def test_each_detector_answers_or_something_neutral_answers_for_it():
    for name in detectors.DETECTORS:
        model = detectors.build(name, config_for(name))
        assert (detectors.as_learner(model) is model) == (name == "fcos")
    plain = detectors.as_learner(Counting())
    assert plain.count_positive([torch.rand(3, 8, 8)], [{}]) is None and plain.notes() == {}


def test_a_model_is_set_for_a_run_and_as_it_was_afterwards():
    model = FCOS(SMALL)
    for before in ((True, True), (False, True), (True, False)):
        model.check_inputs, model.batcher.resize_in_training = before
        with pytest.raises(ZeroDivisionError), model.in_training(resize=False, compiled=False):
            assert not model.check_inputs and not model.batcher.resize_in_training
            raise ZeroDivisionError
        assert (model.check_inputs, model.batcher.resize_in_training) == before
        with model.in_training():
            assert not model.check_inputs and model.batcher.resize_in_training
        assert (model.check_inputs, model.batcher.resize_in_training) == before


def test_tests_of_a_two_stage_detector_are_left_out_in_a_run():
    model = detectors.build("faster_rcnn", config_for("faster_rcnn"))
    with pytest.raises(ZeroDivisionError), detectors.as_learner(model).in_training(resize=True, compiled=False):
        assert not model.check_inputs
        raise ZeroDivisionError
    assert model.check_inputs
    bare = Counting()
    with detectors.as_learner(bare).in_training(resize=True, compiled=True):
        assert not hasattr(bare, "check_inputs")


def test_notes_are_of_the_last_step():
    model = FCOS(SMALL).train()
    assert model.notes() == {}
    model([torch.rand(3, 64, 64)], [{"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}])
    assert set(model.notes()) == {"centerness_floor"} and 0 < model.notes()["centerness_floor"] < 1


def test_a_step_of_ones_own_detector_is_the_mean_of_its_passes():
    model = Counting().train()
    boxes = torch.tensor([[1.0, 1, 5, 5]])
    passes = [
        Batch([torch.rand(3, 8, 8)], [{"boxes": boxes.repeat(n, 1), "labels": torch.zeros(n).long()}], [n], 0)
        for n in (3, 5)
    ]
    losses = backward(Accelerator(cpu=True), model, passes)
    assert losses["distance"] == 4.0 and model.weight.grad == -1.0 and model.seen == [1, 1]


def test_the_trainer_knows_no_detector_by_name():
    for path in Path(loop.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not modules & {"model", "proposals"} and not names & {"FCOS", "TwoStage", "RetinaNet"}, path.name


@pytest.mark.parametrize("name", [n for n in detectors.DETECTORS if n != "fcos"])
def test_an_image_too_thin_for_torchvisions_resizing_is_named(name):
    """It was a traceback from within: "Input and output sizes should be greater than 0"."""
    model = detectors.build(name, config_for(name)).eval()
    with torch.no_grad():
        assert len(model([torch.rand(3, 70, 4000)])) == 1
        with pytest.raises(ValueError, match="an image is 4000 x 3; with a long side of at most 64 nothing is left of"):
            model([torch.rand(3, 64, 64), torch.rand(3, 3, 4000)])


def test_a_two_stage_detector_reads_boxes_by_their_format():
    torch.manual_seed(0)
    model = detectors.build("faster_rcnn", config_for("faster_rcnn")).train()
    image, losses = torch.rand(3, 64, 64), []
    for kind, box in (("XYXY", [10.0, 20, 40, 60]), ("XYWH", [10.0, 20, 30, 40])):
        torch.manual_seed(1)  # it draws samples
        boxes = BoundingBoxes(torch.tensor([box]), format=kind, canvas_size=(64, 64))
        losses.append(model([image], [{"boxes": boxes, "labels": torch.tensor([1])}]))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", [name for name in detectors.DETECTORS if name != "fcos"])
def test_what_is_found_in_an_image_does_not_depend_on_the_others(name):
    """Group norm sees the padding: in a common batch the small image would get other scores."""
    model = detectors.build(name, config_for(name, max_size=128, score_threshold=0.0, detections_per_image=20)).eval()
    torch.manual_seed(0)
    for part, layer in model.named_modules():
        # As they are initialised, a head says the same of all images. Boxes stay near their anchors: the exponential of
        # a large output would turn a rounding into hundredths of a pixel.
        if isinstance(layer, nn.Conv2d) and "bbox" not in part:
            nn.init.kaiming_normal_(layer.weight)
    small, large = torch.rand(3, 64, 64), torch.rand(3, 64, 128)
    with torch.no_grad():
        together = model([small, large, small])
        for image, found in zip((small, large, small), together, strict=True):
            torch.testing.assert_close(found["scores"], model([image])[0]["scores"], atol=1e-5, rtol=1e-5)
        if name.startswith("faster"):
            (alone,) = model.proposals([small])
            torch.testing.assert_close(model.proposals([large, small])[1]["scores"], alone["scores"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("classes", [7, 3])
def test_classes_without_names_must_be_as_many_as_those_of_the_data(tmp_path, classes):
    """Seven on data of five were an IndexError, three were accepted."""
    model = FCOS(FCOSConfig.tiny(num_classes=classes, min_size=64, max_size=64))
    model.save(tmp_path / "a.safetensors")
    dataset = data.ShapesDataset(num_images=1, split="val")
    with pytest.raises(ValueError, match=f"detects {classes} classes without names, but the data has 5: disc, ring"):
        detectors.load_for(tmp_path / "a.safetensors", dataset)


def test_classes_of_the_data_go_by_their_names(tmp_path):
    """The same names under other numbers are the same classes; of a class that is not there nothing is lost."""
    FCOS(FCOSConfig.tiny(num_classes=6, class_names=("new", *data.shapes.CLASSES[::-1]))).save(
        tmp_path / "a.safetensors"
    )
    data.ShapesDataset(num_images=2, split="val").export_coco(tmp_path / "set")
    dataset = data.load(tmp_path / "set", "val")
    before = [dataset.classes[label] for label in dataset.annotations().labels]
    ids = [entry["category_id"] for entry in dataset.ground_truth()["annotations"]]
    given = dataset.classes
    with pytest.raises(ValueError, match="detects new, cross, .*but the data has"):  # a reader's own is left alone
        detectors.load_for(tmp_path / "a.safetensors", dataset)
    assert dataset.classes == given
    detectors.load_for(tmp_path / "a.safetensors", dataset, by_name=True)
    assert dataset.classes == ("new", *data.shapes.CLASSES[::-1])
    assert [dataset.classes[label] for label in dataset.annotations().labels] == before
    assert [entry["category_id"] for entry in dataset.ground_truth()["annotations"]] == ids
