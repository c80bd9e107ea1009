"""FCOS: images to losses or detections, in torchvision's detection convention.

The whole path reads from top to bottom in :meth:`FCOS.forward`; the chapters *The network* and *From outputs to
detections* walk it. Checked against: torchvision's ``fcos_resnet50_fpn`` (losses and detections from the same weights).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import torch
from torch import Tensor, nn

from . import weights
from .backbones import replace_folded
from .compat import allow_shapes
from .config import ConfigError, FCOSConfig
from .images import ImageBatcher, check_images, check_targets, scale_boxes
from .inference import detect
from .locations import Grid
from .losses import centerness_floor, fcos_losses
from .network import Head, HeadOutput, Pyramid
from .settings import INFERENCE, fields_marked
from .targets import PaddedBoxes, Targets, make_targets, pad_boxes

if TYPE_CHECKING:
    from .detections import AnyPicture, Detections


class Predictions(NamedTuple):
    """What the network says of images that share a canvas, and where: all that losses and detections are made from."""

    images: list[int]  # places of the B images among those that were given
    output: HeadOutput
    grid: Grid  # of the canvas
    sizes: list[tuple[int, int]]  # (height, width) of each image on the canvas, without padding
    given_sizes: list[tuple[int, int]]  # (height, width) of each image as it was given
    boxes: PaddedBoxes | None  # the true ones, in pixels of the canvas, where targets were given


class FCOS(nn.Module):
    """The FCOS detector.

    In training, ``model(images, targets)`` returns a dict of scalar losses: ``classification``, ``bbox_regression``
    and, with a branch, ``centerness``. In evaluation, ``model(images)`` returns a list with one dict for each image:
    ``boxes`` (K, 4) xyxy in pixels of the image that was given, ``scores`` (K,) in 0..1, ``labels`` (K,) int64 in
    0..C-1, highest score first; and, beyond torchvision's convention, where each detection came from:
    ``class_scores``, ``levels`` and ``locations`` (see :func:`~fcos_edu.inference.detect`).

    Images are a list of tensors (3, H, W) of any sizes, floats in 0..1 or uint8: the model resizes, normalises and
    pads. It does so on its own device, to which it also sends images and targets that still lie in the host's memory.
    Targets are a list of dicts with ``boxes`` (M, 4) xyxy in pixels and ``labels`` (M,) int64; M may be 0.

    In evaluation, what is found in an image does not depend on the images beside it. In training it does, as in the
    paper: images share a canvas, and group norm averages over all of it (:class:`~fcos_edu.network.GroupNorm`).

    Args:
        config: see :class:`~fcos_edu.config.FCOSConfig`.
        load_backbone: fetch the ImageNet weights that the configuration asks for. False where all weights are
            loaded afterwards anyway.

    Attributes:
        check_inputs: test images and targets in each call (:func:`~fcos_edu.images.check_targets` says for what).
            The tests read values, so on a GPU they wait for it; the trainer makes them on the host and switches this
            off.
        gradients: let the scores and boxes of detections carry gradients, in evaluation too, for maps of what a
            detection rests on (Grad-CAM). Off, they carry none. A detection is the answer of one location: weigh each
            cell of ``pyramid``'s maps by its own gradient, (gradient · features) summed over the channels. Weights that
            are means over the whole map, as Grad-CAM has them for classifiers, light up other things as well.
        centerness_floor: after a training step, the lowest value that its center-ness loss could have had
            (:func:`~fcos_edu.losses.centerness_floor`), a scalar without gradient; None before, and without a branch.
    """

    def __init__(self, config: FCOSConfig, *, load_backbone: bool = True) -> None:
        super().__init__()
        self.config = config
        self.check_inputs = True
        self.gradients = False
        self.centerness_floor: Tensor | None = None
        self._losses: Callable[..., dict[str, Tensor]] = fcos_losses
        self.batcher = ImageBatcher(config)
        self.pyramid = Pyramid(config)
        self.head = Head(config)
        if load_backbone and config.backbone_weights == "imagenet":
            self.pyramid.body.load_imagenet()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self,
        images: Sequence[Tensor],
        targets: Sequence[dict[str, Tensor]] | None = None,
        *,
        num_positive: Tensor | None = None,
        canvas: tuple[int, int] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Images (and targets) to losses in training, to detections in evaluation; see the class.

        ``num_positive`` is for training with accumulated gradients: N_pos of the whole step (:meth:`count_positive`).
        ``canvas`` is for a batch that is taken in parts: the size in which all of it would be seen (:meth:`canvas_of`),
        which padding, and so group norm, depends on.
        """
        if self.training and targets is None:
            raise ValueError("training needs targets: call model(images, targets), or model.eval() for detections")
        if self.training:
            (seen,) = self.predictions(images, targets, canvas)
            return self.losses(seen, num_positive)
        found: list[dict[str, Tensor]] = [{} for _ in images]
        for seen in self.predictions(images, targets):
            for place, detection in zip(seen.images, self.detections(seen), strict=True):
                found[place] = detection
        return found

    def predictions(
        self,
        images: Sequence[Tensor],
        targets: Sequence[dict[str, Tensor]] | None = None,
        canvas: tuple[int, int] | None = None,
    ) -> Iterator[Predictions]:
        """The first half of :meth:`forward`: checks, canvases, network.

        In training all images share one canvas. In evaluation those do whose own canvases are equal, and one after the
        other comes what they share: no image's predictions depend on the others (:meth:`.ImageBatcher.groups`).

        Args:
            images, targets: as for the class. Targets can be left out where no losses are wanted.
            canvas: as for :meth:`forward`.
        """
        if self.check_inputs:
            check_images(images)
            if targets is not None:
                check_targets(images, targets, self.config.num_classes)
        for group in self.batcher.groups(images):
            some = [images[place] for place in group]
            batch, scaled = self.batcher(some, None if targets is None else [targets[place] for place in group], canvas)
            (height, width), device = batch.tensor.shape[-2:], batch.tensor.device
            yield Predictions(
                group,
                self.predict(batch.tensor),
                self.grid(height, width, device),
                batch.sizes,
                [(image.shape[-2], image.shape[-1]) for image in some],
                None if scaled is None else pad_boxes(scaled, device),
            )

    def predict(self, canvas: Tensor) -> HeadOutput:
        """The network alone: a normalised batch ``(B, 3, H, W)`` to predictions at all L locations."""
        return self.head(self.pyramid(canvas.to(self.head.classification.weight.dtype)))

    # Locations, targets, losses and decoding in float32, whatever the network ran in: bf16 steps by 8 pixels above
    # 1024.
    def losses(self, seen: Predictions, num_positive: Tensor | None = None) -> dict[str, Tensor]:
        """The second half of :meth:`forward` in training: predictions with true boxes to scalar losses."""
        assert seen.boxes is not None
        with torch.autocast(seen.grid.points.device.type, enabled=False):
            made = make_targets(seen.boxes, seen.grid, self.config)
            logits, distances, centerness = seen.output
            if centerness is not None:
                self.centerness_floor = centerness_floor(made, num_positive)
            return self._losses(logits, distances, centerness, made, self.config, num_positive)

    def detections(self, seen: Predictions, config: FCOSConfig | None = None) -> list[dict[str, Tensor]]:
        """The second half of :meth:`forward` in evaluation: predictions to one dict for each image; see the class.

        Args:
            seen: of this model; with true boxes where ``centerness_inference`` is ``"oracle"``.
            config: other fields of inference than the model's own, to try several on the same predictions.

        Raises:
            ValueError: the oracle without true boxes.
        """
        config = config or self.config
        with torch.autocast(seen.grid.points.device.type, enabled=False):
            made = None
            if config.centerness_inference == "oracle" and seen.boxes is not None:
                made = make_targets(seen.boxes, seen.grid, config)
            found = detect(seen.output, seen.grid, seen.sizes, config, made, gradients=self.gradients)
            for detection, size, given in zip(found, seen.sizes, seen.given_sizes, strict=True):
                detection["boxes"] = scale_boxes(detection["boxes"], size, given)
        return found

    def grid(self, height: int, width: int, device: torch.device | str = "cpu") -> Grid:
        """The locations of a canvas and what is known of them. Made once for each size."""
        return Grid.of(height, width, self.config, device)

    def targets(
        self, targets: Sequence[dict[str, Tensor]], height: int, width: int, device: torch.device | str = "cpu"
    ) -> Targets:
        """Targets of every location for boxes in pixels of a ``height`` x ``width`` canvas."""
        boxes = pad_boxes(targets, torch.device(device))
        return make_targets(boxes, self.grid(height, width, device), self.config)

    def count_positive(
        self,
        images: Sequence[Tensor],
        targets: Sequence[dict[str, Tensor]],
        canvas: tuple[int, int] | None = None,
    ) -> Tensor:
        """How many locations of a batch are positive, without running the network: a scalar, never waited for.

        ``canvas`` as for :meth:`forward`.
        """
        sizes, own = self.batcher.sizes(images)
        scaled = self.batcher.scale(images, targets, sizes)
        return self.targets(scaled, *(canvas or own), self.batcher.mean.device).positive.sum()

    def canvas_of(self, images: Sequence[Tensor]) -> tuple[int, int]:
        """Height and width of the canvas that a batch is seen on."""
        return self.batcher.sizes(images)[1]

    def set_inference(self, **changes: Any) -> FCOS:
        """Change how a trained model detects: any of the configuration's inference fields. Returns the model.

        Raises:
            TypeError: not a field.
            ConfigError: a field that is part of the trained model.
        """
        new = self.config.replace(**changes)
        free = fields_marked(FCOSConfig, INFERENCE)
        if fixed := sorted(set(changes) - free):
            raise ConfigError(f"{fixed[0]} is part of the trained model; inference can change {sorted(free)}")
        self.config = self.batcher.config = new
        return self

    @overload
    def detect(self, images: AnyPicture) -> Detections: ...

    @overload
    def detect(self, images: list[AnyPicture] | tuple[AnyPicture, ...]) -> list[Detections]: ...

    def detect(self, images: Any) -> Any:
        """Pictures of any kind to detections with names: for programs and notebooks.

        A file's path, an image of Pillow, an array (H, W, 3) or a tensor (3, H, W) gives
        :class:`~fcos_edu.detections.Detections`, a list of them a list; see :func:`fcos_edu.detections.detect`.
        """
        from .detections import detect as named

        return named(self, images)

    # ------------------------------------------------------------------ what a trainer asks for
    def notes(self) -> dict[str, Tensor]:
        """What the log of a training step shows beside the losses: ``centerness_floor``, where there is one."""
        return {} if self.centerness_floor is None else {"centerness_floor": self.centerness_floor}

    @contextlib.contextmanager
    def in_training(self, *, resize: bool = True, compiled: bool = False) -> Iterator[None]:
        """The model for a run of training: as it was before when the run is over, however it ends.

        Images and targets are not tested, because the trainer's loader does.

        Args:
            resize: images to ``min_size``; False where the data set has drawn a size for each.
            compiled: :meth:`compile` for so long. Images that are detected afterwards have many sizes.
        """
        before = self.check_inputs, self.batcher.resize_in_training
        self.check_inputs, self.batcher.resize_in_training = False, resize
        if compiled:
            self.compile()
        try:
            yield
        finally:
            self.check_inputs, self.batcher.resize_in_training = before
            if compiled:
                self.compile(disable=True)

    # ------------------------------------------------------------------ speed
    def compile(self, **options: Any) -> None:
        """Let torch.compile translate what has the same shapes in every step: backbone, pyramid, head and losses.

        Passes over activations that follow one another (norm, relu, sums, the dozens of the losses) become one. What
        depends on the number of boxes stays as it is. Each size of a batch is translated anew, which takes minutes:
        it pays where sizes are few. After 64 sizes torch says so, and others run as they are.

        Args:
            options: of ``torch.compile``; ``dynamic=False`` unless they say otherwise. ``disable=True`` undoes it.
        """
        options = {"dynamic": False} | options
        if not options.get("disable"):
            allow_shapes(64)  # torch's own limit is 8, fewer than the sizes of a batch from COCO
        self.pyramid.compile(**options)
        self.head.compile(**options)
        self._losses = torch.compile(fcos_losses, **options)

    def for_inference(self, dtype: torch.dtype | None = None) -> FCOS:
        """A copy that detects and does no more: it cannot be trained or saved, and does not follow this model.

        Its batch norms are folded into the convolutions once instead of in every call, and its weights are in the type
        that they are used in.

        Args:
            dtype: of the network, for instance ``torch.bfloat16``; None for float32. Scores and boxes stay float32.

        Raises:
            TypeError: no type of fractions that torch's convolutions know.
        """
        if dtype not in (None, torch.float32, torch.bfloat16, torch.float16, torch.float64):
            raise TypeError(
                f"dtype is {dtype!r}; it must be torch.float32, torch.bfloat16, torch.float16 or torch.float64"
            )
        model = copy.deepcopy(self).eval()
        replace_folded(model.pyramid)
        for part in (model.pyramid, *model.head.children()):  # not the head's scales: with 8 bits boxes move by pixels
            part.to(dtype or torch.float32)
        return model.requires_grad_(False)  # the folded weights too, so that nothing is kept for a backward pass

    # ------------------------------------------------------------------ weights
    def save(self, path: str | Path, *, half: bool = False, **about: Any) -> None:
        """Write weights and configuration to one safetensors file; see :func:`fcos_edu.weights.save`."""
        weights.save(path, self.state_dict(), self.config, half=half, about=about)

    @classmethod
    def load(cls, path: str | Path, config: FCOSConfig | None = None) -> FCOS:
        """The model of a checkpoint, in evaluation mode; see :func:`fcos_edu.weights.load` for the errors.

        Args:
            path: written by :meth:`save`.
            config: what the checkpoint must fit; None takes the checkpoint's own.
        """
        checkpoint = weights.load(path)
        model = weights.build_fitting(lambda: cls(config or checkpoint.config, load_backbone=False), checkpoint, path)
        return model.eval()

    @classmethod
    def pretrained(cls, name: str) -> FCOS:
        """A small detector that comes with the package: ``"shapes"``, ``"bccd"`` or ``"people"``.

        Works offline, in a second.
        """
        return cls.load(weights.packaged(name))

    @classmethod
    def from_torchvision(cls, source: str | nn.Module | dict[str, Tensor] = "COCO_V1") -> FCOS:
        """torchvision's FCOS in our structure, with the same detections: evaluation mode.

        Args:
            source: the name of published weights (fetched through torchvision), a torchvision FCOS model, whose
                sizes and thresholds are taken over too, or a state dict of one.

        Raises:
            ValueError: unknown name, or weights that are not of ``fcos_resnet50_fpn``.
            ConnectionError: the weights cannot be fetched; the message says where to put them.
        """
        names: tuple[str, ...] = ()
        fields: dict[str, Any] = {}
        if isinstance(source, str):
            state, names = weights.fetch_torchvision(source)
        elif isinstance(source, nn.Module):
            state, fields = source.state_dict(), weights.torchvision_settings(source)
        else:
            state = source
        converted = weights.from_torchvision(state)
        num_classes = len(converted["head.classification.bias"])
        model = cls(
            FCOSConfig.torchvision(
                num_classes=num_classes, class_names=names, **weights.torchvision_backbone(state), **fields
            ),
            load_backbone=False,
        )
        model.load_state_dict(converted)
        return model.eval()

    def to_torchvision(self) -> dict[str, Tensor]:
        """The state dict under the names of torchvision's ``fcos_resnet50_fpn``.

        Raises:
            ValueError: a model that torchvision's cannot compute.
        """
        state = weights.to_torchvision(self.state_dict())
        for name, value in (("box_activation", "relu"), ("centerness_branch", "regression"), ("group_norm", True)):
            if getattr(self.config, name) != value:
                raise ValueError(f"torchvision's FCOS has {name}={value!r}, this model {getattr(self.config, name)!r}")
        return state
