"""``model.detect``: the boxes of the command ``detect``, whatever a picture comes as."""

import dataclasses
import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from torch import nn
from torchvision import tv_tensors

from fcos_edu import FCOS, FCOSConfig, data, detect, detectors
from fcos_edu.data import CorruptImageError
from fcos_edu.detections import Detection, Detections, ImageError
from tests.cli.calls import run


@pytest.fixture(scope="module")
def model():
    """Random weights that find something everywhere; a class has a hostile name."""
    torch.manual_seed(0)
    names = ("<script>alert(1)</script>", "b\x1b[2J", "c&d", "e", "f")
    made = FCOS(FCOSConfig.tiny(num_classes=5, class_names=names, min_size=96, max_size=160))
    nn.init.constant_(made.head.classification.bias, -1.0)
    return made.eval()


@pytest.fixture(scope="module")
def pixels():
    return data.ShapesDataset(num_images=1, size=(72, 88)).read(0)[0].as_subclass(torch.Tensor)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photos" / "hopper.jpg"
    path.parent.mkdir()
    with get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).resize((256, 300)).save(path)
    return path


def same(one, other):
    return all(torch.equal(getattr(one, key), getattr(other, key)) for key in ("image", "boxes", "scores", "labels"))


def test_every_kind_of_picture_gives_the_same_boxes(model, pixels, tmp_path):
    array = pixels.permute(1, 2, 0).numpy()
    picture = Image.fromarray(array)
    path = tmp_path / "a.png"
    picture.save(path)
    wanted = model.detect(pixels)
    raw = model([pixels])[0]
    assert len(wanted) > 5 and torch.equal(wanted.boxes, raw["boxes"]) and torch.equal(wanted.scores, raw["scores"])
    kinds = [str(path), path, picture, Image.open(path), array, array[:, ::-1][:, ::-1], pixels / 255,
             tv_tensors.Image(pixels), (pixels / 255).double(), picture.convert("RGBA")]  # fmt: skip
    for found in (*model.detect(kinds), *model.detect(tuple(kinds[:2])), detect(model, path)):
        assert same(found, wanted)
    assert model.detect([]) == []


def test_boxes_are_those_of_the_command_detect(model, tmp_path, photograph):
    """A photograph whose camera was held upright, too."""
    model.save(tmp_path / "m.safetensors")
    tag = Image.Exif()
    tag[274] = 6
    Image.open(photograph).save(photograph.parent / "turned.jpg", exif=tag)
    assert run("detect", tmp_path / "m.safetensors", photograph.parent, "--out", tmp_path / "out") == 0
    document = json.loads((tmp_path / "out" / "detections.json").read_text())
    for image in document["images"]:
        file = Path(image["file_name"])
        opened = Image.open(file)
        for found in model.detect([file, opened]):
            assert tuple(found.image.shape) == (3, image["height"], image["width"])
            entries = [entry for entry in document["annotations"] if entry["image_id"] == image["id"]]
            assert len(entries) == len(found) > 5
            for entry, one in zip(entries, found, strict=True):
                x0, y0, x1, y1 = one.box
                assert entry["bbox"] == [round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)]
                assert entry["score"] == round(one.score, 4) and entry["category_id"] == one.label + 1
    assert (document["images"][0]["width"], document["images"][1]["width"]) == (256, 300)


def test_detections_are_a_sequence_that_stays_as_it_is(model, pixels):
    found = model.detect(pixels)
    first, *rest = found
    assert isinstance(first, Detection) and first == found[0] and len(rest) == len(found) - 1
    assert first.name == model.config.class_names[first.label] == found.names[0]
    assert found[-1] == list(found)[-1] and list(found[1:3]) == list(found)[1:3]
    assert list(found[[2, 0]]) == [found[2], found[0]] and len(found[[]]) == 0 and found[np.int64(1)] == found[1]
    few = found.above(float(found.scores[2]))
    assert [*few] == [*found[found.scores >= found.scores[2]]] and len(few) >= 3
    with pytest.raises(IndexError):
        found[len(found)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.boxes = found.boxes[:1]
    found.boxes.mul_(2)  # tensors are ordinary ones
    assert repr(found).startswith(f"<{len(found)} detections on 88×72 pixels: ") and "\x1b" not in repr(found)
    plain = Detections(pixels, *(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64)))
    assert repr(plain) == "<0 detections on 88×72 pixels>" and "<table>" not in plain._repr_html_()


def test_a_cell_shows_a_picture_with_words_and_no_script(model, pixels):
    found = model.detect(pixels)
    drawn = found.draw(0.0)
    assert drawn.size == (88, 72) and drawn.tobytes() != Image.fromarray(pixels.permute(1, 2, 0).numpy()).tobytes()
    assert found.draw(1.0).tobytes() == Image.fromarray(pixels.permute(1, 2, 0).numpy()).tobytes()
    shown = dataclasses.replace(found, scores=found.scores.clamp(min=0.4), labels=torch.arange(len(found)) % 5)
    html = shown._repr_html_()
    assert 'src="data:image/jpeg;base64,' in html and 'alt="A picture of 88×72 pixels' in html
    assert "&lt;script&gt;" in html and "<script" not in html and "\x1b" not in html
    assert "c&amp;d" in html and f"and {len(found) - 12} more" in html


def test_the_mode_of_the_model_stays_and_other_detectors_are_taken(model, pixels):
    model.train()
    try:
        assert len(model.detect(pixels)) and model.training
        with pytest.raises(ImageError):
            model.detect(np.zeros((0, 5, 3), np.uint8))
        assert model.training
    finally:
        model.eval()
    other = detectors.build("retinanet", model.config.replace(score_threshold=0.0), load_backbone=False)
    found = detect(other, pixels)
    assert len(found) and other.training and found.names[0] in model.config.class_names
    with pytest.raises(ImageError, match="crop it"):
        detect(other, torch.zeros(3, 1, 4000))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (3, TypeError, r"a picture is a path, .* this is a builtins.int"),
        (b"bytes", TypeError, "builtins.bytes"),
        (np.zeros((4, 5), np.uint8), ValueError, r"an array of shape \(4, 5\) and uint8; it must be \(H, W, 3\)"),
        (np.zeros((4, 5, 4)), ValueError, "float64; it must be .*Image.fromarray"),
        (np.zeros((4, 5, 3), np.int64), ValueError, "int64; it must be"),
        (np.zeros((3, 4, 5), np.uint8), ValueError, r"channels come last, try array.transpose\(1, 2, 0\)"),
        (np.full((40, 50, 3), 200.0), ValueError, "must lie in 0..1: divide by 255"),
        (np.zeros((0, 5, 3), np.uint8), ValueError, r"\(3, 0, 5\)"),
        (torch.zeros(1, 3, 8, 8), ValueError, r"give several images as a list: list\(tensor\)"),
        (torch.zeros(3, 8, 8) + 7, ValueError, "divide by 255"),
        (torch.zeros(8, 8, 3), ValueError, r"image.permute\(2, 0, 1\)"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), TypeError, "int64"),
        ("https://a.example/b.jpg", ValueError, "is an address: download"),
        ("nowhere.jpg", FileNotFoundError, "there is no image nowhere.jpg"),
        ("film.MP4", ValueError, "is a video: detect on its frames"),
        (".", ValueError, "is a folder: give a list of its files"),
        (Path(__file__), CorruptImageError, "it is none of JPEG"),
        (Image.new("F", (8, 8)), CorruptImageError, "the image given cannot be read .*floating-point"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(model, image, error, message):
    with pytest.raises(error, match=message):
        model.detect(image)
    with pytest.raises(error, match=message):
        model.detect([image])


def test_an_array_of_floats_is_taken_as_a_tensor_of_floats(model, pixels):
    array = (pixels.permute(1, 2, 0).double() / 255).numpy()
    found, wanted = model.detect(array), model.detect(pixels.float() / 255)
    assert len(found) and torch.equal(found.boxes, wanted.boxes) and torch.equal(found.image, wanted.image)


def test_supervision_gets_arrays_and_is_named_where_it_is_missing(model, pixels, monkeypatch):
    found = model.detect(pixels)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install supervision"):
        found.to_supervision()
    fake = types.SimpleNamespace(Detections=lambda **fields: fields)
    monkeypatch.setitem(sys.modules, "supervision", fake)
    fields = found.to_supervision()
    assert fields["xyxy"].shape == (len(found), 4) and fields["class_id"].tolist() == found.labels.tolist()
    assert fields["data"]["class_name"].tolist() == list(found.names)
    assert np.array_equal(fields["confidence"], found.scores.numpy())


def test_nothing_warns(model, pixels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.detect(Image.fromarray(pixels.permute(1, 2, 0).numpy()))._repr_html_()
