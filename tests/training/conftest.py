"""Settings of the trainer's tests."""

import pytest

from fcos_edu import data


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Sixteen images are enough for a handful of steps."""
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 16, "val": 4, "test": 4})
