"""``fcos-edu train``: train a detector by a recipe and its changes, and measure it.

Taught in the chapter *Training*. Checked against: what a run leaves, and configurations that are printed only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import PACKAGED, FCOSConfig
from ..data._headers import each_header_once
from ..data.sources import NAMES, named
from ..places import expanded
from ..settings import Range
from ..text import counted
from ..training.config import TRACKERS, TrainConfig
from ..training.recipes import FITTED, RECIPES, fitted, recipe_for, start_of
from .options import (
    COUNT,
    OUT_FILE,
    OUT_FOLDER,
    SEED,
    Commands,
    Number,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_format_option,
    add_picture_options,
    add_record_options,
    add_settings,
    apply_format,
    parse_setting,
    picture_options,
    place,
    save_record,
    without_place,
)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "train", run, "Train a detector and measure it, on one GPU, on many, or on a CPU.",
        "train --recipe coco-r50-1x --out runs/coco --resume\n"
        "  fcos-edu train --data my_folder --from torchvision:COCO_V1 --epochs 20\n"
        "  accelerate launch -m fcos_edu.cli train --recipe coco-r50-1x",
    )  # fmt: skip
    parser.add_argument("--recipe", choices=list(RECIPES), metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument(
        "--data", type=place,
        help=f"{', '.join(NAMES)}, or a folder of labelled pictures (default: the recipe's, or shapes)",
    )  # fmt: skip
    add_format_option(parser)
    parser.add_argument(
        "--from", dest="source", type=place, metavar="DETECTOR",
        help=f"fine-tune a checkpoint, {', '.join(PACKAGED)}, or torchvision:COCO_V1; known classes are kept",
    )  # fmt: skip
    parser.add_argument("--out", type=OUT_FOLDER, told=False, help="run folder (default: runs/NAME)")
    parser.add_argument(
        "--resume", action="store_true", told=False,
        help="go on with the run in that folder, if there is one; without --recipe, --data and --from as it was begun",
    )  # fmt: skip
    parser.add_argument(
        "--allow-changes", action="store_true", told=False,
        help="resume although the configuration is not the run's own",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=EPOCHS, help="how often to see all images (default: the recipe's, or what suits their number)"
    )
    parser.add_argument("--iterations", type=COUNT, help="the same in steps of the optimizer")
    parser.add_argument(
        "--measure-every", type=NONE_OR_MORE, metavar="STEPS",
        help="measure so often on the way and keep the best weights; 0: at the end alone (default: ten times at most)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=NONE_OR_MORE, metavar="N", help="end after so many measurements without a better AP"
    )
    parser.add_argument(
        "--track", nargs="+", choices=TRACKERS, default=[], told=False,
        help="write the figures of the log for other programs too (tensorboard needs the extra track)",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=COUNT, help="images of a step, over all GPUs; the learning rate follows")
    parser.add_argument("--seed", type=SEED, help="of weights, order and augmentation")
    parser.add_argument(
        "--keep-empty", action="store_true", help="train on images without a usable box too, as background"
    )
    add_corrupt_option(parser, "take others in their place")
    add_picture_options(parser)
    add_device_option(parser)
    add_settings(
        parser, "any field of TrainConfig, or model.FIELD of FCOSConfig: --set lr=0.005 --set model.box_loss=giou"
    )
    parser.add_argument(
        "--print", action="store_true", told=False, help="show the recipe and everything that would run, and stop"
    )
    add_record_options(parser)
    parser.add_argument(
        "--export", type=OUT_FILE, metavar="FILE", told=False, help="also write the model in half precision here"
    )


EPOCHS = Number(float, Range(0, 1_000_000, open_low=True))
NONE_OR_MORE = Number(int, Range(0, 2**31 - 1))


def run(arguments: argparse.Namespace) -> None:
    """Train by a recipe and its changes, measure, and record."""
    with each_header_once():  # to know how long the run will be, its data are looked at twice
        _run(arguments)


def _run(arguments: argparse.Namespace) -> None:
    config = train_config(arguments)
    if arguments.print:
        if arguments.recipe:
            print(RECIPES[arguments.recipe].describe(), file=sys.stderr)
        rate = f"rate      {config.learning_rate:g} after warm-up, for {counted(config.batch_size, 'images')} a step"
        print(rate, file=sys.stderr)  # beside the JSON, which another program may read
        print(json.dumps(config.to_dict(), indent=1))
        return
    from accelerate import PartialState

    from .. import weights
    from ..training.loop import train

    folder = run_folder(arguments, config)
    outcome = train(
        config, folder, resume=arguments.resume, allow_changes=arguments.allow_changes, device=arguments.device,
        track=arguments.track,
    )  # fmt: skip
    if not PartialState().is_main_process:
        return
    print(f"{counted(outcome['iterations'], 'steps')} in {outcome['seconds']:.0f} s; the run is in {folder}")
    if outcome.get("AP") == 0:
        remedy = "train for longer (--epochs), or look at the boxes first (fcos-edu data show)"
        print(f"AP on {config.test_split} is 0: {remedy}")
    elif "step" in outcome:
        print(f"the best weights, by AP on {config.test_split}, are those of step {outcome['step']}: best.safetensors")
    if arguments.export:
        trained = weights.load(folder)
        weights.save(arguments.export, trained.state, trained.config, half=True, about=trained.about | outcome)
    start = without_place(config.start_from) if config.start_from else f"{config.model.backbone_weights} weights"
    place_of_data = without_place(config.data)
    save_record(
        arguments, what=f"Training on {place_of_data} ({config.split}) from {start}, then AP on {config.test_split}",
        metrics=outcome, data=Path(place_of_data).name, config=config.to_dict(),
    )  # fmt: skip


def run_folder(arguments: argparse.Namespace, config: TrainConfig) -> Path:
    """Where the run is written."""
    data = expanded(named(config.data)[1])
    name = data.resolve().name if data.is_dir() else data.name  # of "..", the folder's own name
    return arguments.out or Path("runs") / (arguments.recipe or name or "data")


def train_config(arguments: argparse.Namespace) -> TrainConfig:
    """The recipe that is asked for, with all changes of the command line; without one, what fits the data."""
    apply_format(arguments)
    begun = None
    if arguments.resume and not (arguments.recipe or arguments.data or arguments.source) and arguments.out:
        begun = before(arguments.out)
    if begun is not None:
        config = TrainConfig.from_dict(begun)  # a run that goes on knows what it is
    elif arguments.recipe:
        config = RECIPES[arguments.recipe].config
    else:
        config = recipe_for(arguments.data or "shapes", gpu=has_gpu(arguments.device))
    changes = changes_of(arguments)
    if arguments.epochs and "iterations" in changes:
        raise ValueError(f"give the length of the run as --epochs {arguments.epochs:g} or in iterations, not as both")
    if arguments.data and config.test_data:
        changes.setdefault("test_data", "")  # other data than the recipe's are measured on themselves
    if arguments.source:
        try:
            config = config.fine_tune(arguments.source, keep_sizes=bool(arguments.recipe))
        except FileNotFoundError:  # a run that goes on does not need it any more
            kept = before(run_folder(arguments, config.replace(**changes))) if arguments.resume else None
            if kept is None or kept.get("start_from") != arguments.source:
                raise
            config = config.replace(start_from=arguments.source, model=FCOSConfig.from_dict(kept["model"]))
    config = config.replace(**changes)
    fits = begun is not None or arguments.recipe or (config.data in RECIPES and start_of(config) == "random")
    if fits and not arguments.epochs:
        return config  # without having asked torch for a GPU
    return lengthened(arguments, config, changes, fits=bool(fits), gpu=has_gpu(arguments.device))


def lengthened(
    arguments: argparse.Namespace, config: TrainConfig, changes: Mapping[str, Any], *, fits: bool, gpu: bool
) -> TrainConfig:
    """The configuration with as many steps as were asked for, or suit the data; counts their images.

    A run that goes on keeps its own: whether the data are still the same is asked later, and told better.

    Args:
        arguments: of the command line.
        config: with all that they ask for.
        changes: which of its fields they name.
        fits: all but the number of steps is as a recipe, or a run that goes on, has it.
        gpu: whether one computes.
    """
    kept = before(run_folder(arguments, config)) if arguments.resume and not arguments.epochs else None
    if kept is not None:
        own = TrainConfig.from_dict(kept)
        found = {"model.class_names": own.model.class_names, "model.num_classes": own.model.num_classes}
        return config.replace(**found, **{name: getattr(own, name) for name in FITTED if name not in changes})
    from ..training.loading import look

    try:
        seen = look(config)
    except FileNotFoundError:
        if arguments.epochs or not set(config.data.split("+")) <= set(NAMES):
            raise
        return fitted(config, None, gpu=gpu, keep=changes)  # not fetched yet: training says so
    if fits:
        longer = config.for_epochs(arguments.epochs, seen.images)
        config = longer.replace(**{name: value for name, value in changes.items() if name == "warmup_iterations"})
    else:
        tested = 0 if config.test_split == "test" else seen.tested  # which must choose nothing
        config = fitted(config, seen.images, tested=tested, epochs=arguments.epochs, gpu=gpu, keep=changes)
    if arguments.print:
        print(f"length    {config.length(seen.images)}", file=sys.stderr)
    return config.replace(**{"model.class_names": seen.classes, "model.num_classes": len(seen.classes)})


def changes_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of the configuration that the command line names."""
    changes = dict(parse_setting(text) for text in arguments.set)
    for name in ("data", "iterations", "batch_size", "seed", "measure_every", "patience"):
        if getattr(arguments, name) is not None:
            changes[name] = getattr(arguments, name)
    changes |= picture_options(arguments) | ({"keep_empty": True} if arguments.keep_empty else {})
    if arguments.on_corrupt != "error":
        changes["on_corrupt"] = arguments.on_corrupt
    return changes


def before(folder: Path) -> dict[str, Any] | None:
    """The configuration of the run in a folder, if there is one."""
    from ..training.runs import Run

    return Run(folder).read_config()


def has_gpu(device: str | None = None) -> bool:
    """Whether a GPU will compute: torch can use one, and no other device was asked for."""
    import torch

    return device in (None, "cuda") and torch.cuda.is_available()
