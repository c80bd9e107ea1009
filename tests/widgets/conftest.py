"""The reader of a page, for each test a new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .reader import Reader


@pytest.fixture
def reader(chromium: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    options = {"viewport": {"width": 1000, "height": 900}, "offline": True} | getattr(request, "param", {})
    context = chromium.new_context(**options)
    context.set_default_timeout(180_000)  # whatever else the machine does
    reader = Reader(context.new_page(), tmp_path)
    yield reader
    context.close()
    assert not reader.errors
