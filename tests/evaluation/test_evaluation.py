"""The package's names: each is there, and none is a module's too."""

from __future__ import annotations

from types import ModuleType

from fcos_edu import evaluation
from tests.test_lazy import loaded_by, promised


def test_every_name_is_there() -> None:
    for name in evaluation.__all__:
        assert getattr(evaluation, name) is not None
    assert promised(evaluation) == set(evaluation.__all__) <= set(dir(evaluation))


def test_a_module_and_a_function_of_one_name_are_told_apart() -> None:
    from fcos_edu.evaluation.ambiguity import ambiguity

    assert isinstance(evaluation.ambiguity, ModuleType) and evaluation.ambiguity.ambiguity is ambiguity


def test_the_package_loads_no_torch() -> None:
    assert not loaded_by("import fcos_edu.evaluation") & {"torch", "numpy", "pycocotools"}
