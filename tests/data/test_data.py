"""The package's names: each is there, each is imported when it is used, and its list of data sets loads no torch."""

from __future__ import annotations

from types import ModuleType

from fcos_edu import data
from tests.test_lazy import loaded_by, promised


def test_every_name_is_there() -> None:
    for name in data.__all__:
        assert getattr(data, name) is not None
    assert isinstance(data.transforms, ModuleType) and isinstance(data.shapes, ModuleType)
    assert set(data.__all__) <= set(dir(data))


def test_type_checkers_see_the_same_names() -> None:
    assert promised(data) == set(data.__all__)


def test_neither_the_package_nor_its_table_loads_torch() -> None:
    loaded = loaded_by("import fcos_edu.data; fcos_edu.data.NAMES; import fcos_edu.data.sources as s; s.data_root()")
    assert "fcos_edu.data.sources" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "requests", "fcos_edu.data.dataset"}
    assert "torch" in loaded_by("import fcos_edu.data; fcos_edu.data.load")
