"""The package of figures that move as a whole."""

from __future__ import annotations

import subprocess
import sys

from fcos_edu import widgets
from tests.test_lazy import loaded_by, promised


def test_every_name_is_there_and_type_checkers_see_the_same() -> None:
    assert all(getattr(widgets, name) is not None for name in widgets.__all__)
    assert promised(widgets) == set(widgets.__all__) <= set(dir(widgets))


def test_it_loads_nothing_before_it_is_used_and_frames_need_no_torch() -> None:
    assert not {"torch", "matplotlib", "numpy"} & loaded_by("from fcos_edu import widgets")
    assert "torch" not in loaded_by("from fcos_edu import widgets; widgets.stack")


def test_it_needs_neither_ipywidgets_nor_ipython() -> None:
    """Colab has ipywidgets 7, Kaggle 8, a script none; a module that is None cannot be imported."""
    code = """
import sys
for name in ("ipywidgets", "IPython", "jupyterquiz"):
    sys.modules[name] = None
from matplotlib.figure import Figure
from fcos_edu import widgets
piece = widgets.stack(lambda k: Figure(figsize=(1, 1)), 2)
assert "<script>" in piece._repr_html_()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("ipywidgets", "IPython") and sys.modules[name]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
