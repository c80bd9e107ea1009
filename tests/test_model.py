"""The whole detector: torchvision's losses and detections, a step that waits for nothing, one image overfitted."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchvision import tv_tensors
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection import fcos_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d, box_iou
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.transforms.v2.functional import convert_bounding_box_format

from fcos_edu import FCOS, ConfigError, FCOSConfig, data
from fcos_edu import locations as locations_module
from fcos_edu import targets as targets_module
from fcos_edu.backbones import ConvNorm
from fcos_edu.locations import feature_sizes
from fcos_edu.weights import to_torchvision

LIMIT = 300  # detections of an image that are compared
THRESHOLD = 0.15


# ------------------------------------------------------------------ torchvision, the same weights
def liven(model: TorchvisionFCOS) -> TorchvisionFCOS:
    """Weights that give many detections with scores far apart, and norms that a wrong folding would show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d)):
                norm.running_mean.uniform_(-0.1, 0.1, generator=generator)  # type: ignore[union-attr]
                norm.running_var.uniform_(0.7, 1.5, generator=generator)  # type: ignore[union-attr]
        for name, parameter in model.head.named_parameters():
            if parameter.dim() == 4:
                parameter.normal_(0, 0.03, generator=generator)
            elif ".conv." in name:
                parameter.add_(torch.rand(parameter.shape, generator=generator) * 0.2)
        model.head.regression_head.bbox_reg.bias.fill_(2.0)
        model.head.classification_head.cls_logits.bias.fill_(-3.0)
    model.score_thresh, model.detections_per_img = THRESHOLD, LIMIT
    return model.eval()


def pair(theirs: TorchvisionFCOS) -> tuple[TorchvisionFCOS, FCOS]:
    ours = FCOS.from_torchvision(liven(theirs))
    return theirs, ours.set_inference(score_threshold=THRESHOLD, detections_per_image=LIMIT)


@pytest.fixture(scope="module")
def resnet50() -> tuple[TorchvisionFCOS, FCOS]:
    """``fcos_resnet50_fpn`` as torchvision builds it (with norms that learn), and ours with its weights."""
    torch.manual_seed(0)
    return pair(fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91))


@pytest.fixture(scope="module")
def resnet18() -> tuple[TorchvisionFCOS, FCOS]:
    """torchvision's FCOS on a ResNet-18 with frozen norms, and ours with its weights."""
    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18",
        weights=None,
        norm_layer=FrozenBatchNorm2d,
        trainable_layers=3,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )
    return pair(TorchvisionFCOS(backbone, num_classes=20))


def sized(models: tuple[TorchvisionFCOS, FCOS], short: int, long: int) -> tuple[TorchvisionFCOS, FCOS]:
    """Both models, resizing to this short and long side."""
    theirs, ours = models
    theirs.transform.min_size, theirs.transform.max_size = (short,), long
    return theirs.eval(), ours.set_inference(min_size=short, max_size=long).eval()


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """Blobs and fine noise: neighbouring locations see different things."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, math.ceil(height / 40), math.ceil(width / 40), generator=generator)
    blobs = F.interpolate(coarse, (height, width), mode="bilinear")[0]
    return 0.7 * blobs + 0.3 * torch.rand(3, height, width, generator=generator)


def assert_same_detections(got: dict[str, Tensor], want: dict[str, Tensor]) -> None:
    """Same labels and order, scores to 1e-4, boxes to 0.01 px.

    Detections whose scores are within 1e-5 of their neighbour's form one group, in which order is left to the last
    bits of a sum: there the sets are compared. The last group is left out where the limit of detections cuts it.
    """
    assert len(got["scores"]) == len(want["scores"])
    torch.testing.assert_close(got["scores"], want["scores"], atol=1e-4, rtol=0)
    steps = want["scores"][:-1] - want["scores"][1:]
    ends = [*((steps >= 1e-5).nonzero()[:, 0] + 1).tolist(), len(want["scores"])]
    if len(want["scores"]) == LIMIT:
        ends.pop()
    start = 0
    for end in ends:
        open_rows = list(range(start, end))
        for i in range(start, end):
            same = [
                j
                for j in open_rows
                if got["labels"][i] == want["labels"][j] and (got["boxes"][i] - want["boxes"][j]).abs().max() <= 0.01
            ]
            assert same, f"detection {i}: {got['boxes'][i].tolist()} of class {got['labels'][i]} is not there"
            open_rows.remove(same[0])
        start = end
    assert start >= 0.9 * len(want["scores"])


def test_the_comparison_of_detections_can_fail() -> None:
    want = {
        "boxes": torch.arange(12.0).reshape(3, 4),
        "scores": torch.tensor([0.9, 0.5, 0.499999]),
        "labels": torch.tensor([1, 2, 3]),
    }
    swapped = {k: v[[0, 2, 1]] for k, v in want.items()}
    assert_same_detections(swapped, want)  # a tie
    for wrong in (
        {k: v[[1, 0, 2]] for k, v in want.items()},
        want | {"labels": torch.tensor([1, 2, 2])},
        want | {"boxes": want["boxes"] + torch.tensor([0.0, 0, 0.02, 0])},
        want | {"scores": want["scores"] + 2e-4},
        {k: v[:2] for k, v in want.items()},
    ):
        with pytest.raises(AssertionError):
            assert_same_detections(wrong, want)


SIZES = [(375, 500), (640, 427), (333, 500), (480, 640), (211, 500)]


@pytest.mark.parametrize("size", SIZES)
def test_detections_of_torchvisions_resnet50(resnet50: tuple[TorchvisionFCOS, FCOS], size: tuple[int, int]) -> None:
    theirs, ours = sized(resnet50, 256, 427)
    with torch.no_grad():
        (want,), (got,) = theirs([picture(*size)]), ours([picture(*size)])
    # Worth comparing: hundreds of boxes, of many classes, hardly any of them empty.
    assert len(want["scores"]) > 200 and len(want["labels"].unique()) >= 5
    assert ((want["boxes"][:, 2:] - want["boxes"][:, :2]).amin(1) > 4).float().mean() > 0.8
    assert_same_detections(got, want)


@pytest.mark.weekly
def test_detections_at_the_published_size(resnet50: tuple[TorchvisionFCOS, FCOS]) -> None:
    theirs, ours = sized(resnet50, 800, 1333)
    with torch.no_grad():
        (want,), (got,) = theirs([picture(427, 640)]), ours([picture(427, 640)])  # to 800 x 1199
    assert len(want["scores"]) == LIMIT
    assert_same_detections(got, want)


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
def test_detections_of_a_batch_of_different_sizes(name: str, request: pytest.FixtureRequest) -> None:
    theirs, ours = sized(request.getfixturevalue(name), 192, 320)
    images = [picture(375, 500), picture(500, 300, seed=1), picture(100, 130, seed=2)]
    with torch.no_grad():
        wanted, found = theirs(images), ours(images)
    for got, want in zip(found, wanted, strict=True):
        assert len(want["scores"]) > 200
        assert_same_detections(got, want)


def random_targets(images: list[Tensor], num_classes: int, count: int = 12) -> list[dict[str, Tensor]]:
    targets = []
    for i, image in enumerate(images):
        generator = torch.Generator().manual_seed(i)
        limit = torch.tensor([image.shape[-1], image.shape[-2]])
        corner = torch.rand(count, 2, generator=generator) * limit * 0.8
        end = torch.minimum(corner + torch.exp(torch.rand(count, 2, generator=generator) * 4 + 1.5), limit)
        labels = torch.randint(0, num_classes, (count,), generator=generator)
        targets.append({"boxes": torch.cat([corner, end], dim=1), "labels": labels})
    return targets


NAMES = {"classification": "classification", "bbox_regression": "bbox_regression", "centerness": "bbox_ctrness"}


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
@pytest.mark.parametrize("sizes", [[(375, 500)], [(640, 427), (100, 130)], [(333, 500)], [(211, 500), (480, 640)]])
def test_losses_of_torchvision(name: str, sizes: list[tuple[int, int]], request: pytest.FixtureRequest) -> None:
    theirs, ours = sized(request.getfixturevalue(name), 192, 320)
    images = [picture(*size, seed=i) for i, size in enumerate(sizes)]
    targets = random_targets(images, ours.config.num_classes)
    targets[-1] = {k: v[:1] for k, v in targets[-1].items()}
    for model, body in ((theirs, theirs.backbone.body), (ours, ours.pyramid.body)):
        model.train()
        body.eval()  # learning norms would see the batch in both, and remember it
    with torch.no_grad():
        want, got = theirs(images, [dict(t) for t in targets]), ours(images, targets)
    assert isinstance(got, dict) and set(got) == set(NAMES)
    for ours_name, theirs_name in NAMES.items():
        assert want[theirs_name] > 0.01
        torch.testing.assert_close(got[ours_name], want[theirs_name], rtol=1e-4, atol=0)


def test_losses_with_norms_that_learn(resnet50: tuple[TorchvisionFCOS, FCOS]) -> None:
    theirs, ours = sized(resnet50, 128, 213)
    images = [picture(128, 160), picture(160, 128, seed=1)]
    targets = random_targets(images, 91)
    kept = [{k: v.clone() for k, v in model.state_dict().items()} for model in (theirs, ours)]
    with torch.no_grad():
        want, got = theirs.train()(images, [dict(t) for t in targets]), ours.train()(images, targets)
    theirs.load_state_dict(kept[0])
    ours.load_state_dict(kept[1])
    for ours_name, theirs_name in NAMES.items():
        torch.testing.assert_close(got[ours_name], want[theirs_name], rtol=1e-3, atol=0)


def test_losses_of_torchvision_without_boxes(resnet18: tuple[TorchvisionFCOS, FCOS]) -> None:
    theirs, ours = sized(resnet18, 128, 213)
    images = [picture(128, 160)]
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}]
    with torch.no_grad():
        want, got = theirs.train()(images, [dict(t) for t in empty]), ours.train()(images, empty)
    for ours_name, theirs_name in NAMES.items():
        torch.testing.assert_close(got[ours_name], want[theirs_name], rtol=1e-4, atol=1e-12)


def test_gradients_of_torchvision(resnet18: tuple[TorchvisionFCOS, FCOS]) -> None:
    theirs, ours = sized(resnet18, 128, 213)
    images = [picture(128, 160)]
    targets = random_targets(images, 20, count=4)
    sum(theirs.train()(images, [dict(t) for t in targets]).values()).backward()
    sum(ours.train()(images, targets).values()).backward()
    try:
        named = {n: p for n, p in theirs.named_parameters() if p.grad is not None}
        mine = to_torchvision({n: p.grad for n, p in ours.named_parameters() if p.grad is not None})
        assert set(mine) == set(named)  # the frozen stages are the same ones
        for name, parameter in named.items():
            assert parameter.grad is not None
            scale = parameter.grad.abs().max().item()
            torch.testing.assert_close(mine[name], parameter.grad, atol=1e-3 * scale + 1e-9, rtol=0, msg=name)
    finally:
        theirs.zero_grad()
        ours.zero_grad()


# ------------------------------------------------------------------ the model's own manners
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"backbone": "resnet18"},
    "improved": {"backbone": "resnet18"},
    "torchvision": {"backbone": "resnet18"},
    "tiny": {},
}
EMPTY = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_and_detects(preset: str) -> None:
    torch.manual_seed(0)
    config = getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=160, **PRESETS[preset])
    model = FCOS(config, load_backbone=False)
    images = [picture(60, 90), picture(96, 50, seed=1)]
    losses = model.train()(images, [random_targets(images, 3)[0], EMPTY])
    assert set(losses) == {"classification", "bbox_regression", "centerness"}
    assert all(torch.isfinite(v) and v.shape == () for v in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    model.eval().set_inference(score_threshold=0.0, threshold_on="class")
    with torch.no_grad():
        found = model(images)
    for image, one in zip(images, found, strict=True):
        assert len(one["scores"]) > 0
        assert one["boxes"].shape == (len(one["scores"]), 4) and one["labels"].dtype == torch.int64
        assert (one["boxes"] >= 0).all()
        assert (one["boxes"] <= torch.tensor([image.shape[-1], image.shape[-2]] * 2) + 1e-3).all()
        assert (one["scores"].diff() <= 0).all()
        assert ((one["labels"] >= 0) & (one["labels"] < 3)).all()


@pytest.fixture
def tiny() -> FCOS:
    torch.manual_seed(0)
    return FCOS(FCOSConfig.tiny(num_classes=3, min_size=96, max_size=128))


@pytest.mark.parametrize("box_loss", ["iou", "linear_iou", "giou", "smooth_l1"])
@pytest.mark.parametrize("activation", ["exp_scaled", "exp", "relu"])
def test_images_without_boxes_give_finite_losses_and_gradients(box_loss: str, activation: str) -> None:
    torch.manual_seed(0)
    model = FCOS(
        FCOSConfig.tiny(num_classes=3, min_size=64, max_size=64, box_loss=box_loss, box_activation=activation)
    ).train()
    losses = model([picture(64, 64)] * 2, [EMPTY, EMPTY])
    assert losses["bbox_regression"] == losses["centerness"] == 0
    assert 0 < losses["classification"] < 1
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_uniform_scale_of_the_image_leaves_boxes_in_its_pixels(tiny: FCOS) -> None:
    model = tiny.eval().set_inference(score_threshold=0.0)
    image = picture(96, 128)
    double = image.repeat_interleave(2, 1).repeat_interleave(2, 2)  # halving it gives the image back
    with torch.no_grad():
        (small,), (large,) = model([image]), model([double])
    torch.testing.assert_close(large["boxes"], small["boxes"] * 2, atol=0.05, rtol=0)
    torch.testing.assert_close(large["scores"], small["scores"], atol=1e-5, rtol=0)


def test_a_smaller_canvas_changes_little_but_never_the_order_of_images(tiny: FCOS) -> None:
    tiny.eval().set_inference(score_threshold=0.0)
    a, b = picture(96, 128), picture(128, 96, seed=1)
    with torch.no_grad():
        ab, ba = tiny([a, b]), tiny([b, a])
    for one, other in ((ab[0], ba[1]), (ab[1], ba[0])):
        torch.testing.assert_close(one["scores"], other["scores"], atol=1e-5, rtol=0)


def test_training_needs_targets_and_checks_them(tiny: FCOS) -> None:
    tiny.train()
    with pytest.raises(ValueError, match=r"training needs targets: call model\(images, targets\), or model.eval"):
        tiny([picture(64, 64)])
    bad = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "labels": torch.tensor([3])}
    with pytest.raises(ValueError, match="label 3 of box 0 is outside 0..2"):
        tiny([picture(64, 64)], [bad])
    with pytest.raises(ValueError, match="divide by 255"):
        tiny([picture(64, 64) * 255], [EMPTY])
    with pytest.raises(ValueError, match="1 image but 2 targets"):
        tiny([picture(64, 64)], [EMPTY, EMPTY])
    tiny.eval()
    with pytest.raises(ValueError, match="label 3"):  # in evaluation too, where targets feed the oracle
        tiny([picture(64, 64)], [bad])


def test_checks_can_be_switched_off(tiny: FCOS) -> None:
    tiny.eval().check_inputs = False
    assert len(tiny([picture(64, 64) * 255])) == 1


def test_the_oracle_wants_targets(tiny: FCOS) -> None:
    tiny.eval().set_inference(centerness_inference="oracle", score_threshold=0.0)
    box = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([1])}
    with pytest.raises(ValueError, match="needs the true boxes"):
        tiny([picture(96, 96)])
    (found,) = tiny([picture(96, 96)], [box])
    centres = (found["boxes"][:, :2] + found["boxes"][:, 2:]) / 2
    # The highest score belongs to a location inside the box, for only there the oracle's center-ness is not 0.
    assert found["scores"][0] > 0
    assert (centres[0] > 0).all() and (centres[0] < 70).all()


def test_set_inference_refuses_what_was_trained(tiny: FCOS) -> None:
    assert tiny.set_inference(nms_threshold=0.3, min_size=64) is tiny
    assert (tiny.config.nms_threshold, tiny.batcher.config.min_size) == (0.3, 64)
    before = tiny.config
    with pytest.raises(ConfigError, match="box_loss is part of the trained model; inference can change"):
        tiny.set_inference(box_loss="iou")
    with pytest.raises(TypeError, match="did you mean 'nms_threshold'"):
        tiny.set_inference(nms_treshold=0.3)
    with pytest.raises(ConfigError, match="score_threshold is 2"):
        tiny.set_inference(score_threshold=2)
    assert tiny.config == before


def test_locations_made_in_inference_mode_serve_training() -> None:
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=3, min_size=72, max_size=72)).eval()
    with torch.inference_mode():
        model([picture(72, 72)])
    targets = random_targets([picture(72, 72)], 3, count=3)
    torch.stack(list(model.train()([picture(72, 72)], targets).values())).sum().backward()


def test_targets_of_the_model_fit_its_canvas(tiny: FCOS) -> None:
    made = tiny.targets([{"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([2])}, EMPTY], 96, 128)
    length = sum(h * w for h, w in feature_sizes(96, 128, tiny.config.strides))
    assert made.labels.shape == (2, length) and made.ltrb.shape == (2, length, 4)
    assert tiny.grid(96, 128).points.shape == (length, 2)
    assert (made.labels[0] == 2).any() and (made.labels[1] == -1).all()


def test_bf16_is_close_to_float32(tiny: FCOS) -> None:
    images = [picture(96, 128)]
    targets = random_targets(images, 3, count=4)
    want = tiny.train()(images, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = tiny(images, targets)
    for name, value in want.items():
        assert got[name].dtype == torch.float32
        torch.testing.assert_close(got[name], value, rtol=0.05, atol=0)


# ------------------------------------------------------------------ a training step waits for nothing
@pytest.mark.parametrize("preset", PRESETS)
def test_a_training_step_reads_no_value(preset: str) -> None:
    # Fake tensors have shapes but no values: whatever reads one (.item(), nonzero, boolean indexing) raises.
    config = getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=160, **PRESETS[preset])
    model = FCOS(config, load_backbone=False).train()
    model.check_inputs = False
    images = [torch.rand(3, 60, 90), torch.rand(3, 96, 50)]
    targets = [{"boxes": torch.rand(70, 4), "labels": torch.zeros(70, dtype=torch.int64)}, EMPTY]
    canvas = model.batcher(images, None)[0].tensor.shape[-2:]
    model.targets([EMPTY], *canvas)  # what is made once for each canvas, and kept, must be real

    fake = FakeTensorMode(allow_non_fake_inputs=True)
    state = {n: fake.from_tensor(v) for n, v in (*model.named_parameters(), *model.named_buffers())}
    with fake:
        arguments = (
            [fake.from_tensor(i) for i in images],
            [{k: fake.from_tensor(v) for k, v in t.items()} for t in targets],
        )
        losses = torch.func.functional_call(model, state, arguments)
        learnt = [v for v in state.values() if v.requires_grad]
        gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), learnt)
    assert len(losses) == 3 and all(value.shape == () for value in losses.values())
    assert [g.shape for g in gradients] == [v.shape for v in learnt]
    assert not isinstance(model.grid(*canvas).points, FakeTensor)


def test_fake_tensors_notice_a_value_that_is_read() -> None:
    model = FCOS(FCOSConfig.tiny(num_classes=3, min_size=96, max_size=160)).train()
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with fake, pytest.raises(DataDependentOutputException):
        model([fake.from_tensor(torch.rand(3, 60, 90))], [EMPTY])  # the checks of inputs read values


class Travels(TorchDispatchMode):
    """Notes every operation between devices: from where, to where, and whether the host waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        for made in (t for t in tree_leaves(out) if isinstance(t, Tensor)):
            for one in given:
                if one.device != made.device:
                    waits = not (kwargs or {}).get("non_blocking", False)
                    self.seen.append((one.device.type, made.device.type, waits))
        return out


OLD_TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 7)


@pytest.fixture
def no_cuda_left() -> Iterator[None]:
    yield  # what was made for each canvas on the device that is none
    for make in (locations_module._grid, targets_module._axis):
        make.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("home", ["cpu", "cuda"])
def test_a_training_step_on_a_gpu_waits_for_no_copy(preset: str, home: str, no_cuda_left: None) -> None:
    # Fake tensors may lie on a GPU that is not there, and go through the code that one would see.
    config = getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=160, **PRESETS[preset])
    model = FCOS(config, load_backbone=False).train()
    model.check_inputs = False
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        if OLD_TORCH and not torch.cuda.is_available():
            pytest.skip("torch 2.6 asks the driver even for a GPU that is not there")
        state = {n: fake.from_tensor(v).to("cuda") for n, v in (*model.named_parameters(), *model.named_buffers())}
        images = [torch.zeros(3, 60, 90, dtype=torch.uint8, device=home), torch.rand(3, 96, 50, device=home)]
        boxes = [torch.rand(70, 4, device=home), torch.rand(0, 4, device=home)]
        targets = [{"boxes": b, "labels": torch.zeros(len(b), dtype=torch.int64, device=home)} for b in boxes]
        with Travels() as travels:
            losses = torch.func.functional_call(model, state, (images, targets))
    assert isinstance(losses, dict) and all(v.device.type == "cuda" for v in losses.values())
    # From the host, without waiting: both images, all boxes, all labels, where they lie there; and where each box goes.
    assert travels.seen == [("cpu", "cuda", False)] * (5 if home == "cpu" else 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("home", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_training_step_on_a_gpu_never_waits(home: str, dtype: torch.dtype) -> None:
    model = FCOS(FCOSConfig.tiny(num_classes=3, min_size=96, max_size=160)).cuda().train()
    model.check_inputs = False
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    images = [(picture(*size) * 255).byte() for size in ((60, 90), (96, 50))]
    targets = random_targets(images, 3)
    if home == "cuda":
        images, targets = [i.cuda() for i in images], [{k: v.cuda() for k, v in t.items()} for t in targets]
    else:
        images = [i.pin_memory() for i in images]

    def step() -> None:
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            losses = model(images, targets)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()  # what belongs to this canvas is made once
    try:
        torch.cuda.set_sync_debug_mode("error")
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_path_reads_in_the_order_of_the_methods(tiny: FCOS) -> None:
    """``predict`` alone on a ready canvas gives what ``forward`` decodes."""
    tiny.eval().set_inference(score_threshold=0.0)
    image = picture(96, 128)
    with torch.no_grad():
        batch, _ = tiny.batcher([image], None)
        output = tiny.predict(batch.tensor)
        (found,) = tiny([image])
    length = len(tiny.grid(*batch.tensor.shape[-2:]))
    assert output.logits.shape == (1, length, 3) and output.distances.shape == (1, length, 4)
    assert output.centerness is not None
    best = (output.logits.sigmoid() * output.centerness.sigmoid()[..., None]).max()
    torch.testing.assert_close(found["scores"][0], best)


# ------------------------------------------------------------------ faster, and the same
@pytest.fixture
def forget_compiled() -> Iterator[None]:
    yield
    torch._dynamo.reset()


def learnt(model: FCOS, images: list[Tensor], targets: list[dict[str, Tensor]]) -> list[Tensor]:
    """Losses and gradients of a step."""
    losses = model(images, targets)
    torch.stack(list(losses.values())).sum().backward()
    return [*losses.values(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    "preset", [pytest.param(name, marks=() if name == "tiny" else pytest.mark.weekly) for name in PRESETS]
)
def test_network_and_losses_compile_in_one_piece(preset: str, forget_compiled: None) -> None:
    """fullgraph refuses whatever would read a value or go back to Python in between."""
    torch.manual_seed(0)
    config = getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=96, **PRESETS[preset])
    model = FCOS(config, load_backbone=False).train()
    images = [picture(96, 96), picture(96, 60, seed=1)]
    targets = random_targets(images, 3)
    fast = copy.deepcopy(model)
    fast.compile(fullgraph=True, backend="aot_eager" if preset == "tiny" else "eager")
    for want, got in zip(learnt(model, images, targets), learnt(fast, images, targets), strict=True):
        torch.testing.assert_close(got, want, atol=1e-4 * want.abs().max().item() + 1e-7, rtol=0)


def test_boxes_of_another_number_compile_nothing_anew(tiny: FCOS, forget_compiled: None) -> None:
    counter = CompileCounter()
    tiny.train().compile(backend=counter)
    for count in (4, 70, 1):
        tiny([picture(96, 96)], random_targets([picture(96, 96)], 3, count=count))
    assert counter.frame_count == 3  # pyramid, head, losses
    tiny.compile(disable=True)
    tiny([picture(96, 128)], random_targets([picture(96, 128)], 3))
    assert counter.frame_count == 3


@pytest.mark.weekly
def test_more_sizes_than_torchs_own_limit_are_compiled(
    tiny: FCOS, forget_compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._dynamo.config, "cache_size_limit", 2)  # not 8: each size takes seconds
    counter = CompileCounter()
    tiny.eval().compile(backend=counter)
    with torch.no_grad():
        for width in (32, 64, 96):
            tiny.predict(torch.rand(1, 3, 32, width))
    assert counter.frame_count == 2 * 3  # pyramid and head
    torch._dynamo.config.cache_size_limit = 8
    tiny.compile(disable=True)
    assert torch._dynamo.config.cache_size_limit == 8


def test_a_copy_of_a_compiled_model_has_its_own_weights(tiny: FCOS, forget_compiled: None) -> None:
    """As the average of weights is one."""
    tiny.eval().set_inference(score_threshold=0.0).compile(backend="eager")
    image = picture(96, 96)
    with torch.no_grad():
        before = tiny([image])[0]["scores"]
        other = copy.deepcopy(tiny)
        other.head.classification.bias.add_(1.0)
        assert (other([image])[0]["scores"].max() > before.max() * 1.5) and torch.equal(
            tiny([image])[0]["scores"], before
        )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_model_for_inference_detects_the_same(preset: str) -> None:
    torch.manual_seed(0)
    config = getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=128, **PRESETS[preset])
    model = FCOS(config, load_backbone=False)
    with torch.no_grad():
        for name, value in model.named_buffers():  # statistics that a wrong folding would show
            if name.endswith("running_var"):
                value.uniform_(0.7, 1.5)
            elif name.endswith("running_mean"):
                value.uniform_(-0.1, 0.1)
    model.set_inference(score_threshold=0.0, threshold_on="class").eval()
    quick = model.for_inference()
    assert not any(isinstance(m, ConvNorm) for m in quick.modules())
    assert any(isinstance(m, ConvNorm) for m in model.modules())
    images = [picture(96, 128), picture(128, 96, seed=1)]
    with torch.no_grad():
        batch = model.batcher(images, None)[0].tensor
        for want, got in zip(model.predict(batch), quick.predict(batch), strict=True):
            torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
        for want, got in zip(model(images), quick(images), strict=True):
            torch.testing.assert_close(got["scores"], want["scores"], atol=1e-5, rtol=1e-4)
    assert all(
        m.weight.is_contiguous(memory_format=torch.channels_last) for m in quick.modules() if isinstance(m, nn.Conv2d)
    )


def test_a_model_for_inference_in_bf16(tiny: FCOS) -> None:
    with torch.no_grad():
        assert tiny.head.scales is not None
        tiny.head.scales.copy_(torch.tensor([0.99, 1.01, 1.003, 0.997, 1.2]))  # which bf16 would round
    quick = tiny.eval().for_inference(torch.bfloat16)
    assert quick.head.scales is not None and torch.equal(quick.head.scales, tiny.head.scales)
    assert all(m.weight.dtype == torch.bfloat16 for m in quick.modules() if isinstance(m, nn.Conv2d))
    batch = tiny.batcher([picture(96, 128)], None)[0].tensor
    with torch.no_grad():
        want = tiny.predict(batch)
        for autocast in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                got = quick.predict(batch)
            for name, value in want._asdict().items():
                assert getattr(got, name).dtype == torch.float32
                torch.testing.assert_close(getattr(got, name), value, rtol=0.05, atol=0.05)
    assert tiny.head.classification.weight.dtype == torch.float32  # the model itself stays as it is
    assert all(p.requires_grad for p in tiny.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("how", ["for_inference", "to", "no_grad"])
def test_a_model_in_another_type_detects_with_and_without_gradients(tiny: FCOS, dtype: torch.dtype, how: str) -> None:
    """Outside of no_grad, group norm was given two types: "mixed dtype (CPU)"."""
    tiny.eval()
    image = picture(96, 128)
    model = tiny.for_inference(dtype) if how == "for_inference" else copy.deepcopy(tiny).to(dtype)
    with torch.set_grad_enabled(how != "no_grad"):
        batch = model.batcher([image], None)[0].tensor
        got = model.predict(batch)
    want = tiny.predict(tiny.batcher([image], None)[0].tensor)
    for name, value in want._asdict().items():
        assert getattr(got, name).dtype == torch.float32
        torch.testing.assert_close(getattr(got, name), value, rtol=0.05, atol=0.05)
    if how == "for_inference":
        assert not any(p.requires_grad for p in model.parameters())
        assert not any(value.requires_grad for value in got._asdict().values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_in_another_type_learns(tiny: FCOS, dtype: torch.dtype) -> None:
    model = tiny.to(dtype).train()
    target = {"boxes": torch.tensor([[20.0, 20, 80, 80]]), "labels": torch.tensor([1])}
    losses = model([picture(96, 128)], [target])
    sum(losses.values()).backward()  # type: ignore[union-attr]
    for parameter in model.parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, "bfloat16", float])
def test_a_type_that_no_network_runs_in_is_named(tiny: FCOS, dtype: object) -> None:
    with pytest.raises(TypeError, match="^dtype is .*; it must be torch.float32, torch.bfloat16, torch.float16 or"):
        tiny.for_inference(dtype)  # type: ignore[arg-type]


# ------------------------------------------------------------------ what people hand in
@pytest.mark.parametrize("kind", ["XYWH", "CXCYWH"])
def test_losses_are_those_of_the_box_whatever_its_format(tiny: FCOS, kind: str) -> None:
    """XYWH was read as xyxy, without a word."""
    corners = torch.tensor([[20.0, 30, 80, 60], [5, 5, 30, 90]])
    boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(96, 128))  # type: ignore[call-overload]
    other = convert_bounding_box_format(boxes, new_format=tv_tensors.BoundingBoxFormat[kind])
    labels = torch.tensor([0, 1])
    losses, targets = [], []
    for given in (corners, boxes, other):
        target = {"boxes": given, "labels": labels}
        losses.append(tiny.train()([picture(96, 128)], [target]))
        targets.append(tiny.count_positive([picture(96, 128)], [target]))
    assert targets[0] == targets[1] == targets[2] > 0
    for name, value in losses[0].items():
        assert losses[1][name] == value and losses[2][name] == value


@pytest.mark.parametrize("size", [(3, 4000), (4000, 3), (1, 1), (1, 5000), (700, 1)])
@pytest.mark.parametrize("preset", ["tiny", "torchvision"])
def test_a_thin_image_is_detected_in(preset: str, size: tuple[int, int]) -> None:
    """A side became 0 after resizing."""
    changes = {"fpn_channels": 16} if preset == "tiny" else {"backbone": "resnet18", "num_head_convs": 0}
    config = getattr(FCOSConfig, preset)(num_classes=2, min_size=64, max_size=96, score_threshold=0.0, **changes)
    model = FCOS(config, load_backbone=False).eval()
    with torch.no_grad():
        (found,) = model([torch.rand(3, *size)])
    assert len(found["boxes"]) and torch.isfinite(found["boxes"]).all()
    assert (found["boxes"][:, 2::2] <= size[1]).all() and (found["boxes"][:, 3::2] <= size[0]).all()


# ------------------------------------------------------------------ one image, overfitted
def scene() -> tuple[Tensor, dict[str, Tensor]]:
    """Six boxes of three classes from 14 to 90 pixels, one inside another, on a noisy ground."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 160, 160, generator=generator) * 0.25
    boxes = [(20, 60, 100, 150), (60, 6, 150, 70), (8, 10, 40, 44), (110, 90, 150, 120), (50, 80, 70, 100)]
    boxes.append((120, 130, 134, 146))
    labels = [2, 1, 0, 0, 1, 2]
    colours = torch.tensor([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0]])
    for (x0, y0, x1, y1), label in zip(boxes, labels, strict=True):
        texture = 0.6 + 0.4 * torch.rand(1, y1 - y0, x1 - x0, generator=generator)
        image[:, y0:y1, x0:x1] = colours[label][:, None, None] * texture
    return image, {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


@pytest.fixture(scope="module")
def overfitted() -> Iterator[FCOS]:
    torch.manual_seed(0)
    image, target = scene()
    model = FCOS(FCOSConfig.tiny(num_classes=3, min_size=160, max_size=160)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=120)
    for _ in range(120):
        loss = torch.stack(list(model([image], [target]).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    yield model.eval()


def test_one_image_is_overfitted_to_ap75_of_1(overfitted: FCOS) -> None:
    image, target = scene()
    with torch.no_grad():
        (found,) = overfitted([image])
    for label in range(3):
        # AP75 = 1: within its class, all true boxes are found at IoU >= .75 before the first false detection.
        own = found["labels"] == label
        true = target["boxes"][target["labels"] == label]
        iou = box_iou(found["boxes"][own][: len(true)], true)  # the highest scores
        assert iou.shape == (len(true), len(true))
        assert sorted(iou.argmax(1).tolist()) == list(range(len(true)))  # each finds another one
        assert (iou.amax(1) >= 0.75).all()


def test_the_overfitted_boxes_follow_a_resized_image(overfitted: FCOS) -> None:
    image, target = scene()
    larger = F.interpolate(image[None], size=(320, 320), mode="nearest")[0]
    with torch.no_grad():
        (found,) = overfitted([larger])
    iou = box_iou(found["boxes"], target["boxes"] * 2) * (found["labels"][:, None] == target["labels"])
    assert (iou.amax(0) > 0.75).all()


def test_the_overfitted_model_survives_half_precision(overfitted: FCOS, tmp_path: Any) -> None:
    image, _ = scene()
    overfitted.save(tmp_path / "half.safetensors", half=True)
    again = FCOS.load(tmp_path / "half.safetensors")
    with torch.no_grad():
        (want,), (got,) = overfitted([image]), again([image])
    for i in range(6):
        assert got["labels"][i] == want["labels"][i]
        assert box_iou(got["boxes"][i : i + 1], want["boxes"][i : i + 1]).item() > 0.95


# ------------------------------------------------------------------ the batch
def mixed_images() -> list[Tensor]:
    """Of the drawn shapes, in sizes that make five canvases of the packaged detector."""
    sizes = [(256, 256), (256, 384), (200, 320), (384, 256), (128, 128), (256, 256), (300, 330), (256, 320)]
    return [
        data.load("shapes", "test", num_images=i + 1, size=size, transforms=data.transforms.eval_transforms())[i][0]
        for i, size in enumerate(sizes)
    ]


def in_batches(model: torch.nn.Module, images: list[Tensor], size: int) -> list[dict[str, Tensor]]:
    with torch.inference_mode():
        return [found for start in range(0, len(images), size) for found in model(images[start : start + size])]


def test_detections_do_not_depend_on_the_batch() -> None:
    model, images = FCOS.pretrained("shapes"), mixed_images()
    assert len(model.batcher.groups(images)) > 3
    alone = in_batches(model, images, 1)
    assert sum(len(found["scores"]) for found in alone) > 30
    for size in (3, 8):
        for want, got in zip(alone, in_batches(model, images, size), strict=True):
            # By where they come from: rounding may change places in the ranking.
            want, got = (
                {k: v[(f["locations"] * 5 + f["labels"]).argsort()] for k, v in f.items()} for f in (want, got)
            )
            for key in ("locations", "labels", "levels"):
                assert torch.equal(got[key], want[key])
            for key, apart in (("boxes", 1e-3), ("scores", 1e-5), ("class_scores", 1e-5)):
                torch.testing.assert_close(got[key], want[key], atol=apart, rtol=1e-5)


def test_on_one_canvas_they_would() -> None:
    """So the test above can fail: group norm sees the padding."""
    model, images = FCOS.pretrained("shapes"), mixed_images()
    model.batcher.groups = lambda some: [list(range(len(some)))]  # type: ignore[method-assign]
    alone, together = in_batches(model, images, 1), in_batches(model, images, 8)
    assert any(len(a["scores"]) != len(b["scores"]) or (a["scores"] - b["scores"]).abs().max() > 0.01
               for a, b in zip(alone, together))  # fmt: skip


def test_the_oracle_gets_the_boxes_of_its_own_image() -> None:
    model, images = FCOS.pretrained("shapes").set_inference(centerness_inference="oracle"), mixed_images()[:4]
    targets = [{"boxes": torch.tensor([[20.0 + 9 * i, 30, 90, 120]]), "labels": torch.tensor([0])} for i in range(4)]
    with torch.inference_mode():
        together = model(images, targets)
        for want, image, target in zip(together, images, targets, strict=True):
            torch.testing.assert_close(model([image], [target])[0]["scores"], want["scores"], atol=1e-5, rtol=1e-5)


def test_detections_carry_gradients_where_they_are_wanted() -> None:
    """As for Grad-CAM: what a score rests on. By hand, class probability times center-ness at the location it names."""
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=2, min_size=64, max_size=64, fpn_channels=16, score_threshold=0.0)).eval()
    image = torch.rand(3, 64, 64, requires_grad=True)
    (found,) = model([image])
    assert not found["scores"].requires_grad and not found["boxes"].requires_grad
    model.gradients = True
    (same,) = model([image])
    assert all(torch.equal(found[name], same[name]) for name in found)
    (gradient,) = torch.autograd.grad(same["scores"][0], image, retain_graph=True)
    (seen,) = model.predictions([image])
    location, label = int(found["locations"][0]), int(found["labels"][0])
    assert seen.output.centerness is not None
    score = seen.output.logits[0, location, label].sigmoid() * seen.output.centerness[0, location].sigmoid()
    (by_hand,) = torch.autograd.grad(score, image)
    torch.testing.assert_close(gradient, by_hand)
    assert gradient.abs().max() > 0
    (moved,) = torch.autograd.grad(same["boxes"][:5].sum(), image)
    assert moved.abs().max() > 0
    with torch.inference_mode():
        assert not model([image.detach()])[0]["scores"].requires_grad


def test_what_a_detection_rests_on_lies_inside_its_box() -> None:
    """A map as Grad-CAM's, of a trained detector: each cell of the pyramid's maps by its own gradient."""
    model, maps = FCOS.pretrained("shapes").eval(), []
    model.gradients = True
    model.pyramid.register_forward_hook(lambda module, given, made: maps.append(made))
    dataset, inside = data.load("shapes", "val"), []
    for index in range(4):
        image = dataset[index][0].as_subclass(torch.Tensor).float() / 255
        maps.clear()
        (found,) = model([image])
        for k in (found["scores"] > 0.5).nonzero().flatten().tolist():
            level = int(found["levels"][k]) - 3
            features = maps[0][level]
            (gradient,) = torch.autograd.grad(found["scores"][k], features, retain_graph=True)
            shown = F.interpolate(
                (gradient * features).sum(dim=1, keepdim=True).relu(), size=image.shape[-2:], mode="bilinear"
            )[0, 0].detach()
            x0, y0, x1, y1 = found["boxes"][k].detach().round().int().tolist()
            inside.append(float(shown[y0 : y1 + 1, x0 : x1 + 1].sum() / shown.sum()))
    assert len(inside) >= 4 and min(inside) > 0.7 and sorted(inside)[len(inside) // 2] > 0.95, inside
