"""Pictures of any kind to detections with names: ``model.detect(x)`` and what it gives (Sec. 3, inference).

Taught in the chapter *From outputs to detections*. Checked against: the boxes of ``fcos-edu detect``, to the last bit,
for every kind of picture that is taken.
"""

from __future__ import annotations

import base64
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from .data.decoding import CorruptImageError, pixels_of, read_image, tell_several
from .data.videos import is_video
from .drawing import draw_detections
from .images import check_images
from .text import counted, printable

AnyPicture: TypeAlias = "str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor"

SHOWN = 0.3  # lowest score that is drawn, as `fcos-edu detect` has it
_WIDEST = 640  # pixels of a picture in a notebook
_ROWS = 12  # detections that a notebook lists


class ImageError(ValueError):
    """A picture that was read but that the model cannot take, such as one of 1 × 4000 pixels."""


class Detection(NamedTuple):
    """One thing that was found."""

    name: str  # of its class
    score: float  # 0..1
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the picture that was given
    label: int  # 0..C-1


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What was found in a picture, highest score first. It is a sequence of :class:`Detection`; a cell shows it drawn.

    ``found[0]`` has the highest score, ``found[:5]`` are the five best, ``found.above(0.5)`` those with a score of at
    least 0.5.
    """

    image: Tensor  # (3, H, W) uint8, upright: the picture that the boxes belong to
    boxes: Tensor  # (K, 4) float32, x0, y0, x1, y1 in its pixels
    scores: Tensor  # (K,) float32 in 0..1
    labels: Tensor  # (K,) int64 in 0..C-1
    classes: tuple[str, ...] = field(default=())  # names by label; without names, labels are shown as numbers

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each detection's class."""
        return tuple(self.classes[k] if k < len(self.classes) else str(k) for k in self.labels.tolist())

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        columns = (self.names, self.scores.tolist(), self.boxes.tolist(), self.labels.tolist())
        return (Detection(name, score, tuple(box), label) for name, score, box, label in zip(*columns, strict=True))

    @overload
    def __getitem__(self, which: int) -> Detection: ...

    @overload
    def __getitem__(self, which: slice | Tensor | Sequence[int]) -> Detections: ...

    def __getitem__(self, which: int | slice | Tensor | Sequence[int]) -> Detection | Detections:
        """One detection by its place, or several: by a slice, places, or a mask ``(K,)``."""
        if isinstance(which, int | np.integer):
            place = range(len(self))[which]
            return next(iter(self[place : place + 1]))
        if not isinstance(which, slice | Tensor):
            which = torch.as_tensor(which)
            which = which if len(which) else which.long()  # torch takes an empty list for floats
        return replace(self, boxes=self.boxes[which], scores=self.scores[which], labels=self.labels[which])

    def above(self, score: float) -> Detections:
        """Those of at least this score."""
        return self[self.scores >= score]

    def draw(self, threshold: float = SHOWN) -> Image.Image:
        """The picture with each box, its class and its score.

        Args:
            threshold: lower scores are left out.
        """
        kept = self.above(threshold)
        drawn = draw_detections(
            self.image, {"boxes": kept.boxes, "scores": kept.scores, "labels": kept.labels}, self.classes
        )
        return Image.fromarray(drawn.permute(1, 2, 0).numpy())

    def to_supervision(self) -> Any:
        """The same as ``supervision.Detections``, whose trackers, zones and drawings go on from there.

        Raises:
            ImportError: the package is missing.
        """
        try:
            import supervision
        except ImportError as error:
            raise ImportError("to_supervision needs the package supervision: pip install supervision") from error
        return supervision.Detections(
            xyxy=self.boxes.numpy().copy(),
            confidence=self.scores.numpy().copy(),
            class_id=self.labels.numpy().copy(),
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def __repr__(self) -> str:
        height, width = self.image.shape[-2:]
        return f"<{counted(len(self), 'detections')} on {width}×{height} pixels{_counts(self.names)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the picture with what is above :data:`SHOWN`, and those with the highest scores in a table."""
        picture, content = self.draw(), io.BytesIO()
        picture.thumbnail((_WIDEST, _WIDEST))
        picture.save(content, "jpeg", quality=88)
        kept, (height, width) = self.above(SHOWN), self.image.shape[-2:]
        words = (
            f"{len(kept)} of {counted(len(self), 'detections')} {'has' if len(kept) == 1 else 'have'} a score of at "
            f"least {SHOWN}{_counts(kept.names)}"
        )
        rows = "".join(
            f"<tr><td>{escape(printable(one.name))}</td><td>{one.score:.2f}</td>"
            f"<td>{', '.join(f'{side:.1f}' for side in one.box)}</td></tr>"
            for one in kept[:_ROWS]
        )
        more = f"<p>and {len(kept) - _ROWS} more</p>" if len(kept) > _ROWS else ""
        head = "<tr><th>class</th><th>score</th><th>x0, y0, x1, y1</th></tr>"
        table = f"<table>{head}{rows}</table>{more}" if rows else ""
        return (
            f'<div><img src="data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}" '
            f'alt="{escape(f"A picture of {width}×{height} pixels with boxes drawn. {words}")}" style="max-width:100%">'
            f"<p>{escape(words)}</p>{table}</div>"
        )


@overload
def detect(model: nn.Module, images: AnyPicture) -> Detections: ...


@overload
def detect(model: nn.Module, images: list[AnyPicture] | tuple[AnyPicture, ...]) -> list[Detections]: ...


def detect(
    model: nn.Module, images: AnyPicture | list[AnyPicture] | tuple[AnyPicture, ...]
) -> Detections | list[Detections]:
    """What a detector finds in a picture, or in each of a list of pictures.

    Each picture is looked at alone, as ``fcos-edu detect`` does. The model detects whatever mode it is in, and is in
    the same one afterwards.

    Args:
        model: any detector of :mod:`fcos_edu.detectors`.
        images: a picture, or a list or tuple of them: the path of a file; an image of Pillow; an array (H, W, 3),
            red, green and blue (OpenCV has them the other way round: ``array[..., ::-1]``), or a tensor (3, H, W), of
            uint8 or of floats in 0..1. Files and Pillow's images are turned upright where a camera asks for it
            (EXIF); boxes are in pixels of the upright picture.

    Returns:
        :class:`Detections`; of a list or tuple a list of them.

    Raises:
        CorruptImageError: a file that cannot be read.
        ImageError: a picture that the model cannot take.
        TypeError, ValueError: none of the above; the text says what would be right.
    """
    if isinstance(images, list | tuple):
        return [_named(model, image) for image in images]
    return _named(model, images)


def find(model: nn.Module, pixels: Tensor) -> dict[str, Tensor]:
    """What a detector gives for one picture, in torchvision's convention and on the CPU.

    Args:
        model: any detector of :mod:`fcos_edu.detectors`.
        pixels: ``(3, H, W)`` uint8, or float in 0..1.

    Raises:
        ImageError: the model cannot take it.
    """
    device, was_training = next(model.parameters()).device, model.training
    image = pixels.to(device) if pixels.is_floating_point() else pixels.float().to(device) / 255
    model.eval()
    try:
        with torch.inference_mode():
            found: dict[str, Tensor] = model([image])[0]
    except ValueError as error:
        raise ImageError(str(error)) from error
    finally:
        model.train(was_training)
    return {key: value.cpu().clone() for key, value in found.items()}  # copies may be written into; others may not


def _counts(names: Sequence[str]) -> str:
    """Such as ": 12 RBC, 1 WBC"; empty for none."""
    counts = ", ".join(f"{count} {printable(name)}" for name, count in Counter(names).most_common())
    return f": {counts}" if counts else ""


def _named(model: nn.Module, image: AnyPicture) -> Detections:
    pixels = _pixels(image)
    found, config = find(model, pixels), getattr(model, "config", None)
    if pixels.is_floating_point():
        pixels = (pixels * 255).round().clamp(0, 255).to(torch.uint8)
    names = tuple(getattr(config, "class_names", ()))
    return Detections(pixels.cpu(), found["boxes"], found["scores"], found["labels"], names)


def _pixels(image: Any) -> Tensor:
    """A picture of any kind as ``(3, H, W)``, uint8 or float."""
    if isinstance(image, str | os.PathLike):
        return _of_file(Path(image), str(image))
    if isinstance(image, Image.Image):
        try:
            return pixels_of(image, turn=True).as_subclass(Tensor)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise errors of every kind at a damaged file
            raise CorruptImageError(getattr(image, "filename", "") or "the image given", str(error)) from error
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, Tensor):
        if image.dim() == 4:
            raise ValueError(f"a tensor of shape {tuple(image.shape)}; give several images as a list: list(tensor)")
        check_images([image])
        return image.detach().as_subclass(Tensor)
    raise TypeError(
        f"a picture is a path, an image of Pillow, an array (H, W, 3) or a tensor (3, H, W); this is a "
        f"{type(image).__module__}.{type(image).__qualname__}"
    )


def _of_array(image: NDArray[Any]) -> Tensor:
    """An array as ``(3, H, W)``: bytes as they are; floats, as of skimage and matplotlib, are tested as a tensor's."""
    if image.ndim != 3 or image.shape[2] != 3 or not (image.dtype == np.uint8 or image.dtype.kind == "f"):
        hint = ""
        if image.ndim == 3 and image.shape[0] == 3:
            hint = ": channels come last, try array.transpose(1, 2, 0)"
        elif image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 4)):
            hint = ", as Image.fromarray(array) makes it of grey or transparent pictures"
        raise ValueError(
            f"an array of shape {image.shape} and {image.dtype}; it must be (H, W, 3), red, green and blue, of uint8 "
            f"or of floats in 0..1{hint}"
        )
    if image.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))
    check_images([pixels])
    return pixels


def _of_file(path: Path, given: str) -> Tensor:
    if given.split(":")[0] in ("http", "https", "ftp", "s3", "gs"):
        raise ValueError(f"{given} is an address: download the picture first, and give its file")
    path = path.expanduser()
    if is_video(path):
        raise ValueError(f"{path} is a video: detect on its frames (fcos_edu.data.Video), or use fcos-edu detect")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give a list of its files, or use fcos-edu detect")
    if not path.exists():
        raise FileNotFoundError(f"there is no image {path}")
    pixels = read_image(path, turn=True).as_subclass(Tensor)
    tell_several(path)
    return pixels


__all__ = ["SHOWN", "Detection", "Detections", "ImageError", "detect", "find"]
