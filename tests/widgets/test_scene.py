"""What the workbench shows, without a widget: pictures of any file, the model's own detections, and drawn pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.data import load
from fcos_edu.drawing import COLORS
from fcos_edu.inference import class_wise_nms
from fcos_edu.widgets import scene as scenes
from fcos_edu.widgets.scene import Choices, PictureError, Scene, draw, find, look, read_picture, words

LEVELS = (3, 4, 5, 6, 7)
ALL = Choices(0.05, 0.6, True, LEVELS)


@pytest.fixture(scope="module")
def detector() -> FCOS:
    return FCOS.pretrained("shapes")


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """Wider than high, and neither side as the network wants it."""
    return load("shapes", "test", seed=3, size=(150, 250), num_images=3)[2][0].as_subclass(Tensor)


@pytest.fixture(scope="module")
def scene(detector: FCOS, picture: Tensor) -> Scene:
    return look(detector, picture)


def stored(picture: Image.Image, kind: str = "png", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def corner(width: int = 60, height: int = 40) -> Image.Image:
    """White, with red in the upper left corner."""
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, width // 4, height // 4), fill="red")
    return picture


# ---- pictures -----------------------------------------------------------------------------------------------------


def test_a_picture_comes_as_content_or_as_a_path(tmp_path: Path) -> None:
    wanted = torch.from_numpy(np.array(corner())).permute(2, 0, 1)
    content = stored(corner())
    (tmp_path / "mine.png").write_bytes(content)
    for source in (content, tmp_path / "mine.png", str(tmp_path / "mine.png")):
        assert torch.equal(read_picture(source), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_the_camera_is_followed(orientation: int) -> None:
    turned = {
        1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270",
    }[orientation]  # fmt: skip
    lying = corner() if turned is None else corner().transpose(getattr(Image.Transpose, turned))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = read_picture(stored(lying, "jpeg", quality=95, exif=exif)).float()
    assert upright.shape == (3, 40, 60)
    assert upright[:, 3, 3] @ torch.tensor([1.0, -1, -1]) > 200, "red in the upper left corner"
    assert upright[:, 36, 56].min() > 240


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_kind_of_picture_becomes_three_channels(mode: str) -> None:
    source = Image.new(mode, (9, 5)) if mode == "I;16" else corner(9, 5).convert(mode)
    read = read_picture(stored(source, "tiff"))
    assert read.shape == (3, 5, 9) and read.dtype == torch.uint8


def test_a_large_picture_is_reduced_and_keeps_its_form() -> None:
    read = read_picture(stored(corner(4000, 2000), "jpeg"))
    assert read.shape == (3, scenes.MAX_SIDE // 2, scenes.MAX_SIDE)


def test_what_is_no_picture_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"^a.png cannot be read as a picture \(its format is not known\)"):
        read_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n", "a.png")
    with pytest.raises(PictureError, match=r"^notes.txt cannot be read as a picture \(its format is not known\)\.$"):
        read_picture(b"not a picture", "notes.txt")
    whole = stored(corner(300, 300), "jpeg")
    for cut in (whole[:200], whole[:-300]):
        with pytest.raises(PictureError, match=r"^cut.jpg cannot be read as a picture \(.+\)\.$"):
            read_picture(cut, "cut.jpg")
    with pytest.raises(PictureError, match=r"^The file cannot be read"):
        read_picture(b"")
    with pytest.raises(PictureError, match="There is no file gone.png; paths start in "):
        read_picture("gone.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PictureError, match="bomb"):
        read_picture(stored(corner()), "bomb.png")


# ---- detections ---------------------------------------------------------------------------------------------------

RULES: dict[str, dict[str, Any]] = {
    "paper": {},
    "torchvision": {"threshold_on": "product", "sqrt_score": True},
    "product": {"threshold_on": "product"},
    "class, ranked by the root": {"sqrt_score": True},
    "few of each level": {"pre_nms_top_k": 7},
    "from the distances": {"centerness_inference": "computed"},
}


@pytest.mark.parametrize("score", [0.0, 0.05, 0.3, 0.7])
@pytest.mark.parametrize("rule", RULES)
def test_with_all_levels_it_finds_what_the_model_finds(picture: Tensor, rule: str, score: float) -> None:
    model = FCOS.pretrained("shapes").set_inference(**RULES[rule])
    scene = look(model, picture)
    for choices in (Choices(score, 0.6, True, LEVELS), Choices(score, 0.3, False, LEVELS)):
        found = find(scene, choices).detection()
        kind = model.config.centerness_inference if choices.centerness else "none"
        with torch.inference_mode():
            (wanted,) = model.detections(
                scene.seen,
                model.config.replace(
                    score_threshold=score, nms_threshold=choices.nms_threshold, centerness_inference=kind
                ),
            )
        assert len(wanted["boxes"]) > 0
        for name, values in found.items():
            torch.testing.assert_close(values, wanted[name], rtol=1e-6, atol=0, msg=name)  # sigmoids of fewer numbers


def test_it_finds_what_a_call_of_the_model_finds(detector: FCOS, picture: Tensor, scene: Scene) -> None:
    found = find(scene, ALL).detection()
    with torch.inference_mode():
        (wanted,) = detector([picture])
    assert len(found["boxes"]) > 5
    for name, values in found.items():
        torch.testing.assert_close(values, wanted[name], rtol=1e-6, atol=0)


@pytest.mark.parametrize("levels", [(), (3,), (4, 6), (3, 5, 7)])
def test_only_the_chosen_levels_answer(scene: Scene, levels: tuple[int, ...]) -> None:
    whole, part = find(scene, ALL).candidates, find(scene, Choices(0.05, 0.6, True, levels))
    own = torch.isin(scene.seen.grid.levels[whole.locations], torch.tensor(levels, dtype=torch.int64))
    wanted = [values[own] for values in whole]
    assert all(torch.equal(values, other) for values, other in zip(part.candidates, wanted))
    canvas = wanted[0] * torch.tensor(scene.seen.sizes[0]).flip(0).repeat(2) / torch.tensor([250, 150, 250, 150])
    assert torch.equal(part.kept, class_wise_nms(canvas, wanted[1], wanted[2], 0.6)[:100])


def test_a_higher_threshold_keeps_some_of_the_same_candidates(scene: Scene) -> None:
    before: set[tuple[float, ...]] | None = None
    sizes = []
    for score in (0.01, 0.1, 0.3, 0.6, 0.99):
        boxes = {tuple(box) for box in find(scene, Choices(score, 0.6, True, LEVELS)).candidates.boxes.tolist()}
        assert before is None or boxes <= before
        before = boxes
        sizes.append(len(boxes))
    assert sizes[0] > sizes[2] > sizes[-1] == 0


def test_looking_leaves_the_model_as_it_was(picture: Tensor) -> None:
    model = FCOS.pretrained("bccd").train()
    scene = look(model, picture)
    assert model.training and not scene.seen.output.logits.requires_grad
    assert torch.equal(scene.seen.output.logits, look(model.eval(), picture).seen.output.logits)


def test_without_a_branch_center_ness_comes_from_the_distances(picture: Tensor) -> None:
    config = FCOSConfig.tiny(num_classes=2, centerness_branch="none", centerness_inference="none")
    scene = look(FCOS(config), picture)
    found = find(scene, Choices(0.001, 0.6, True, LEVELS))
    assert draw(scene, found, Choices(0.001, 0.6, True, LEVELS))


# ---- center-ness --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", ["half_stride", "none"])
@pytest.mark.parametrize("level", LEVELS)
def test_each_pixel_has_the_center_ness_of_the_nearest_location(picture: Tensor, offset: Any, level: int) -> None:
    model = FCOS(FCOSConfig.tiny(num_classes=2, location_offset=offset))
    scene = look(model, picture)
    height, width = 60, 100
    shown = scenes.centerness_of_pixels(scene, (level,), (height, width))
    grid, (rows, columns) = scene.seen.grid, scene.seen.sizes[0]
    own = grid.levels == level
    quality = scene.seen.output.centerness[0].sigmoid()[own]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([x * columns / width, y * rows / height], dim=-1).reshape(-1, 2)
    distance = torch.cdist(pixels, grid.points[own])
    slow = quality[distance.argmin(dim=1)]
    close = distance.sort(dim=1).values
    clear = torch.ones(len(pixels), dtype=torch.bool) if own.sum() == 1 else close[:, 1] - close[:, 0] > 1e-3
    assert clear.sum() > 0.5 * len(pixels)
    assert torch.allclose(torch.from_numpy(shown).flatten()[clear], slow[clear])


def test_several_levels_show_the_largest(scene: Scene) -> None:
    one, other, both = (scenes.centerness_of_pixels(scene, levels, (30, 50)) for levels in ((3,), (5,), (3, 5)))
    assert np.array_equal(both, np.maximum(one, other)) and not np.array_equal(one, both)
    assert not scenes.centerness_of_pixels(scene, (), (30, 50)).any()


# ---- the drawing --------------------------------------------------------------------------------------------------


def panels(content: bytes) -> list[np.ndarray]:
    """The three pictures, without the words above them: (h, w, 3) each."""
    sheet = np.array(Image.open(io.BytesIO(content)).convert("RGB"))[22:]
    width = (sheet.shape[1] - 16) // 3
    return [sheet[:, left : left + width] for left in (0, width + 8, 2 * (width + 8))]


def rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_sides_of_boxes_have_the_colour_of_their_class(scene: Scene) -> None:
    choices = Choices(0.3, 0.6, True, LEVELS)
    found = find(scene, choices)
    kept, candidates, _ = panels(draw(scene, found, choices))
    assert kept.shape == candidates.shape == (216, 360, 3)
    best = found.candidates.boxes[found.kept[0]] * 360 / 250
    color = np.array(rgb(COLORS[int(found.candidates.labels[found.kept[0]]) % len(COLORS)]))
    x0, y0, x1, y1 = (int(v) for v in best.tolist())
    for shown in (kept, candidates):
        column = shown[y0 + 2 : y1 - 1, max(x0 - 1, 0) : x0 + 3].astype(int)
        near = (abs(column - color).max(-1) < 60).any(axis=1)
        assert near.mean() > 0.6, "its left side"


def test_nothing_found_draws_no_box(scene: Scene) -> None:
    choices = Choices(0.99, 0.6, False, LEVELS)
    found = find(scene, choices)
    kept, candidates, _ = panels(draw(scene, found, choices))
    assert abs(kept.astype(int) - np.array(scene.panel)).mean() < 3
    assert abs(candidates.astype(int) - np.array(scene.faint)).mean() < 3
    assert words(scene, found, choices).startswith("0 candidates on P3, P4, P5, P6, P7 with a class score above 0.99.")


def test_the_drawing_follows_the_choices(scene: Scene) -> None:
    def drawn(choices: Choices) -> bytes:
        return draw(scene, find(scene, choices), choices)

    before = drawn(ALL)
    assert drawn(ALL) == before
    others = [Choices(0.3, 0.6, True, LEVELS), Choices(0.05, 0.2, True, LEVELS), Choices(0.05, 0.6, False, LEVELS)]
    others.append(Choices(0.05, 0.6, True, (3,)))
    assert len({before, *map(drawn, others)}) == 5


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3), (256, 256)])
def test_pictures_of_any_form_can_be_drawn(detector: FCOS, size: tuple[int, int]) -> None:
    scene = look(detector, torch.full((3, *size), 200, dtype=torch.uint8))
    choices = Choices(0.01, 0.6, True, LEVELS)
    sheet = Image.open(io.BytesIO(draw(scene, find(scene, choices), choices)))
    assert sheet.format == "JPEG" and max(sheet.width // 3, sheet.height - 22) >= 360


def test_the_words_count(scene: Scene) -> None:
    found = find(scene, ALL)
    said = words(scene, found, ALL)
    assert f"{len(found.candidates.scores)} candidates" in said and f"keeps {len(found.kept)}: " in said
    labels = found.detection()["labels"].tolist()
    for label, name in enumerate(scene.config.class_names):
        if label in labels:
            assert f"{labels.count(label)} × {name}" in said
    none = Choices(0.05, 0.6, True, ())
    assert words(scene, find(scene, none), none) == (
        "0 candidates on no level with a class score above 0.05. NMS at an IoU of 0.60 keeps 0."
    )
