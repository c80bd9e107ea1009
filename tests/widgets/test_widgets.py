"""The package of figures that move as a whole."""

from __future__ import annotations

import subprocess
import sys


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
