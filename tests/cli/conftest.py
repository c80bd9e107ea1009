"""What the tests of several commands need."""

import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image

from fcos_edu import FCOS, FCOSConfig, data


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 4})


@pytest.fixture
def checkpoint(tmp_path):
    """A detector with random weights that finds something everywhere."""
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=5, class_names=data.shapes.CLASSES, min_size=128, max_size=192))
    torch.nn.init.constant_(model.head.classification.bias, -1.0)
    model.save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photos" / "hopper.jpg"
    path.parent.mkdir()
    with get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).resize((256, 300)).save(path)
    return path
