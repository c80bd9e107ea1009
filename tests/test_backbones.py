"""Backbones: what is folded gives the same, every family gives the maps that a pyramid asks for, weights come whole."""

from __future__ import annotations

import builtins
import copy
import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from fcos_edu import FCOS, FCOSConfig, weights
from fcos_edu.backbones import (
    Backbone,
    ConvNorm,
    ResNetBackbone,
    TinyBackbone,
    fold_norms,
    make_backbone,
    replace_folded,
)
from fcos_edu.config import BACKBONES, INF, ConfigError
from fcos_edu.integrity import CheckpointError
from fcos_edu.locations import feature_sizes
from fcos_edu.network import Pyramid

RANDOM = {"backbone_weights": "random", "frozen_stages": 0}
needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason='needs pip install "fcos-edu[timm]"')


def scramble(module: nn.Module, seed: int = 0) -> None:
    """Statistics, scales and shifts of every norm away from 0 and 1, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            for name, low, high in (
                ("weight", 0.5, 1.0),
                ("bias", -0.2, 0.2),
                ("running_mean", -0.3, 0.3),
                ("running_var", 0.5, 2.0),
            ):
                value = getattr(norm, name)
                value.data.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def config_of(name: str, **changes: Any) -> FCOSConfig:
    return FCOSConfig.tiny(backbone=name, num_classes=3, **({**RANDOM, **changes}))


# ------------------------------------------------------------------ ConvNorm
def _pair(frozen: bool) -> ConvNorm:
    torch.manual_seed(0)
    norm: nn.Module = FrozenBatchNorm2d(6) if frozen else nn.BatchNorm2d(6, eps=1e-3)
    pair = ConvNorm(nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=1, groups=2, bias=False), norm)
    scramble(pair)
    return pair


@pytest.mark.parametrize("frozen", [True, False])
def test_folded_equals_unfolded(frozen: bool) -> None:
    pair = _pair(frozen).eval()
    x = torch.randn(2, 4, 9, 11)
    torch.testing.assert_close(pair(x), pair.norm(pair.conv(x)), atol=1e-5, rtol=1e-5)


def test_gradients_pass_a_frozen_norm() -> None:
    pair = _pair(frozen=True).train()
    x = torch.randn(2, 4, 9, 11)
    weight = torch.randn(2, 6, 5, 6)
    gradients = []
    for out in (pair(x), pair.norm(pair.conv(x))):
        (gradient,) = torch.autograd.grad((out * weight).sum(), pair.conv.weight)
        gradients.append(gradient)
    assert gradients[0].abs().max() > 1
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-4)


def test_a_learning_norm_uses_the_batch_in_training() -> None:
    pair = _pair(frozen=False).train()
    x = torch.randn(8, 4, 16, 16)
    before = pair.norm.running_mean.clone()
    out = pair(x)
    mean, std = out.mean((0, 2, 3)), out.std((0, 2, 3), unbiased=False)
    torch.testing.assert_close(mean, pair.norm.bias, atol=1e-4, rtol=0)
    torch.testing.assert_close(std, pair.norm.weight, atol=1e-2, rtol=0)
    assert not torch.equal(pair.norm.running_mean, before)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_folding_a_resnet_changes_no_output(name: str) -> None:
    torch.manual_seed(0)
    resnet = torchvision.models.get_model(name, weights=None).eval()
    scramble(resnet)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = resnet(x)
        norms = sum(isinstance(m, nn.BatchNorm2d) for m in resnet.modules())
        fold_norms(resnet)
        assert sum(isinstance(m, ConvNorm) for m in resnet.modules()) == norms  # none is left alone
        got = resnet(x)
    torch.testing.assert_close(got, want, atol=1e-3 * want.abs().max().item(), rtol=0)


@pytest.mark.parametrize(("name", "count"), [("tiny", 19), ("resnet50", 53)])
def test_folding_for_good_changes_no_output(name: str, count: int) -> None:
    torch.manual_seed(0)
    config = FCOSConfig.tiny() if name == "tiny" else FCOSConfig.paper(backbone=name, fpn_channels=32, **RANDOM)
    pyramid = Pyramid(config).eval()
    scramble(pyramid)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = pyramid(x)
        assert sum(isinstance(m, ConvNorm) for m in pyramid.modules()) == count
        replace_folded(pyramid)
        got = pyramid(x)
    assert not any(isinstance(m, (ConvNorm, nn.BatchNorm2d)) for m in pyramid.modules())
    for one, other in zip(want, got, strict=True):
        torch.testing.assert_close(other, one, atol=1e-4 * one.abs().max().item(), rtol=0)


# ------------------------------------------------------------------ families
@pytest.mark.parametrize(
    ("name", "layers", "millions"),
    [
        ("resnet50", 6, 23.5),
        ("resnet101", 23, 42.5),
        ("resnext101_32x8d", 23, 86.7),
        ("resnext101_64x4d", 23, 81.4),
    ],
)
def test_the_large_networks_have_their_depth_and_size(name: str, layers: int, millions: float) -> None:
    with torch.device("meta"):
        body = ResNetBackbone(name, "random", 0)
    assert len(body.stages.layer3) == layers
    assert body.channels == (256, 512, 1024, 2048)
    assert not hasattr(body.stages, "fc")
    assert count(body) / 1e6 == pytest.approx(millions, abs=0.1)


def test_a_resnext_gives_the_maps_of_torchvisions() -> None:
    """Grouped convolutions are folded too; the small one has the wiring of the large."""
    torch.manual_seed(0)
    theirs = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [1, 1, 1, 1], groups=4, width_per_group=8)
    scramble(theirs.eval())
    body = copy.deepcopy(theirs)
    fold_norms(body)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want, got = theirs(x), body(x)
    torch.testing.assert_close(got, want, atol=1e-4 * want.abs().max().item(), rtol=1e-4)


def test_every_family_is_what_a_pyramid_asks_for() -> None:
    for name in BACKBONES:
        with torch.device("meta"), torch.no_grad():
            body = make_backbone(config_of(name), last=4).eval()
            maps = body(torch.zeros(1, 3, 64, 96))
        assert isinstance(body, Backbone) and list(maps) == ["c2", "c3", "c4"]
        wanted = [(1, c, *size) for c, size in zip(body.channels, feature_sizes(64, 96, (4, 8, 16)))]
        assert [tuple(m.shape) for m in maps.values()] == wanted, name


@pytest.mark.parametrize("backbone", ["tiny", "resnet18"])
@pytest.mark.parametrize("levels", [(4,), (2, 3), (3, 4), (4, 5), (3, 4, 5, 6, 7)])
def test_every_weight_has_a_part_in_the_maps(backbone: str, levels: tuple[int, ...]) -> None:
    """Workers of a distributed run wait for the gradient of each; stages behind the last level would have none."""
    bounds = (*range(0, 20 * len(levels), 20), math.inf)
    config = FCOSConfig.tiny(backbone=backbone, levels=levels, level_bounds=bounds, fpn_channels=16, **RANDOM)
    pyramid = Pyramid(config).train()
    maps = pyramid(torch.rand(1, 3, 128, 128))
    assert [tuple(m.shape[-2:]) for m in maps] == feature_sizes(128, 128, config.strides)
    sum(m.square().sum() for m in maps).backward()
    assert not [name for name, p in pyramid.named_parameters() if p.requires_grad and p.grad is None]


def test_the_tiny_backbone_is_small() -> None:
    assert 0.4e6 < count(TinyBackbone()) < 0.8e6
    assert count(FCOS(FCOSConfig.tiny(num_classes=3))) < 1.2e6


# ------------------------------------------------------------------ frozen stages
@pytest.mark.parametrize("frozen", range(6))
def test_frozen_stages_have_no_gradient(frozen: int) -> None:
    body = ResNetBackbone("resnet18", "imagenet", frozen)
    features = body(torch.rand(1, 3, 64, 64))
    if frozen < 5:
        sum(f.sum() for f in features.values()).backward()
    stages = [body.stages.conv1, *(body.stages.get_submodule(f"layer{i}") for i in range(1, 5))]
    for index, stage in enumerate(stages):
        parameters = list(stage.parameters())
        assert parameters
        for p in parameters:
            assert p.requires_grad == (index >= frozen)
            assert (p.grad is not None) == (index >= frozen)
    # With ImageNet weights the norms are fixed: their numbers are no parameters at all.
    assert not any(isinstance(m, nn.BatchNorm2d) for m in body.modules())
    assert all(p.dim() == 4 for p in body.parameters())


def test_random_weights_learn_their_norms() -> None:
    body = ResNetBackbone("resnet18", "random", 0)
    assert any(isinstance(m, nn.BatchNorm2d) for m in body.modules())
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in body.modules())
    assert all(p.requires_grad for p in body.parameters())


# ------------------------------------------------------------------ ImageNet weights
def test_imagenet_weights_are_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in torch's cache, under the name that torchvision has for it."""
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    scramble(theirs)
    entry = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save(theirs.state_dict(), folder / Path(entry.url).name)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weights, "check_named_hash", lambda path: None)  # ours is another file than the published one
    body = FCOS(FCOSConfig.paper(backbone="resnet18", num_classes=3, fpn_channels=16)).pyramid.body.eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x)))))
        torch.testing.assert_close(body(x)["c2"], want, atol=1e-4 * want.abs().max().item(), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "tiny"])
def test_every_network_of_torchvision_has_published_weights(name: str) -> None:
    entry = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    with torch.device("meta"):
        own = ResNetBackbone(name, "imagenet", 2).state_dict()
        theirs = torchvision.models.get_model(name).state_dict()
    renamed = {f"stages.{weights._rename('.' + k, 1)[1:]}" for k in theirs if not k.startswith("fc.")}
    assert set(own) <= renamed and entry.url.startswith("https://")


def test_the_small_network_has_none() -> None:
    with pytest.raises(NotImplementedError, match="no ImageNet weights for a TinyBackbone"):
        TinyBackbone().load_imagenet()


# ------------------------------------------------------------------ timm
def test_without_timm_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"backbone is 'timm:hrnet_w32', which needs .* \"fcos-edu\[timm\]\""):
        make_backbone(config_of("timm:hrnet_w32"))


@needs_timm
@pytest.mark.parametrize(
    ("name", "millions"),
    [("hrnet_w32", 30.9), ("mobilenetv3_small_100", 0.9), ("resnet18", 11.2), ("convnext_atto", 3.4), ("vgg11", 9.2)],
)
def test_networks_of_timm_give_every_level(name: str, millions: float) -> None:
    with torch.device("meta"):
        body = make_backbone(config_of(f"timm:{name}")).train()
        maps = body(torch.zeros(2, 3, 64, 96))
    assert count(body) / 1e6 == pytest.approx(millions, abs=0.1)
    assert all(parameter.requires_grad for parameter in body.parameters())
    sizes = feature_sizes(64, 96, (4, 8, 16, 32))
    assert list(maps) == ["c2", "c3", "c4", "c5"]
    assert [tuple(m.shape[1:]) for m in maps.values()] == [(c, *size) for c, size in zip(body.channels, sizes)]
    sum(m.square().sum() for m in maps.values()).backward()
    assert not [n for n, p in body.named_parameters() if p.grad is None]  # several GPUs would wait for it


@needs_timm
def test_a_detector_on_a_network_of_timm_learns_detects_and_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    bounds = (0, 32, 64, INF)
    model = FCOS(config_of("timm:mobilenetv3_small_050", levels=(3, 4, 5), level_bounds=bounds, fpn_channels=16))
    image = torch.rand(3, 64, 96)
    target = {"boxes": torch.tensor([[5.0, 5, 50, 50]]), "labels": torch.tensor([1])}
    losses = model.train()([image] * 2, [target] * 2)
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    model.eval().set_inference(score_threshold=0.0)
    model.save(tmp_path / "m.safetensors")
    again = FCOS.load(tmp_path / "m.safetensors")
    with torch.no_grad():
        for want, got in zip(model([image]), again([image])):
            assert len(want["scores"]) > 0 and torch.equal(want["boxes"], got["boxes"])
        quick = model.for_inference()([image])[0]
    torch.testing.assert_close(quick["scores"], model([image])[0]["scores"])


@needs_timm
@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("hrnet_w33", {}, r"has no such network: did you mean .*timm:hrnet_w32"),
        ("hf-hub:timm/resnet18.a1_in1k", {}, "has no such network"),  # from anywhere
        ("local-dir:/tmp", {}, "has no such network"),
        ("vit_tiny_patch16_224", {}, "cannot be a backbone here|gives maps of strides"),
        ("swin_tiny_patch4_window7_224", {}, "cannot be a backbone here: an image of"),
        ("convnext_atto", {"size_divisor": 1}, "size_divisor is 1, try 32"),
        ("hrnet_w32", {"backbone_weights": "imagenet", "frozen_stages": 2}, "do not follow one another"),
    ],
)
def test_what_timm_cannot_give_is_refused(name: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence), torch.device("meta"):
        make_backbone(config_of(f"timm:{name}", **changes))


@needs_timm
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
@pytest.mark.parametrize("frozen", range(6))
def test_stages_of_timm_are_frozen_from_the_stem_on(name: str, frozen: int) -> None:
    """A map has no gradient to give once all before it are frozen, and the next stage still has one."""
    with torch.device("meta"):
        body = make_backbone(config_of(f"timm:{name}", backbone_weights="imagenet", frozen_stages=frozen)).train()
        maps = body(torch.zeros(2, 3, 64, 64))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in body.modules())  # their statistics are ImageNet's
    assert [m.requires_grad for m in maps.values()] == [frozen < 2, frozen < 3, frozen < 4, frozen < 5]
    first = next(p for p in body.parameters() if p.dim() == 4)
    assert first.requires_grad == (frozen == 0)
    if frozen < 5:
        sum(m.sum() for m in maps.values() if m.requires_grad).backward()
        assert all((p.grad is not None) == p.requires_grad for p in body.parameters())


@needs_timm
def test_timms_weights_come_from_its_own_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model("resnet18").eval()
    scramble(theirs)
    path = tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path)
    real = timm.create_model

    def planted(name: str, pretrained: bool = False, **options: Any) -> Any:
        return real(name, pretrained, pretrained_cfg_overlay={"file": str(path)}, **options)

    monkeypatch.setattr(timm, "create_model", planted)
    body = make_backbone(config_of("timm:resnet18", backbone_weights="imagenet")).eval()
    body.load_imagenet()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = theirs.layer1(theirs.maxpool(theirs.act1(theirs.bn1(theirs.conv1(x)))))
        torch.testing.assert_close(body(x)["c2"], want)

    path.write_bytes(b"no weights" * 100)
    with pytest.raises(CheckpointError, match="timm's weights of resnet18 are not used"):
        body.load_imagenet()
    path.unlink()
    with pytest.raises(ConnectionError, match="cannot fetch timm's weights of resnet18.*backbone_weights='random'"):
        body.load_imagenet()


@needs_timm
def test_images_are_brought_to_the_statistics_that_the_weights_know() -> None:
    import timm

    name = "mobilenetv3_small_050"
    published = timm.get_pretrained_cfg(name)
    odd = next(n for n in ("mobilenetv2_050", "tf_efficientnet_b0.aa_in1k", "mixnet_s", "tf_mobilenetv3_small_100")
               if timm.is_model(n.split(".")[0]) and timm.get_pretrained_cfg(n).mean != published.mean)  # fmt: skip
    cfg = timm.get_pretrained_cfg(odd)
    body = make_backbone(config_of(f"timm:{odd}", backbone_weights="imagenet")).eval()
    seen = []
    body.net.register_forward_pre_hook(lambda net, args: seen.append(args[0]))
    image = torch.rand(1, 3, 64, 96)

    def by(mean: Any, std: Any) -> torch.Tensor:
        return (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    with torch.no_grad():
        body(by((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(seen[0], by(cfg.mean, cfg.std), atol=1e-5, rtol=1e-5)
