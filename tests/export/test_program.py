"""The program of torch.export against the model, after it was saved and loaded."""

import io
import json

import pytest
import torch
from PIL import Image

from fcos_edu.data import read_image
from fcos_edu.export.agreement import ExportError, check_agreement
from fcos_edu.export.program import Detector, export_torch, torch_program
from tests.export.models import random_model
from tests.export.test_deploying import WITH_TORCH


@pytest.mark.parametrize("preset", ["tiny", "improved", "paper", "torchvision"])
def test_what_is_exported_detects_the_same_for_every_preset(preset):
    """The module before torch.export follows it, which takes long."""
    model = random_model(preset)
    detector = Detector(model).eval()

    def detect(image, score_threshold):
        detector.score_threshold.fill_(score_threshold)
        with torch.inference_mode():
            return dict(zip(("boxes", "scores", "labels"), detector(image.permute(1, 2, 0)), strict=True))

    found = check_agreement(detect, model)
    assert found.images == 10 and found.detections > 50 and found.edges == 0


@pytest.mark.weekly
def test_the_program_of_a_file_detects_the_same_on_ten_sizes(tmp_path, monkeypatch):
    model = random_model(levels=(3, 4), level_bounds=(0.0, 64.0, float("inf")), class_names=("a", "b", "c"))
    content, found = export_torch(model)
    assert found.images == 10 and found.detections > 50 and found.edges == 0
    about = {"detector.json": ""}
    torch.export.load(io.BytesIO(content), extra_files=about)
    assert json.loads(about["detector.json"])["class_names"] == ["a", "b", "c"]
    # The lines of the page, with this file in the place of the page's.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes.pt2").write_bytes(content)
    pixels = torch.randint(0, 256, (70, 50, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(pixels.numpy()).save(tmp_path / "picture.jpg", quality=95)
    names = {}
    exec(WITH_TORCH, names)
    wanted = model([read_image(tmp_path / "picture.jpg").as_subclass(torch.Tensor)])[0]
    assert len(wanted["scores"]) > 0 and torch.allclose(names["boxes"], wanted["boxes"], atol=0.01)


def test_what_cannot_be_exported_is_told(monkeypatch):
    with pytest.raises(ExportError, match="'oracle', which needs the true boxes"):
        torch_program(random_model(centerness_inference="oracle"))

    def fails(*_, **__):
        raise RuntimeError("not\nthis one")

    monkeypatch.setattr(torch.export, "export", fails)
    with pytest.raises(ExportError, match="torch.export cannot follow 'tiny': RuntimeError: not$"):
        torch_program(random_model())
