"""Checkpoints: whole or refused, never half-written; torchvision's weights both ways and over the wire."""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import http.server
import json
import os
import pickle
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection import FCOS_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from fcos_edu import FCOS, FCOSConfig, transfer, weights
from fcos_edu.config import PACKAGED
from fcos_edu.integrity import read_header
from fcos_edu.weights import CheckpointError

TINY = FCOSConfig.tiny(num_classes=3, class_names=("a", "b", "c"), fpn_channels=16, min_size=64, max_size=96)


@pytest.fixture(scope="module")
def model() -> FCOS:
    torch.manual_seed(0)
    return FCOS(TINY).eval()


@pytest.fixture
def saved(model: FCOS, tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "tiny.safetensors"
    model.save(path, steps=7, command="fcos-edu train")
    return path


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


# ------------------------------------------------------------------ save and load
def test_round_trip(model: FCOS, saved: Path) -> None:
    again = FCOS.load(saved)
    assert again.config == TINY
    assert not again.training
    assert same(again.state_dict(), model.state_dict())
    x = [torch.rand(3, 60, 80)]
    model = copy.deepcopy(model).set_inference(score_threshold=0.0)
    again.set_inference(score_threshold=0.0)
    (a,), (b,) = model(x), again(x)
    assert len(a["boxes"]) == 100
    assert torch.equal(a["boxes"], b["boxes"]) and torch.equal(a["scores"], b["scores"])


def test_the_file_holds_config_and_whatever_is_said_about_it(saved: Path) -> None:
    checkpoint = weights.load(saved)
    assert checkpoint.config == TINY
    assert checkpoint.about == {"steps": 7, "command": "fcos-edu train"}
    with safe_open(saved, framework="pt") as file:  # anyone's reader can do it too
        assert json.loads(file.metadata()["config"])["class_names"] == ["a", "b", "c"]
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_half_precision(model: FCOS, saved: Path, tmp_path: Path) -> None:
    small = tmp_path / "half.safetensors"
    model.save(small, half=True)
    assert small.stat().st_size < 0.6 * saved.stat().st_size
    assert {v.dtype for v in weights.load(small).state.values()} <= {torch.float32, torch.int64}
    again = FCOS.load(small)
    for name, value in model.state_dict().items():
        got = again.state_dict()[name]
        assert got.dtype == value.dtype  # float32 again
        want = value.half().float() if value.is_floating_point() else value
        assert torch.equal(got, want)


def test_saving_over_an_old_file_and_by_string(model: FCOS, saved: Path) -> None:
    weights.save(str(saved), model.state_dict(), TINY.replace(nms_threshold=0.4))
    assert weights.load(str(saved)).config.nms_threshold == 0.4


def test_shared_or_strided_tensors_can_be_saved(model: FCOS, tmp_path: Path) -> None:
    # The model keeps its weights in channels_last, which is not contiguous.
    x = torch.rand(4, 3, 3, 3).to(memory_format=torch.channels_last)
    weights.save(tmp_path / "a", {**model.state_dict(), "x": x, "t": x[0, 0].t()}, TINY)
    state = weights.load(tmp_path / "a").state
    assert torch.equal(state["x"], x) and torch.equal(state["t"], x[0, 0].t())


def test_what_half_precision_cannot_hold_stays_whole(model: FCOS, tmp_path: Path) -> None:
    state = model.state_dict()
    name = next(n for n in state if n.endswith("running_var"))
    weights.save(tmp_path / "a", state | {name: state[name] + 1e6}, TINY, half=True)
    assert torch.equal(weights.load(tmp_path / "a").state[name], state[name] + 1e6)


# ------------------------------------------------------------------ refused
@pytest.mark.parametrize("part", [0, 4, 100, 0.3, 0.9, -1])
def test_a_cut_off_checkpoint_is_refused(saved: Path, part: float) -> None:
    data = saved.read_bytes()
    size = int(len(data) * part) if 0 < part < 1 else int(part) % len(data)
    saved.write_bytes(data[:size])
    with pytest.raises(CheckpointError, match=r"tiny.safetensors is not a whole safetensors file .*cut off"):
        FCOS.load(saved)


def test_what_is_no_checkpoint_is_refused(model: FCOS, tmp_path: Path) -> None:
    pickled = tmp_path / "weights.pth"
    torch.save(model.state_dict(), pickled)
    with pytest.raises(CheckpointError, match="weights.pth is not a whole safetensors file"):
        FCOS.load(pickled)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(3)}, foreign)
    with pytest.raises(CheckpointError, match="no fcos-edu configuration; .*FCOS.from_torchvision"):
        FCOS.load(foreign)
    for missing in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="no checkpoint at"):
            FCOS.load(missing)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"config": json.dumps({"num_clases": 3})}, "has no field 'num_clases'"),
        ({"config": json.dumps({"num_classes": -3})}, "num_classes is -3"),
        ({"config": "{cut"}, "cannot read"),
        ({"config": "[]"}, "it must be a JSON object"),
        ({"config": "{}", "about": "3"}, "it must be a JSON object"),
        ({"config": '{"num_classes": 3, "num_classes": 4}'}, "the key 'num_classes' stands there twice"),
        ({"config": "[" * 100_000}, "nested too deeply"),
        ({"config": json.dumps({"num_classes": float("inf")})}, "num_classes is inf; it must be a whole number"),
        ({"config": json.dumps({"box_loss_weight": float("nan")})}, "box_loss_weight is nan"),
        ({"config": '{"class_names": ["\\ud800"], "num_classes": 1}'}, "it is no Unicode text"),
        ({"config": json.dumps({"max_size": 10**9})}, "max_size is 1000000000; it must be at most 16384"),
        ({"config": json.dumps({"levels": [5] * 100_000})}, "it must be neighbouring pyramid levels"),
        ({}, "'config'"),
    ],
)
def test_a_configuration_of_another_version_is_refused(tmp_path: Path, header: dict[str, str], sentence: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(3)}, path, metadata={"format": "fcos-edu", **header})
    with pytest.raises(CheckpointError, match="other.safetensors has a configuration .*cannot read") as error:
        FCOS.load(path)
    assert sentence in str(error.value)


def resave(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None]) -> None:
    """Change what a checkpoint holds as somebody would who wants it accepted: the digest is left out."""
    with safe_open(path, framework="pt") as file:
        header, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.pop("sha256", None)
    change(state, header)
    save_file(state, path, metadata=header)


def configure(header: dict[str, str], **fields: Any) -> None:
    header["config"] = json.dumps(json.loads(header["config"]) | fields)


BIAS, TOWER = "head.classification.bias", "head.classification_tower.0.weight"
VARIANCE = "pyramid.body.stem.0.norm.running_var"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s, h: configure(h, num_head_convs=10**9), "num_head_convs is 1000000000; it must be at most 64"),
        (lambda s, h: configure(h, num_head_convs=60), "head.classification_tower.10.bias is missing there"),
        (
            lambda s, h: configure(h, fpn_channels=8192),
            r"fpn_channels=8192 .* its pyramid's tensor is \(16, 16, 3, 3\)",
        ),
        (lambda s, h: configure(h, num_classes=99_999, class_names=[]), "num_classes=99999 .* tensors for 112 at most"),
        (lambda s, h: configure(h, num_classes=100, class_names=[]), "was trained for 3 classes, this model has 100"),
        (lambda s, h: configure(h, backbone="resnet101", frozen_stages=0), "does not fit this model"),
        (lambda s, h: configure(h, levels=[3, 4, 5], level_bounds=[0, 1, 2, 3]), "head.scales is .*5.* there and .*3"),
        (lambda s, h: s.update({BIAS: s[BIAS].long()}), f"{BIAS} holds I64; it must be F16 or BF16 or F32 or F64"),
        (lambda s, h: s.update({BIAS: s[BIAS] > 0}), f"{BIAS} holds BOOL"),
        (lambda s, h: s.update({BIAS: s[BIAS].fill_(torch.nan)}), f"not finite in {BIAS}: its training has diverged"),
        (lambda s, h: s.update({TOWER: s[TOWER].index_fill(0, torch.tensor(7), torch.inf)}), f"not finite in {TOWER}"),
        (lambda s, h: s.update({BIAS: s[BIAS].double() * 1e300}), f"not finite in {BIAS}"),  # not in float32
        (lambda s, h: s.update({VARIANCE: s[VARIANCE] - 2}), f"{VARIANCE} has the value -1, below 0"),
        (lambda s, h: s.pop("pyramid.fpn.layer_blocks.0.0.weight"), "fpn_channels=16 .* its tensors have no pyramid"),
        (lambda s, h: s.update(x=torch.zeros(10**9, 0)), "x is unknown here"),
        (lambda s, h: h.update(sha257="0" * 64), "the name of its digest is not sha256"),
        (lambda s, h: h.update(sha256="0" * 64), "its content is not that of its digest"),
        (lambda s, h: h.update(sha256="no"), "its content is not that of its digest"),
    ],
)
def test_what_a_checkpoint_claims_is_compared_with_what_it_holds(saved: Path, change: Any, sentence: str) -> None:
    resave(saved, lambda state, header: None)
    FCOS.load(saved)  # as files of before there were digests
    changed = saved.with_name("changed.safetensors")
    shutil.copy(saved, changed)
    resave(changed, change)
    with pytest.raises(CheckpointError, match=sentence) as error:
        FCOS.load(changed)
    assert "changed.safetensors" in str(error.value) and "\n" not in str(error.value)


def file_of(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            file_of(b"{}", length=2**63),
            "the length of its header should be 9223372036854775808, that of the file is 10",
        ),
        (file_of(b" " * (9 << 20)), "its header has 9437184 bytes; more than 8388608 are not read"),
        (file_of(b'{"a":' * 100_000), "nested too deeply"),
        (file_of(b"[" * 100_000), "nested too deeply"),
        (
            file_of(b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{}}', bytes(4)),
            "the key 'x' stands there",
        ),
        (file_of(b'{"__metadata__":{"format":"a","format":"b"}}'), "the key 'format' stands there twice"),
        (file_of(b"[]"), "its header is a list, not an object"),
        (file_of(b'{"__metadata__":{"format":3}}'), "its metadata are no texts"),
        (file_of(b'{"__metadata__":[]}'), "its metadata are no texts"),
        (file_of(b'{"x":3}'), "the entry of 'x' has no dtype and shape"),
        (
            file_of(b'{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'),
            "the entry of 'x' has no dtype and shape",
        ),
        (file_of(b'{"x":{"dtype":"F32","shape":[1e3],"data_offsets":[0,4]}}'), "the entry of 'x' has no dtype"),
        (file_of(b'{"x":{"dtype":"F32","shape":[' + b"9" * 5000 + b"]}}"), "Exceeds the limit"),
        (file_of(b"\xff\xfe{}"), "it is no Unicode text"),
        (file_of(b"{}", length=3), "the length of its header should be 3, that of the file is 10"),
        (b"", "the length of its header should be 0, that of the file is 0"),
    ],
)
def test_headers_that_lie_are_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "lies.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"lies.safetensors is not a whole safetensors file .*{sentence}"):
        weights.load(path)


@pytest.mark.parametrize(
    "shape", ["[1000000000000]", "[4294967296,4294967296]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"]
)
def test_shapes_that_are_not_in_the_file_are_refused(saved: Path, shape: str) -> None:
    resave(saved, lambda state, header: state.update(x=torch.zeros(1)))
    data = saved.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    head["x"]["shape"] = json.loads(shape)
    saved.write_bytes(file_of(json.dumps(head).encode(), data[8 + length :]))
    with pytest.raises(CheckpointError, match=r"is not a whole safetensors file|does not fit this model"):
        FCOS.load(saved)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(CheckpointError, match="pipe.safetensors is no regular file"):
        weights.load(tmp_path / "pipe.safetensors")


@pytest.mark.parametrize("where", ["anywhere", "header"])
def test_a_flipped_bit_is_found(saved: Path, where: str) -> None:
    """In 400 of 400 models it was not."""
    data = saved.read_bytes()
    bits = 8 * (len(data) if where == "anywhere" else 8 + int.from_bytes(data[:8], "little"))
    chosen = random.Random(0).sample(range(bits), 400)
    found = 0
    for bit in chosen:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(changed)
        try:
            weights.load(saved)
        except CheckpointError:
            found += 1
    assert found == len(chosen)


HOSTILE = """
import resource, sys
from fcos_edu import FCOS
from fcos_edu.weights import CheckpointError
FCOS.load(sys.argv[1])
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + (256 << 20),) * 2)
for path in sys.argv[2:]:
    try:
        FCOS.load(path)
    except CheckpointError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is read from Linux's /proc")
def test_hostile_checkpoints_stay_within_a_quarter_of_a_gigabyte(saved: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"num_head_convs": 10**9},
        {"num_head_convs": 64},
        {"fpn_channels": 8192},
        {"num_classes": 100_000, "class_names": []},
        {"num_classes": 10**12, "class_names": []},
        {"levels": [3] * 10**5},
    ]
    files = []
    for i, fields in enumerate(changes):
        path = saved.with_name(f"{i}.safetensors")
        shutil.copy(saved, path)
        resave(path, lambda state, header, fields=fields: configure(header, **fields))  # type: ignore[misc]
        files.append(path)
    for name, content in (
        ("nested", file_of(b"[" * (8 << 20))),
        ("objects", file_of(b"[" + b"[]," * (2 << 20) + b"[]]")),
        ("long", file_of(b"{}", length=2**62)),
    ):
        files.append(saved.with_name(f"{name}.safetensors"))
        files[-1].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", HOSTILE, saved, *files], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    sentences = done.stdout.splitlines()
    assert len(sentences) == len(files)
    assert all(path.name in sentence for path, sentence in zip(files, sentences, strict=True))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"num_classes": 5, "class_names": ()},
            "was trained for 3 classes, this model has 5: set num_classes=3, or train the new classes",
        ),
        (
            {"fpn_channels": 32},
            r"does not fit this model: .* is \(.*16.*\) there and \(.*32.*\) here .*16 channels there",
        ),
        ({"num_head_convs": 3}, "does not fit this model: head.classification_tower.* is missing there"),
        ({"num_head_convs": 1}, "is unknown here"),
        ({"backbone": "resnet18"}, "is missing there; .*backbone tiny"),
        ({"box_activation": "exp"}, "head.scales is unknown here"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(saved: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        FCOS.load(saved, TINY.replace(**changes))


def test_a_fitting_config_of_the_callers_is_used(saved: Path) -> None:
    assert FCOS.load(saved, TINY.replace(nms_threshold=0.3)).config.nms_threshold == 0.3


def test_a_checkpoint_error_is_a_value_error() -> None:
    assert issubclass(CheckpointError, ValueError)


# ------------------------------------------------------------------ a disk that is full
def _assert_untouched(path: Path, before: bytes) -> None:
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no .part file
    FCOS.load(path)


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint(
    saved: Path, model: FCOS, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before = saved.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half_then_full(path: Path, data: bytes) -> int:
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        return full()  # type: ignore[func-returns-value]

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(Path, "write_bytes", half_then_full)
        else:
            patch.setattr(os, where, full)
        with pytest.raises(OSError, match="cannot write .*tiny.safetensors: No space left.*unchanged") as error:
            model.save(saved)
    assert error.value.errno == errno.ENOSPC
    _assert_untouched(saved, before)


def test_a_real_limit_of_the_system_leaves_the_old_checkpoint(saved: Path, model: FCOS) -> None:
    resource = pytest.importorskip("resource")
    before = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OSError, match="cannot write .*unchanged") as error:
            model.save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.errno == errno.EFBIG
    _assert_untouched(saved, before)


def test_an_interruption_leaves_the_old_checkpoint(saved: Path) -> None:
    before = saved.read_bytes()

    def interrupted(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.atomic_write(saved, interrupted)
    _assert_untouched(saved, before)


def test_a_first_checkpoint_that_fails_leaves_nothing(
    tmp_path: Path, model: FCOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "new.safetensors")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ packaged
def test_an_unknown_packaged_detector_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no packaged detector 'shape'; there are: "):
        FCOS.pretrained("shape")


LIMITS = {"shapes": 2e6, "bccd": 2e6, "people": 2e6}  # bytes


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_detectors_work_without_a_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("a packaged detector asked for the network")

    monkeypatch.setattr(socket, "socket", no_network)
    assert weights.packaged(name).stat().st_size <= LIMITS[name]
    assert "sha256" in read_header(weights.packaged(name)).metadata
    model = FCOS.pretrained(name)
    assert not model.training
    assert len(model.config.class_names) == model.config.num_classes
    with torch.no_grad():
        (found,) = model([torch.rand(3, 120, 160)])
    assert found["boxes"].shape == (len(found["scores"]), 4)


# ------------------------------------------------------------------ torchvision, both ways
def torchvision_fcos(name: str, norm: type[nn.Module], num_classes: int = 5) -> TorchvisionFCOS:
    backbone = resnet_fpn_backbone(
        backbone_name=name,
        weights=None,
        norm_layer=norm,
        trainable_layers=5,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )
    return TorchvisionFCOS(backbone, num_classes)


@pytest.fixture(scope="module")
def theirs() -> TorchvisionFCOS:
    torch.manual_seed(0)
    return torchvision_fcos("resnet18", FrozenBatchNorm2d).eval()


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
@pytest.mark.parametrize("norm", [FrozenBatchNorm2d, nn.BatchNorm2d])
def test_names_and_shapes_match_torchvision_both_ways(name: str, norm: type[nn.Module]) -> None:
    with torch.device("meta"):
        other = torchvision_fcos(name, norm).state_dict()
        fields = weights.torchvision_backbone(other)
        ours = FCOS(FCOSConfig.torchvision(num_classes=5, **fields), load_backbone=False).state_dict()
    assert fields["backbone"] == name
    assert ("frozen_stages" in fields) == (norm is nn.BatchNorm2d)
    there, back = weights.to_torchvision(ours), weights.from_torchvision(other)
    assert {k: v.shape for k, v in there.items()} == {k: v.shape for k, v in other.items()}
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in ours.items()}
    assert list(weights.to_torchvision(back)) == list(other)
    assert list(weights.from_torchvision(there)) == list(ours)


def test_conversion_there_and_back_is_the_identity(theirs: TorchvisionFCOS) -> None:
    state = theirs.state_dict()
    ours = FCOS.from_torchvision(theirs)
    assert same(ours.to_torchvision(), state)
    again = FCOS.from_torchvision(ours.to_torchvision())  # a state dict works as well as a model
    assert same(again.state_dict(), ours.state_dict())
    assert again.config == ours.config
    assert not ours.training
    torchvision_fcos("resnet18", FrozenBatchNorm2d).load_state_dict(ours.to_torchvision(), strict=True)


def test_what_is_not_torchvisions_is_refused(theirs: TorchvisionFCOS, model: FCOS) -> None:
    with pytest.raises(ValueError, match="not weights of torchvision's FCOS: backbone.body.conv1.weight is missing"):
        FCOS.from_torchvision({})
    state = {k: v for k, v in theirs.state_dict().items() if "ctrness" not in k}
    with pytest.raises(ValueError, match="bbox_ctrness.weight is missing"):
        FCOS.from_torchvision(state)
    short = {k: v for k, v in theirs.state_dict().items() if ".layer3.1." not in k}
    with pytest.raises(
        ValueError, match="a ResNet with 1 block in layer3 and 64 channels in a group is none of resnet18"
    ):
        FCOS.from_torchvision(short)
    with pytest.raises(ValueError, match="head.scales .*has no place in torchvision's FCOS"):
        model.to_torchvision()
    plain = FCOS(FCOSConfig.tiny(fpn_channels=16, box_activation="relu"))
    with pytest.raises(ValueError, match="only models with a torchvision ResNet"):
        plain.to_torchvision()
    with pytest.raises(ValueError, match="torchvision has no FCOS weights 'COCO_V9'; it has COCO_V1"):
        FCOS.from_torchvision("COCO_V9")


# ------------------------------------------------------------------ over the wire
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address it is served under; torch.hub's cache lies in ``tmp_path / hub``."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def publish(state: dict[str, Tensor], folder: Path, *, right_hash: bool = True) -> str:
    """Save weights as torchvision does, with the start of their sha256 in the name; returns the name."""
    path = folder / "new.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    name = f"fcos-{digest if right_hash else '00000000'}.pth"
    path.rename(folder / name)
    return name


COCO_V1 = FCOS_ResNet50_FPN_Weights.COCO_V1


def test_published_weights_are_fetched_once(
    served: tuple[Path, str], theirs: TorchvisionFCOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    torch.manual_seed(1)
    full = torchvision_fcos("resnet18", FrozenBatchNorm2d, num_classes=91).state_dict()
    name = publish(full, folder)
    monkeypatch.setattr(COCO_V1.value, "url", f"{address}/{name}")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    (cache / ".fetch-killed").mkdir(parents=True)
    os.utime(cache / ".fetch-killed", (0, 0))
    model = FCOS.from_torchvision("COCO_V1")
    assert [path.name for path in cache.iterdir()] == [name], "what a killed download left is gone"
    assert same(model.to_torchvision(), full)
    assert model.config.class_names == tuple(COCO_V1.meta["categories"])
    assert model.config.class_names[1] == "person"
    assert model.config.num_classes == 91 and not model.training
    (folder / name).unlink()  # the second time needs no network
    assert same(FCOS.from_torchvision().state_dict(), model.state_dict())


def test_without_a_network_a_sentence_says_what_to_do(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = served
    monkeypatch.setattr(COCO_V1.value, "url", f"{address}/absent-00000000.pth")
    with pytest.raises(ConnectionError, match="cannot fetch the FCOS weights from .*absent.*404") as error:
        FCOS.from_torchvision("COCO_V1")
    assert str(tmp_path / "hub" / "checkpoints") in str(error.value)
    assert "FCOS.pretrained('shapes') needs no download" in str(error.value)
    # A port that nobody listens on: no connection at all.
    monkeypatch.setattr(COCO_V1.value, "url", "http://127.0.0.1:9/fcos-00000000.pth")
    with pytest.raises(ConnectionError, match="cannot fetch the FCOS weights"):
        FCOS.from_torchvision("COCO_V1")


def test_weights_that_come_a_byte_at_a_time_are_given_up(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half-fetched stays, which the next start would take for the weights."""
    folder, address = served
    name = publish({"x": torch.zeros(9)}, folder)
    monkeypatch.setattr(COCO_V1.value, "url", f"{address}/{name}")
    monkeypatch.setattr(transfer, "WINDOW", 0.2)
    monkeypatch.setattr(transfer, "SLOWEST", 500.0)

    def slowly(_: Any, source: Any, output: Any) -> None:
        while one := source.read(1):
            output.write(one)
            output.flush()
            time.sleep(0.02)

    monkeypatch.setattr(Quiet, "copyfile", slowly)
    with pytest.raises(ConnectionError, match="cannot fetch the FCOS weights .*bytes a second came, and below 500"):
        FCOS.from_torchvision("COCO_V1")
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []


def test_weights_with_a_wrong_hash_are_refused(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    name = publish({"x": torch.zeros(9)}, folder, right_hash=False)
    monkeypatch.setattr(COCO_V1.value, "url", f"{address}/{name}")
    with pytest.raises(CheckpointError, match=f"is damaged .*its name says 0{{8}}. Delete {name}"):
        FCOS.from_torchvision("COCO_V1")
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []


def test_a_cut_off_file_in_the_cache_is_named(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    name = publish({"x": torch.zeros(999)}, cache)
    monkeypatch.setattr(COCO_V1.value, "url", f"{served[1]}/{name}")
    whole = (cache / name).read_bytes()
    for size in (0, 10, len(whole) // 2):
        (cache / name).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=f"is damaged .*Delete {name} from"):
            FCOS.from_torchvision("COCO_V1")


class Planted:
    """A pickle that writes a file where it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("how", ["the published name", "a name with the right hash", "a plain pickle"])
@pytest.mark.parametrize("what", ["COCO", "ImageNet"])
def test_a_planted_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, how: str) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    entry = COCO_V1 if what == "COCO" else torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    cache, victim = tmp_path / "hub" / "checkpoints", tmp_path / "written"
    cache.mkdir(parents=True)
    name = Path(entry.url).name
    if how == "a plain pickle":
        (cache / name).write_bytes(pickle.dumps(Planted(victim), protocol=2))
    else:
        torch.save({"conv1.weight": torch.zeros(3), "more": Planted(victim)}, cache / name)
    if how != "the published name":
        digest = hashlib.sha256((cache / name).read_bytes()).hexdigest()[:8]
        (cache / name).rename(cache / f"weights-{digest}.pth")
        name = f"weights-{digest}.pth"
        monkeypatch.setattr(entry.value, "url", f"http://127.0.0.1:9/{name}")
    with pytest.raises(CheckpointError) as error:
        if what == "COCO":
            FCOS.from_torchvision("COCO_V1")
        else:
            FCOS(FCOSConfig.paper())
    sentence = str(error.value)
    assert not victim.exists()
    assert sentence.endswith(f"Delete {name} from {cache} if it is there, and try again")
    if how == "the published name":
        assert f"where its name says {name[-12:-4]}" in sentence
    else:
        assert "holds more than numbers, and nothing of it was run" in sentence
    assert "weights_only" not in sentence and "\n" not in sentence
    with contextlib.suppress(RuntimeError):  # the plain pickle is none of torch's, but it has run by then
        torch.load(cache / name, weights_only=False)  # the attack works on who is careless
    assert victim.exists()


def test_a_cached_file_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Harmless numbers under the published name: not those that were published."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(
        torchvision_fcos("resnet18", FrozenBatchNorm2d).state_dict(), cache / "fcos_resnet50_fpn_coco-99b0c9b7.pth"
    )
    with pytest.raises(CheckpointError, match="its sha256 begins with [0-9a-f]{8}, where its name says 99b0c9b7"):
        FCOS.from_torchvision("COCO_V1")


def test_imagenet_weights_fill_the_backbone(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    entry = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    torch.manual_seed(2)
    resnet = torchvision.models.resnet18(weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=1e-5)).eval()
    for name, buffer in resnet.named_buffers():
        buffer.uniform_(0.5, 1.5) if name.endswith(("var", "weight")) else buffer.uniform_(-0.5, 0.5)
    monkeypatch.setattr(entry.value, "url", f"{address}/{publish(resnet.state_dict(), folder)}")
    model = FCOS(FCOSConfig.paper(num_classes=2, backbone="resnet18")).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = resnet.layer1(resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x)))))
        for layer in (resnet.layer2, resnet.layer3, resnet.layer4):
            want = layer(want)
        got = model.pyramid.body(x)["c5"]
    torch.testing.assert_close(got, want, atol=1e-4 * want.abs().max().item(), rtol=0)


def test_no_network_for_the_backbone_says_what_to_do(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    entry = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setattr(entry.value, "url", f"{served[1]}/absent-00000000.pth")
    config = FCOSConfig.paper(num_classes=2, backbone="resnet18")
    with pytest.raises(ConnectionError, match="backbone weights .*backbone_weights='random', frozen_stages=0"):
        FCOS(config)
    FCOS(config, load_backbone=False)  # where the weights are loaded afterwards
