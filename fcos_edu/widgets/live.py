"""The workbench, which needs a kernel: the reader's own picture, a detector, and the rules of inference under sliders.

Taught by use, in the chapters *From outputs to detections*, *COCO: published weights on your photograph* and *Your own
boxes*. Checked against: :mod:`fcos_edu.widgets.scene`, which needs no widget, with ipywidgets 7.7 and 8.

The one figure of the book that needs a kernel: a network has to look at a picture that nobody knew before. Colab has
ipywidgets 7, Kaggle and JupyterLab have 8, and only what both have is used. A page without a kernel shows the drawing
that the cell has stored beside the widget.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data import load as load_data
from ..detectors import load
from ..images import check_images
from ..model import FCOS
from .piece import escaped
from .scene import Choices, Scene, draw, find, look, read_picture, words


def workbench(
    picture: str | Path | bytes | Tensor | None = None,
    detectors: str | Path | FCOS | Sequence[str | Path] | Mapping[str, str | Path | FCOS] = ("shapes", "bccd"),
    *,
    score: float = 0.3,
) -> Workbench:
    """A figure in which the reader gives a picture, chooses a detector and moves its thresholds.

    It shows what NMS keeps, the candidates before it, and center-ness. The network runs once for each picture and
    detector; what moves only decodes, suppresses and draws again. Files that are no pictures and weights that cannot be
    had are told in the figure.

    Args:
        picture: to begin with: a file, its content, or an image ``(3, H, W)``, uint8 or 0..1. None for drawn shapes.
        detectors: what can be chosen; the first is there at once, others are loaded when they are asked for. Anything
            that :func:`fcos_edu.detectors.load` takes, such as ``shapes``, ``bccd``, ``torchvision:COCO_V1`` or a
            checkpoint; several of them; or names with either of these or with a model.
        score: the threshold to begin with, 0.01 to 0.99.

    Returns:
        What a cell ends in. Its ``scene``, ``choices`` and ``found`` are what it shows.

    Raises:
        PictureError: ``picture`` is no picture.
        TypeError: the first detector is none that has locations and center-ness.
        FileNotFoundError, CheckpointError, ConnectionError: as :func:`fcos_edu.detectors.load`, for the first detector.
        ImportError: ipywidgets is missing.
    """
    return Workbench(_pixels(picture), _named(detectors), score)


def _pixels(picture: str | Path | bytes | Tensor | None) -> Tensor:
    """A picture to begin with, ``(3, H, W)`` uint8."""
    if picture is None:
        item = load_data("shapes", "test", num_images=1)[0]
        assert item is not None  # what is drawn can be read
        picture = item[0]
    if not isinstance(picture, Tensor):
        return read_picture(picture)
    check_images([picture])
    picture = picture.as_subclass(Tensor).detach().cpu()
    return (picture * 255).round().to(torch.uint8) if picture.is_floating_point() else picture


def _named(
    detectors: str | Path | FCOS | Sequence[str | Path] | Mapping[str, str | Path | FCOS],
) -> dict[str, str | Path | FCOS]:
    if isinstance(detectors, Mapping):
        named = dict(detectors)
    elif isinstance(detectors, FCOS):
        named = {"this detector": detectors}
    else:
        listed = [detectors] if isinstance(detectors, str | Path) else detectors
        named = {str(each): each for each in listed}
    if not named:
        raise ValueError("detectors is empty; give at least one, such as 'shapes'")
    return named


def uploaded(value: Any) -> tuple[str, bytes] | None:
    """Name and content of the file that was chosen last; None where there is none.

    Args:
        value: of a ``FileUpload``: a dict of names in ipywidgets 7, a tuple of files in 8.
    """
    if not value:
        return None
    if isinstance(value, Mapping):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    return str(name), bytes(file["content"])


class Workbench:
    """What :func:`workbench` returns: a widget with its state, and a drawing for where no kernel runs."""

    scene: Scene  # the picture and what the network said of it
    choices: Choices  # of the reader

    def __init__(self, picture: Tensor, detectors: dict[str, str | Path | FCOS], score: float) -> None:
        try:
            import ipywidgets
        except ImportError as error:
            raise ImportError('the workbench needs ipywidgets: pip install "fcos-edu[notebook]"') from error
        self._kit = ipywidgets
        self._detectors = detectors
        self._scenes: dict[str, Scene] = {}  # of this picture, by detector
        self._picture = picture
        self._detector = next(iter(detectors))
        self.scene = self._look(self._detector)
        self._build(score)
        self._show()

    # ------------------------------------------------------------------ the network
    def _look(self, detector: str) -> Scene:
        """The scene of the picture and a detector: the network runs the first time only."""
        if detector not in self._scenes:
            model = self._detectors[detector]
            if not isinstance(model, torch.nn.Module):
                model = load(model)  # type: ignore[assignment]
            if not isinstance(model, FCOS):
                raise TypeError(f"{detector} is a {type(model).__name__}; the workbench needs an FCOS of this package")
            self._detectors[detector] = model
            self._scenes[detector] = look(model, self._picture)
        return self._scenes[detector]

    # ------------------------------------------------------------------ the widget
    def _build(self, score: float) -> None:
        kit, config = self._kit, self.scene.config
        wide = {"description_width": "initial"}
        self._which = kit.Dropdown(options=list(self._detectors), description="detector", style=wide)
        self._file = kit.FileUpload(accept="image/*", multiple=False, description="your picture")
        self._path = kit.Text(
            placeholder="or its path, then Enter", continuous_update=False, layout=kit.Layout(width="16em")
        )
        slider = {"style": wide, "readout_format": ".2f", "step": 0.01, "layout": kit.Layout(width="23em")}
        self._score = kit.FloatSlider(value=score, min=0.01, max=0.99, description="score above", **slider)
        self._nms = kit.FloatSlider(value=config.nms_threshold, min=0.0, max=1.0, description="NMS at IoU", **slider)
        self._ranks = kit.Checkbox(
            value=config.centerness_inference != "none", description="center-ness ranks", indent=False,
            layout=kit.Layout(width="12em"),
        )  # fmt: skip
        self._levels = kit.HBox([])
        self._image = kit.Image(format="jpeg", layout=kit.Layout(max_width="100%", align_self="flex-start"))
        self._words = kit.HTML()
        self._message = kit.HTML()
        self._offer_levels()
        self.widget = kit.VBox(
            [
                self._row(self._which, self._file, self._path),
                self._row(self._score, self._nms),
                self._row(self._ranks, kit.Label("answers from"), self._levels),
                self._message,
                self._image,
                self._words,
            ]
        )
        for control in (self._score, self._nms, self._ranks):
            control.observe(self._told(self._on_choice), names="value")
        self._which.observe(self._told(self._on_detector), names="value")
        self._file.observe(self._told(self._on_file), names="value")
        self._path.observe(self._told(self._on_path), names="value")

    def _row(self, *controls: Any) -> Any:
        return self._kit.HBox(controls, layout=self._kit.Layout(flex_flow="row wrap", align_items="center"))

    def _offer_levels(self) -> None:
        """A button for each level of the detector, all pressed; those that are there already stay as they are."""
        levels = self.scene.config.levels
        if [button.description for button in self._levels.children] == [f"P{level}" for level in levels]:
            return
        buttons = []
        for level in levels:
            button = self._kit.ToggleButton(
                value=True, description=f"P{level}", tooltip=f"locations of stride {2**level}",
                layout=self._kit.Layout(width="3.5em"),
            )  # fmt: skip
            button.observe(self._told(self._on_choice), names="value")
            buttons.append(button)
        self._levels.children = buttons

    # ------------------------------------------------------------------ what happens
    def _told(self, react: Callable[[Any], None]) -> Callable[[Any], None]:
        """A reaction to an event whose errors are told in the figure: the kernel would lose them."""

        def reaction(change: Any) -> None:
            try:
                react(change["new"])
            except Exception as error:
                self._say(str(error) or type(error).__name__)

        return reaction

    def _say(self, text: str) -> None:
        self._message.value = f'<p role="alert" style="margin: 0.3em 0"><b>{escaped(text)}</b></p>' if text else ""

    def _on_choice(self, _: Any) -> None:
        self._show()

    def _on_detector(self, name: str) -> None:
        if name == self._detector:
            return
        self._say(f"{name} looks at the picture ...")
        try:
            self.scene = self._look(name)
        except Exception:
            self._which.value = self._detector  # what is drawn is still the former one's
            raise
        self._detector = name
        self._offer_levels()
        self._say("")
        self._show()

    def _on_file(self, value: Any) -> None:
        chosen = uploaded(value)
        if chosen is not None:
            name, content = chosen
            self._take(read_picture(content, name))

    def _on_path(self, text: str) -> None:
        if text.strip():
            self._take(read_picture(text.strip().strip("\"'")))

    def _take(self, picture: Tensor) -> None:
        """Show another picture; the former one stays where the network cannot look at it."""
        former, scenes = self._picture, self._scenes
        self._picture, self._scenes = picture, {}
        try:
            self.scene = self._look(self._detector)
        except Exception:
            self._picture, self._scenes = former, scenes
            raise
        self._say("")
        self._show()

    def _show(self) -> None:
        """Decode, suppress and draw with what the controls say now. The network does not run."""
        pressed = zip(self.scene.config.levels, self._levels.children)
        self.choices = Choices(
            score_threshold=self._score.value,
            nms_threshold=self._nms.value,
            centerness=self._ranks.value,
            levels=tuple(level for level, button in pressed if button.value),
        )
        self.found = find(self.scene, self.choices)
        self._image.value = draw(self.scene, self.found, self.choices)
        said = escaped(words(self.scene, self.found, self.choices))
        self._words.value = f'<p role="status" style="margin: 0.3em 0">{said}</p>'

    # ------------------------------------------------------------------ in a notebook
    def _repr_mimebundle_(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> dict[str, Any]:
        """The widget for whoever has a kernel, a drawing for pages, words for terminals: the reader's side chooses."""
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
            "image/jpeg": base64.b64encode(self._image.value).decode(),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return f"<a workbench with {', '.join(self._detectors)}: its sliders move where a kernel runs>"
