"""The face of the package: what can be imported from it, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import fcos_edu
from fcos_edu import config, detections, detectors
from fcos_edu.data import loading
from fcos_edu.evaluation import coco_ap
from fcos_edu.training import loop, recipes
from tests.test_lazy import promised

SLOW = ("torch", "torchvision", "numpy", "matplotlib", "PIL", "accelerate", "safetensors", "pycocotools", "requests")


def test_every_name_is_what_its_module_has() -> None:
    from fcos_edu import (
        FCOS,
        RECIPES,
        ConfigError,
        Detections,
        FCOSConfig,
        TrainConfig,
        __version__,
        detect,
        evaluate,
        load_dataset,
        load_detector,
        train,
    )

    assert (FCOS.__module__, TrainConfig.__module__) == ("fcos_edu.model", "fcos_edu.training.config")
    assert (FCOSConfig, ConfigError) == (config.FCOSConfig, config.ConfigError)
    assert (RECIPES, train, evaluate) == (recipes.RECIPES, loop.train, coco_ap.evaluate)
    assert (Detections, detect) == (detections.Detections, detections.detect)
    assert (load_dataset, load_detector) == (loading.load, detectors.load)
    assert __version__ == version("fcos-edu")


def test_all_names_are_told_and_no_module_has_one_of_them() -> None:
    assert promised(fcos_edu) == set(fcos_edu.__all__) <= set(dir(fcos_edu))
    # A module of that name would take the place of the function as soon as anybody imported it.
    modules = {path.stem for path in Path(fcos_edu.__path__[0]).iterdir()}
    assert {"config", "data"} <= modules and not modules & set(fcos_edu.__all__)


def test_importing_the_package_loads_nothing_slow() -> None:
    program = "import sys, fcos_edu; dir(fcos_edu); fcos_edu.FCOSConfig, fcos_edu.TrainConfig, fcos_edu.RECIPES\n"
    program += f"print([name for name in {SLOW} if name in sys.modules], 'fcos_edu.config' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
    done = subprocess.run(
        [sys.executable, "-c", "import sys, fcos_edu; print([n for n in sys.modules if n.startswith('fcos_edu.')])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "['fcos_edu._lazy']\n"
