"""Scripts of the repository: ``python -m scripts.NAME`` at its top, or ``python scripts/NAME.py`` from anywhere."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("fcos_edu") / "results"  # measured figures, below ROOT; they come with the package
