"""Checkpoints: saved and loaded safely, and torchvision's weights in our structure and back.

Taught in the chapter *COCO: published weights on your photograph*. Checked against: torchvision's ``fcos_resnet50_fpn``
(state dicts both ways, and the detections they give).

A checkpoint is one safetensors file (numbers only: loading it cannot run code) with the configuration as JSON in its
header, and a digest that finds damage (:mod:`fcos_edu.integrity`). It is written beside its place, flushed, and
renamed: an interruption or a full disk leaves the old file whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, TypeVar

import torch
import torchvision
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torchvision.models.detection import FCOS_ResNet50_FPN_Weights

from .atomic import atomic_write
from .config import PACKAGED, FCOSConfig
from .integrity import (
    CheckpointError,
    Header,
    check_named_hash,
    check_seal,
    read_header,
    sealed,
    strict_json,
)
from .places import expanded
from .settings import Message, either, setting
from .text import counted, read_bytes
from .transfer import TransferError, download, scratch_in

_PACKAGED = Path(__file__).parent / "checkpoints"
_PACKAGED_ONE = "FCOS.pretrained('shapes')"
_FLOATS = ("F16", "BF16", "F32", "F64")
Module = TypeVar("Module", bound=nn.Module)


class Checkpoint(NamedTuple):
    """What a checkpoint file holds."""

    state: dict[str, Tensor]
    config: FCOSConfig
    about: dict[str, Any]  # whatever was saved with it: command, figures, versions


def save(
    path: str | Path,
    state: dict[str, Tensor],
    config: FCOSConfig,
    *,
    half: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint; an interrupted or failed write leaves what was there.

    Args:
        path: usually ``*.safetensors``.
        state: a model's state dict.
        config: its configuration, stored inside.
        half: store floating-point numbers in float16: half the size, about three digits. Tensors with numbers above
            65504, which float16 cannot hold, stay as they are.
        about: anything JSON can hold, stored inside.
    """
    tensors = {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        if half and value.is_floating_point() and not (value.abs() > torch.finfo(torch.float16).max).any():
            value = value.half()
        tensors[name] = value
    header = {"format": "fcos-edu", "config": json.dumps(config.to_dict()), "about": json.dumps(about or {})}
    data = sealed(tensors, header)
    atomic_write(path, lambda temporary: temporary.write_bytes(data))


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint. Floating-point numbers come back as float32.

    The file may be anybody's. Its header, its digest and its configuration are looked at before its numbers are, and
    what the configuration asks for must be there: a small file builds no large model.

    Args:
        path: a checkpoint; or a run's folder, for its best model, or the last where none was measured on the way; or
            a checkpoint of a step of a run (``step-N.pt``), whose averaged weights are taken where there are any.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: cut off, damaged, not one of ours, of a version with other fields, or with numbers that no
            model has (not finite, a negative variance); the message names the file.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in ("best.safetensors", "model.safetensors") if (path / name).exists()), path)
    if not path.exists() or path.is_dir():
        raise FileNotFoundError(f"no checkpoint at {path}")
    if not path.is_file():
        raise CheckpointError(f"{path} is no regular file")
    if re.fullmatch(r"step-\d+\.pt", path.name):
        return _load_step(path)
    try:
        header = read_header(path)
    except ValueError as error:
        raise CheckpointError(_broken(path, error)) from error
    config, about = _read_metadata(path, header)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise CheckpointError(_broken(path, error)) from error
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    _check_values(path, state)
    return Checkpoint(state, config, about)


def _load_step(path: Path) -> Checkpoint:
    """The model in the state of a run after some step; its configuration lies in the run's folder."""
    check_seal(path)
    kept = path.absolute().parents[1] / "config.json"
    try:
        values = strict_json(read_bytes(kept))
        config, about = FCOSConfig.from_dict(values["model"]), {"detector": values.get("detector", "fcos")}
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is of a run whose config.json is not in {kept.parent}; put it back there"
        ) from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{kept} is no configuration of a run ({error})") from error
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state = (saved["ema"] or saved)["model"]
        state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    except (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no checkpoint of a run ({' '.join(str(error).split()[:30])})") from error
    _check_values(path, state)
    return Checkpoint(state, config, about | {"step": saved["step"], "data": values.get("data", "")})


def _broken(path: Path, error: Exception) -> str:
    return f"{path} is not a whole safetensors file ({error}): it may be cut off or damaged; fetch or save it again"


def _read_metadata(path: Path, header: Header) -> tuple[FCOSConfig, dict[str, Any]]:
    """Configuration and ``about`` of a header, held to the shapes of its tensors."""
    if header.metadata.get("format") != "fcos-edu":
        raise CheckpointError(
            f"{path} holds tensors but no fcos-edu configuration; for torchvision's weights use FCOS.from_torchvision"
        )
    try:
        values, about = strict_json(header.metadata["config"]), strict_json(header.metadata.get("about", "{}"))
        if not isinstance(values, dict) or not isinstance(about, dict):
            raise TypeError("it must be a JSON object")
        config = FCOSConfig.from_dict(values)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:  # lists in lists in lists
        raise CheckpointError(
            f"{path} has a configuration that this version of fcos-edu cannot read ({error})"
        ) from error

    if about.get("detector") != "custom":  # of the reader's own: it is built by no one but him
        _check_shapes(path, header, config)
    return config, about


def _check_shapes(path: Path, header: Header, config: FCOSConfig) -> None:
    """Refuse a configuration that asks for more than is there, and numbers of the wrong kind.

    Which tensors a detector has is for :func:`check_fit` to compare, once it is known which detector it is.
    """
    channels = config.fpn_channels
    pyramid = [shape for name, shape in header.shapes.items() if name.endswith("pyramid.fpn.layer_blocks.0.0.weight")]
    if pyramid != [(channels, channels, 3, 3)]:
        found = f"its pyramid's tensor is {pyramid[0]}" if pyramid else "its tensors have no pyramid"
        raise CheckpointError(f"{path} has fpn_channels={channels} in its configuration, but {found}")
    rows = max((shape[0] for shape in header.shapes.values() if len(shape) > 1 and 0 not in shape), default=0)
    for name, there in (("num_classes", rows), ("num_head_convs", len(header.shapes))):
        if getattr(config, name) > there:
            raise CheckpointError(
                f"{path} has {name}={getattr(config, name)} in its configuration, but tensors for {there} at most"
            )
    for name, kind in header.types.items():
        wanted = ("I64",) if name.endswith("num_batches_tracked") else _FLOATS
        if kind not in wanted:
            raise CheckpointError(f"{path} is damaged: {name} holds {kind}; it must be {' or '.join(wanted)}")


def _check_values(path: Path, state: dict[str, Tensor]) -> None:
    """Refuse numbers that no trained model has."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"{path} has a number that is not finite in {name}: its training has diverged, or it is damaged"
            )
        if name.endswith(("running_var", "num_batches_tracked")) and value.numel() and value.min() < 0:
            raise CheckpointError(f"{path} is damaged: {name} has the value {value.min().item():g}, below 0")


def check_fit(own: dict[str, Tensor], checkpoint: Checkpoint, path: str | Path) -> None:
    """Refuse a checkpoint whose tensors are not those of the model (:class:`~fcos_edu.integrity.CheckpointError`)."""
    head = "head.classification.bias"
    state = checkpoint.state
    if head in own and head in state and len(own[head]) != len(state[head]):
        raise CheckpointError(
            f"{path} was trained for {counted(len(state[head]), 'classes')}, this model has {len(own[head])}: "
            f"set num_classes={len(state[head])}, or train the new classes"
        )
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    differing = [k for k in own if k in state and own[k].shape != state[k].shape]
    if missing or extra or differing:
        details = [f"{k} is {tuple(state[k].shape)} there and {tuple(own[k].shape)} here" for k in differing[:1]]
        details += [f"{k} is missing there" for k in missing[:1]] + [f"{k} is unknown here" for k in extra[:1]]
        raise CheckpointError(
            f"{path} does not fit this model: {'; '.join(details)} (backbone {checkpoint.config.backbone}, "
            f"{counted(checkpoint.config.fpn_channels, 'channels')} there)"
        )


def build_fitting(build: Callable[[], Module], checkpoint: Checkpoint, path: str | Path) -> Module:
    """The module that ``build`` makes, with a checkpoint's weights; compared by shapes alone before it is built.

    Raises:
        CheckpointError: it does not fit; see :func:`check_fit`.
    """
    with torch.device("meta"):  # tensors without memory
        check_fit(build().state_dict(), checkpoint, path)
    module = build()
    module.load_state_dict(checkpoint.state)
    return module


def transfer(
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    source: str | Path,
    classes: Sequence[str] = (),
    known: Sequence[str] = (),
) -> dict[str, Tensor]:
    """A trained model's weights for a new model; of its classifier, the rows of the classes that both have.

    A class's row of the classifier is its own (each is a yes or no, section 3.1), so rows can be taken one by one. They
    are found by name; where either side has no names, all are kept if their number is the same, and none otherwise.

    Args:
        own: state dict of the new model, which gives the rows that are missing.
        state: state dict of the trained one.
        source: where it is from, for the error.
        classes: names of the new model's classes.
        known: names of the trained one's.

    Raises:
        CheckpointError: another network; names a tensor that does not fit.
    """
    taken = {name: value for name, value in state.items() if name in own}
    for name in [n for n in taken if n.startswith("head.classification.")]:
        if classes and known:
            rows = {label: row for row, label in enumerate(known)}
            taken[name] = torch.stack([
                state[name][rows[label]] if label in rows else own[name][row] for row, label in enumerate(classes)
            ])  # fmt: skip
        elif len(own[name]) != len(state[name]):
            taken[name] = own[name]
    wrong = [name for name in own if name not in taken or taken[name].shape != own[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        raise CheckpointError(
            f"{source} has another network than the configuration: {wrong[0]} differs (and {len(wrong) - 1} more). "
            "Take the network from the checkpoint: fcos-edu train --from, or TrainConfig.fine_tune"
        )
    return taken


def packaged(name: str) -> Path:
    """The file of a detector that comes with the package.

    Raises:
        ValueError: no such name; the message lists those there are.
    """
    if name not in PACKAGED:
        raise ValueError(f"there is no packaged detector {name!r}; there are: {', '.join(PACKAGED)}")
    return _PACKAGED / f"{name}.safetensors"


# ---------------------------------------------------------------------- torchvision
# Ours on the left, torchvision's on the right; applied one after the other.
_NAMES: list[tuple[str, str, str, str]] = [
    # to torchvision: pattern, replacement; from torchvision: pattern, replacement
    (r"\.downsample\.0\.conv\.", ".downsample.0.", r"\.downsample\.0\.(?!conv\.|norm\.)", ".downsample.0.conv."),
    (r"\.downsample\.0\.norm\.", ".downsample.1.", r"\.downsample\.1\.", ".downsample.0.norm."),
    (r"\.conv(\d)\.conv\.", r".conv\1.", r"\.conv(\d)\.(?=weight)", r".conv\1.conv."),
    (r"\.conv(\d)\.norm\.", r".bn\1.", r"\.bn(\d)\.", r".conv\1.norm."),
    (r"^pyramid\.body\.stages\.", "backbone.body.", r"^backbone\.body\.", "pyramid.body.stages."),
    (r"^pyramid\.fpn\.", "backbone.fpn.", r"^backbone\.fpn\.", "pyramid.fpn."),
    (r"^head\.classification_tower\.", "head.classification_head.conv.",
     r"^head\.classification_head\.conv\.", "head.classification_tower."),
    (r"^head\.classification\.", "head.classification_head.cls_logits.",
     r"^head\.classification_head\.cls_logits\.", "head.classification."),
    (r"^head\.regression_tower\.", "head.regression_head.conv.",
     r"^head\.regression_head\.conv\.", "head.regression_tower."),
    (r"^head\.regression\.", "head.regression_head.bbox_reg.",
     r"^head\.regression_head\.bbox_reg\.", "head.regression."),
    (r"^head\.centerness\.", "head.regression_head.bbox_ctrness.",
     r"^head\.regression_head\.bbox_ctrness\.", "head.centerness."),
]  # fmt: skip


def to_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under the names of torchvision's ``fcos_resnet50_fpn``.

    Raises:
        ValueError: weights that have no place there (the ``tiny`` backbone, the scalars s_i).
    """
    if "head.scales" in state:
        raise ValueError("head.scales (the s_i of exp(s_i x)) has no place in torchvision's FCOS, which uses relu")
    if not any(k.startswith("pyramid.body.stages.") for k in state):
        raise ValueError("only models with a torchvision ResNet as backbone can become torchvision's FCOS")
    return {_rename(name, 0): value for name, value in state.items()}


def from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torchvision's FCOS under our names.

    Raises:
        ValueError: not a state dict of torchvision's FCOS; names a tensor that is missing.
    """
    for needed in ("backbone.body.conv1.weight", "head.regression_head.bbox_ctrness.weight"):
        if needed not in state:
            raise ValueError(f"these are not weights of torchvision's FCOS: {needed} is missing")
    return {_rename(name, 1): value for name, value in state.items()}


def _rename(name: str, direction: int) -> str:
    for rule in _NAMES:
        name = re.sub(rule[2 * direction], rule[2 * direction + 1], name)
    return name


def torchvision_backbone(state: dict[str, Tensor]) -> dict[str, Any]:
    """Configuration fields that follow from torchvision weights: which ResNet, and whether its norms are frozen."""
    blocks = len({k.split(".")[3] for k in state if k.startswith("backbone.body.layer3.")})
    bottleneck = "backbone.body.layer1.0.conv3.weight" in state
    group = state["backbone.body.layer1.0.conv2.weight"].shape[1]  # channels that a 3x3 convolution sees at once
    names = {
        (2, False, 64): "resnet18",
        (6, False, 64): "resnet34",
        (6, True, 64): "resnet50",
        (23, True, 64): "resnet101",
        (23, True, 8): "resnext101_32x8d",
        (23, True, 4): "resnext101_64x4d",
    }
    if (blocks, bottleneck, group) not in names:
        raise ValueError(
            f"a ResNet with {counted(blocks, 'blocks')} in layer3 and {counted(group, 'channels')} in a group is "
            "none of "
            f"{', '.join(names.values())}"
        )
    fields: dict[str, Any] = {"backbone": names[blocks, bottleneck, group]}
    if any(k.endswith("num_batches_tracked") for k in state):  # statistics were learnt: nothing is frozen
        fields |= {"backbone_weights": "random", "frozen_stages": 0}
    return fields


def torchvision_settings(model: nn.Module) -> dict[str, Any]:
    """Configuration fields for the sizes and thresholds that a torchvision FCOS model carries."""
    transform: Any = model.transform
    source: Any = model
    return {
        "min_size": int(transform.min_size[-1]),
        "max_size": int(transform.max_size),
        "size_divisor": int(transform.size_divisible),
        "score_threshold": float(source.score_thresh),
        "nms_threshold": float(source.nms_thresh),
        "detections_per_image": int(source.detections_per_img),
        "pre_nms_top_k": int(source.topk_candidates),
        "center_sampling_radius": float(source.center_sampling_radius),
    }


def fetch_torchvision(name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Published weights of ``fcos_resnet50_fpn`` and the names of their classes, through torchvision's download cache.

    Raises:
        ValueError: no such weights.
        ConnectionError: they cannot be fetched.
        CheckpointError: they came damaged.
    """
    try:
        entry = FCOS_ResNet50_FPN_Weights[name]
    except KeyError:
        raise ValueError(
            f"torchvision has no FCOS weights {name!r}; it has {', '.join(FCOS_ResNet50_FPN_Weights.__members__)}"
        ) from None
    state = _download(entry, "FCOS")
    return state, tuple(entry.meta["categories"])


def load_imagenet(body: nn.Module, name: str) -> None:
    """Fill a ResNet or ResNeXt with torchvision's first ImageNet weights (``IMAGENET1K_V1``), as FCOS papers use them.

    Raises:
        ConnectionError: they cannot be fetched; says how to go on without.
        CheckpointError: they came damaged.
    """
    state = _download(torchvision.models.get_model_weights(name)["IMAGENET1K_V1"], "backbone")
    renamed = {f"stages.{_rename('.' + k, 1)[1:]}": v for k, v in state.items() if not k.startswith("fc.")}
    own = set(body.state_dict())
    body.load_state_dict({k: v for k, v in renamed.items() if k in own})


def _download(entry: Any, what: str) -> dict[str, Tensor]:
    """Published weights, from torch's cache if they are there.

    Not ``entry.get_state_dict``: that lets pickle run whatever it finds in the cache, and does not look at the hash of
    a file that is there already. Such files are carried from machine to machine by hand; this reads numbers alone, and
    only from the file that the hash in its name stands for.
    """
    name = Path(entry.url).name
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / name
    again = f"Delete {name} from {folder} if it is there, and try again"
    try:
        expanded(folder, "name a folder for torch's downloads with TORCH_HOME")
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with scratch_in(folder) as scratch:
                download(entry.url, scratch / name, progress=True)
                check_named_hash(scratch / name)
                os.replace(scratch / name, path)
        check_named_hash(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (TransferError, OSError) as error:
        way_out = (
            f"{either(_PACKAGED_ONE, 'the detector shapes')} needs no download"
            if what == "FCOS"
            else f"{setting('backbone_weights', 'random')}, {setting('frozen_stages', 0)} needs no download"
        )
        raise ConnectionError(
            Message(
                f"cannot fetch the {what} weights from {entry.url} ({error}). With another machine's help, put the "
                f"file into {folder}; or go on without: {way_out}"
            )
        ) from error
    except CheckpointError as error:
        raise CheckpointError(f"the {what} weights are not used: {error}. {again}") from error
    except UnpicklingError as error:  # what it says is about how to run such a file all the same
        raise CheckpointError(
            f"the {what} weights are not used: {path} is damaged, or holds more than numbers, and nothing of it was "
            f"run. {again}"
        ) from error
    except Exception as error:  # a wrong hash, a file that is cut off; a strange one may raise anything in torch
        raise CheckpointError(f"the {what} weights from {entry.url} are damaged ({error}). {again}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"the {what} weights are not used: {path} is no dict of tensors. {again}")
    return state
