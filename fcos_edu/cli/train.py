"""``fcos-edu train``: train a detector by a recipe and its changes, and measure it.

Taught in the chapter *Training*. Checked against: what a run leaves, and configurations that are printed only.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..config import PACKAGED, FCOSConfig
from ..data.sources import NAMES
from ..training.config import TrainConfig
from ..training.recipes import RECIPES, recipe_for
from .options import (
    COUNT,
    SEED,
    Commands,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_picture_options,
    add_record_options,
    add_settings,
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
        "  fcos-edu train --data my_folder --from torchvision:COCO_V1 --set iterations=2000\n"
        "  accelerate launch -m fcos_edu.cli train --recipe coco-r50-1x",
    )  # fmt: skip
    parser.add_argument("--recipe", choices=list(RECIPES), metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument(
        "--data",
        type=place,
        help=f"{', '.join(NAMES)}, or a folder in COCO's or VOC's layout (default: the recipe's, or shapes)",
    )
    parser.add_argument(
        "--from", dest="source", type=place, metavar="DETECTOR",
        help=f"fine-tune a checkpoint, {', '.join(PACKAGED)}, or torchvision:COCO_V1; known classes are kept",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, told=False, help="run folder (default: runs/NAME)")
    parser.add_argument(
        "--resume",
        action="store_true",
        told=False,
        help="go on with the run in that folder, if there is one; without --recipe, --data and --from as it was begun",
    )
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        told=False,
        help="resume although the configuration is not the run's own",
    )
    parser.add_argument("--iterations", type=COUNT, help="optimizer steps")
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
        "--export", type=Path, metavar="FILE", told=False, help="also write the model in half precision here"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train by a recipe and its changes, measure, and record."""
    config = train_config(arguments)
    if arguments.print:
        if arguments.recipe:
            print(RECIPES[arguments.recipe].describe(), file=sys.stderr)
        rate = f"rate      {config.learning_rate:g} after warm-up, for {config.batch_size} images a step"
        print(rate, file=sys.stderr)  # beside the JSON, which another program may read
        print(json.dumps(config.to_dict(), indent=1))
        return
    from accelerate import PartialState

    from .. import weights
    from ..training.loop import train

    folder = run_folder(arguments, config)
    outcome = train(
        config, folder, resume=arguments.resume, allow_changes=arguments.allow_changes, device=arguments.device
    )
    if not PartialState().is_main_process:
        return
    print(f"{config.iterations} steps in {outcome['seconds']:.0f} s; the run is in {folder}")
    if arguments.export:
        trained = weights.load(folder / "model.safetensors")
        weights.save(arguments.export, trained.state, trained.config, half=True, about=trained.about | outcome)
    start = without_place(config.start_from) if config.start_from else f"{config.model.backbone_weights} weights"
    place_of_data = without_place(config.data)
    save_record(
        arguments, what=f"Training on {place_of_data} ({config.split}) from {start}, then AP on {config.test_split}",
        metrics=outcome, data=Path(place_of_data).name, config=config.to_dict(),
    )  # fmt: skip


def run_folder(arguments: argparse.Namespace, config: TrainConfig) -> Path:
    """Where the run is written."""
    data = Path(config.data).expanduser()
    name = data.resolve().name if data.is_dir() else data.name  # of "..", the folder's own name
    return arguments.out or Path("runs") / (arguments.recipe or name or "data")


def train_config(arguments: argparse.Namespace) -> TrainConfig:
    """The recipe that is asked for, with all changes of the command line."""
    own = None
    if arguments.resume and arguments.out and not (arguments.recipe or arguments.data or arguments.source):
        from ..training.runs import Run

        own = Run(arguments.out).read_config()
    if own is not None:
        config = TrainConfig.from_dict(own)  # a run that goes on knows what it is
    elif arguments.recipe:
        config = RECIPES[arguments.recipe].config
    else:
        config = recipe_for(arguments.data or "shapes", gpu=has_gpu())
    changes = dict(parse_setting(text) for text in arguments.set)
    for name in ("data", "iterations", "batch_size", "seed"):
        if getattr(arguments, name) is not None:
            changes[name] = getattr(arguments, name)
    changes |= picture_options(arguments) | ({"keep_empty": True} if arguments.keep_empty else {})
    if arguments.on_corrupt != "error":
        changes["on_corrupt"] = arguments.on_corrupt
    if arguments.data and config.test_data:
        changes.setdefault("test_data", "")  # other data than the recipe's are measured on themselves
    if arguments.source:
        try:
            config = config.fine_tune(arguments.source, keep_sizes=bool(arguments.recipe))
        except FileNotFoundError:  # a run that goes on does not need it any more
            kept = run_folder(arguments, config.replace(**changes)) / "config.json"
            before = json.loads(kept.read_text("utf-8")) if arguments.resume and kept.exists() else {}
            if before.get("start_from") != arguments.source:
                raise
            config = config.replace(start_from=arguments.source, model=FCOSConfig.from_dict(before["model"]))
    return config.replace(**changes)


def has_gpu() -> bool:
    """Whether torch can use one."""
    import torch

    return torch.cuda.is_available()
