"""The command ``fcos-edu``: train, recipes, evaluate, detect, tables, study, data, bench.

Taught in the chapter *Training*. Exit codes: 0 done, 1 an error that one sentence explains, 2 a wrong call, 75 asked to
stop by the system with everything saved (run it again with ``--resume``), 130 interrupted.
"""

from __future__ import annotations

import argparse
import ast
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from PIL import Image
from tqdm import tqdm

from .. import data, weights
from ..atomic import atomic_write
from ..config import FCOSConfig
from ..detectors import load, load_for
from ..drawing import draw_detections
from ..evaluation import coco_metrics, evaluate, metrics_table, read_detections
from ..experiments.bench import PARTS, bench, bench_table
from ..experiments.studies import STUDIES, VARIANTS, run_study, study_table
from ..records import record
from ..training.config import TrainConfig
from ..training.loop import OutOfMemoryError, train
from ..training.recipes import RECIPES, recipe_for
from ..training.runs import Run
from ..training.signals import PREEMPTED, PreemptedError
from ..training.watch import NonFiniteLossError
from . import tables

# What a user can cause, and what its message explains; anything else is our mistake and shows its traceback.
EXPECTED = (
    ValueError,
    TypeError,
    OSError,
    NonFiniteLossError,
    OutOfMemoryError,
    data.CorruptImageError,
    data.DownloadError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except PreemptedError:  # has been told
        return PREEMPTED
    except EXPECTED as error:
        if arguments.debug:
            raise
        print(f"fcos-edu: error: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line, with an example for each command."""
    parser = argparse.ArgumentParser(
        prog="fcos-edu", description="The FCOS object detector, and the analysis of its paper."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=summary, epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        sub.set_defaults(run=run)
        return sub

    sub = command(
        "train", run_train, "Train a detector and measure it, on one GPU, on many, or on a CPU.",
        "fcos-edu train --recipe coco-r50-1x --out runs/coco --resume\n"
        "  fcos-edu train --data my_folder --from torchvision:COCO_V1 --set iterations=2000\n"
        "  accelerate launch -m fcos_edu.cli train --recipe coco-r50-1x",
    )  # fmt: skip
    sub.add_argument("--recipe", choices=list(RECIPES), metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    sub.add_argument(
        "--data",
        help="shapes (default), bccd, voc2007, voc2012, coco2017, or a folder in COCO's or VOC's layout",
    )
    sub.add_argument(
        "--from", dest="source", metavar="DETECTOR",
        help="fine-tune a checkpoint, shapes, bccd, or torchvision:COCO_V1; known classes are kept",
    )  # fmt: skip
    sub.add_argument("--out", type=Path, help="run folder (default: runs/NAME)")
    sub.add_argument("--resume", action="store_true", help="go on with the run in that folder, if there is one")
    sub.add_argument(
        "--allow-changes", action="store_true", help="resume although the configuration is not the run's own"
    )
    sub.add_argument("--iterations", type=int, help="optimizer steps")
    sub.add_argument("--batch-size", type=int, help="images of each step, over all GPUs; the learning rate follows")
    sub.add_argument("--seed", type=int, help="of weights, order and augmentation")
    sub.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE",
        help="any field of TrainConfig, or model.FIELD of FCOSConfig: --set lr=0.005 --set model.box_loss=giou",
    )  # fmt: skip
    sub.add_argument("--print", action="store_true", help="show the recipe and everything that would run, and stop")
    sub.add_argument("--record", type=Path, metavar="JSON", help="write the figures as a result file")
    sub.add_argument("--export", type=Path, metavar="FILE", help="also write the model in half precision here")

    sub = command(
        "recipes", run_recipes, "What train --recipe knows: expected figures with their source, cost and memory.",
        "fcos-edu recipes coco-r50-1x",
    )  # fmt: skip
    sub.add_argument("names", nargs="*", metavar="NAME", help="some of them (default: all)")

    sub = command(
        "evaluate", run_evaluate, "COCO AP of a detector on a data set.",
        "fcos-edu evaluate shapes --data shapes --split test",
    )  # fmt: skip
    sub.add_argument("checkpoint", help="a checkpoint file, or shapes or bccd for the ones that come with the package")
    sub.add_argument("--data", default="shapes", help="as for train")
    sub.add_argument("--split", default="test", help="train, val or test")
    sub.add_argument("--batch-size", type=int, default=4)
    sub.add_argument(
        "--on-corrupt", choices=["error", "skip"], default="error", help="what to do with unreadable images"
    )
    sub.add_argument(
        "--detections", type=Path, metavar="JSON", help="score these detections (COCO results) instead of detecting"
    )
    sub.add_argument("--out", type=Path, metavar="JSON", help="write the twelve numbers here")

    sub = command(
        "detect", run_detect, "Draw detections on images, and write them as COCO-format JSON.",
        "fcos-edu detect bccd photographs/ cell.jpg --out detections",
    )  # fmt: skip
    sub.add_argument("checkpoint", help="as for evaluate; torchvision:COCO_V1 for torchvision's published weights")
    sub.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    sub.add_argument("--out", type=Path, default=Path("detections"), help="folder for pictures and detections.json")
    sub.add_argument("--threshold", type=float, default=0.3, help="lowest score to draw; the JSON has all")
    sub.add_argument(
        "--on-corrupt", choices=["error", "skip"], default="error", help="what to do with unreadable images"
    )

    tables.add_commands(commands)

    sub = command(
        "study", run_study_command, "Train and compare over several seeds: Tables 4, 6 and 7, and torchvision's FCOS.",
        "fcos-edu study retinanet --data bccd --iterations 800 --out runs/study",
    )  # fmt: skip
    sub.add_argument("name", choices=list(STUDIES), help="; ".join(f"{k}: {v.what}" for k, v in STUDIES.items()))
    sub.add_argument("--data", default="shapes", help="as for train")
    sub.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="a run of each variant for each")
    sub.add_argument("--iterations", type=int, help="optimizer steps of every run (default: the recipe's)")
    sub.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="as for train, for every run")
    sub.add_argument(
        "--out", type=Path, help="folder of the runs; finished ones in it are not trained again (default: runs/DATA)"
    )
    sub.add_argument("--print", action="store_true", help="show every configuration and stop")
    sub.add_argument("--record", type=Path, metavar="JSON", help="write mean and spread as a result file")
    sub.add_argument("--note", help="a remark to keep in the result file")

    sub = command(
        "data", run_data, "What there is, what it holds, download, export.", "fcos-edu data info bccd --split train"
    )
    sub.add_argument("action", choices=["list", "info", "download", "export"])
    sub.add_argument("name", nargs="?", help="a data set's name or folder")
    sub.add_argument("--split", default="train")
    sub.add_argument("--out", type=Path, help="export: folder for COCO-format shapes")
    sub.add_argument("--images", type=int, default=100, help="export: how many")

    sub = command(
        "bench", run_bench, "Time us against torchvision's FCOS, same weights and input.",
        "fcos-edu bench --part assignment --part inference",
    )  # fmt: skip
    sub.add_argument("--part", action="append", choices=PARTS, help="may be given several times (default: all)")
    sub.add_argument("--repeat", type=int, default=5, help="turns of each side; the median counts")
    sub.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    sub.add_argument("--batch-size", type=int, help="images of a training step (default: 2, on a GPU 16)")
    sub.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="of the images (default on a GPU: 800 1333)")
    sub.add_argument("--precision", choices=["auto", "no", "bf16", "fp16"], help="of both (default on a GPU: auto)")
    sub.add_argument("--compile", action="store_true", help="translate our network and losses with torch.compile")
    sub.add_argument("--record", type=Path, metavar="JSON", help="write the figures as a result file")
    return parser


# ---------------------------------------------------------------------- commands
def run_train(arguments: argparse.Namespace) -> None:
    """Train by a recipe and its changes, measure, and record."""
    config = train_config(arguments)
    if arguments.print:
        if arguments.recipe:
            print(RECIPES[arguments.recipe].describe(), file=sys.stderr)
        rate = f"rate      {config.learning_rate:g} after warm-up, for {config.batch_size} images a step"
        print(rate, file=sys.stderr)  # beside the JSON, which another program may read
        print(json.dumps(config.to_dict(), indent=1))
        return
    folder = run_folder(arguments, config)
    outcome = train(config, folder, resume=arguments.resume, allow_changes=arguments.allow_changes)
    if not PartialState().is_main_process:
        return
    print(f"{config.iterations} steps in {outcome['seconds']:.0f} s; the run is in {folder}")
    if arguments.export:
        trained = weights.load(folder / "model.safetensors")
        weights.save(arguments.export, trained.state, trained.config, half=True, about=trained.about | outcome)
    if arguments.record:
        start = config.start_from or f"{config.model.backbone_weights} weights"
        what = f"Training on {config.data} ({config.split}) from {start}, then AP on {config.test_split}"
        record(
            arguments.record, what=what, command=train_command(arguments), metrics=outcome,
            data=Path(config.data).name, config=config.to_dict(),
        )  # fmt: skip


def run_folder(arguments: argparse.Namespace, config: TrainConfig) -> Path:
    """Where the run is written."""
    return arguments.out or Path("runs") / (arguments.recipe or Path(config.data).name)


def train_config(arguments: argparse.Namespace) -> TrainConfig:
    """The recipe that is asked for, with all changes of the command line."""
    gpu = torch.cuda.is_available()
    config = RECIPES[arguments.recipe].config if arguments.recipe else recipe_for(arguments.data or "shapes", gpu=gpu)
    changes = dict(parse_setting(text) for text in arguments.set)
    for name in ("data", "iterations", "batch_size", "seed"):
        if getattr(arguments, name) is not None:
            changes[name] = getattr(arguments, name)
    if arguments.data and config.test_data:
        changes.setdefault("test_data", "")  # other data than the recipe's are measured on themselves
    if arguments.source:
        try:
            config = config.fine_tune(arguments.source, keep_sizes=bool(arguments.recipe))
        except FileNotFoundError:  # a run that goes on does not need it any more
            kept = Run(run_folder(arguments, config.replace(**changes))).config
            before = json.loads(kept.read_text("utf-8")) if arguments.resume and kept.exists() else {}
            if before.get("start_from") != arguments.source:
                raise
            config = config.replace(start_from=arguments.source, model=FCOSConfig.from_dict(before["model"]))
    return config.replace(**changes)


def train_command(arguments: argparse.Namespace) -> str:
    """The command to type for the same run; of folders the name alone."""
    words = ["fcos-edu", "train"]
    for name, value in (("--recipe", arguments.recipe), ("--data", arguments.data), ("--from", arguments.source)):
        if value is not None:
            words += [name, value if value.startswith("torchvision:") else Path(value).name]
    for text in arguments.set:
        words += ["--set", text]
    for name in ("iterations", "batch_size", "seed"):
        if getattr(arguments, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    return shlex.join(words)


def run_recipes(arguments: argparse.Namespace) -> None:
    """Print the recipes."""
    for name in arguments.names or RECIPES:
        if name not in RECIPES:
            raise ValueError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
        print(f"{name}: {RECIPES[name].describe()}\n")


def run_study_command(arguments: argparse.Namespace) -> None:
    """Train what is missing, measure, print mean and spread, and record."""
    study = STUDIES[arguments.name]
    recipe = recipe_for(arguments.data, gpu=torch.cuda.is_available())
    recipe = recipe.replace(**{**study.base, **dict(parse_setting(text) for text in arguments.set)})
    if arguments.iterations is not None:
        recipe = recipe.replace(iterations=arguments.iterations)
    if arguments.print:
        print(json.dumps({v: recipe.replace(**VARIANTS[v]).to_dict() for v in study.variants.values()}, indent=1))
        return
    folder = arguments.out or Path("runs") / Path(arguments.data).name
    outcome = run_study(arguments.name, recipe, folder, seeds=arguments.seeds)
    print(study_table(outcome))
    if arguments.record:
        command = f"fcos-edu study {arguments.name} --data {shlex.quote(arguments.data)}"
        command += f" --seeds {' '.join(map(str, arguments.seeds))} --iterations {recipe.iterations}"
        command += "".join(f" --set {shlex.quote(text)}" for text in arguments.set)
        more = {"note": arguments.note} if arguments.note else {}
        record(
            arguments.record, what=f"{study.what}; {recipe.data}, {recipe.test_split}, {len(arguments.seeds)} seeds",
            command=command, metrics=outcome, data=recipe.data, paper=study.paper, config=recipe.to_dict(), **more,
        )  # fmt: skip


def parse_setting(text: str) -> tuple[str, Any]:
    """``field=value`` with a Python literal or a plain word as value; true and false in small letters too."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text}: it must be FIELD=VALUE, such as lr=0.005")
    try:
        return name, ast.literal_eval({"true": "True", "false": "False"}.get(value, value))
    except (ValueError, SyntaxError):
        return name, value


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Print COCO's twelve numbers of a detector, or of a file of detections."""
    transforms = data.transforms.eval_transforms()
    dataset = data.load(arguments.data, arguments.split, transforms=transforms, on_corrupt=arguments.on_corrupt)
    if arguments.detections:
        truth = dataset.ground_truth()
        metrics = coco_metrics(truth, read_detections(arguments.detections, truth))
    else:
        metrics = evaluate(load_for(arguments.checkpoint, dataset), dataset, batch_size=arguments.batch_size)
    print(metrics_table(metrics))
    if arguments.out:
        atomic_write(arguments.out, lambda path: path.write_text(json.dumps(metrics, indent=1) + "\n"))


def run_detect(arguments: argparse.Namespace) -> None:
    """Detect on files and folders: pictures and one COCO-format JSON."""
    model = load(arguments.checkpoint)
    device = next(model.parameters()).device
    config: FCOSConfig = model.config  # type: ignore[assignment]
    names = config.class_names
    files = list_images(arguments.images)
    arguments.out.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    skipped = 0
    taken = {file.resolve() for file in files}  # neither an input nor another result is ever written over
    # torchvision's classes are numbered as COCO's categories, with the background as 0; ours start at 1.
    first_id = 0 if names[:1] == ("__background__",) else 1
    for number, file in enumerate(tqdm(files, desc="detect", unit="image"), start=1):
        try:
            image = data.read_image(file)
        except data.CorruptImageError as error:
            if arguments.on_corrupt == "error":
                raise
            print(f"skipped: {error}", file=sys.stderr)
            skipped += 1
            continue
        pixels = image.as_subclass(torch.Tensor)
        with torch.inference_mode():
            found = model([pixels.float().to(device) / 255])[0]
        images.append({"id": number, "file_name": str(file), "height": image.shape[-2], "width": image.shape[-1]})
        for box, score, label in zip(
            found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist(), strict=True
        ):
            x0, y0, x1, y1 = box
            width, height = x1 - x0, y1 - y0
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": label + first_id, "iscrowd": 0,
                 "bbox": [round(v, 2) for v in (x0, y0, width, height)], "area": round(width * height, 2),
                 "score": round(score, 4)}
            )  # fmt: skip
        shown = found["scores"] >= arguments.threshold
        target = arguments.out / f"{file.stem}.png"
        while target.resolve() in taken:
            target = target.with_name(f"{target.stem}-{number}.png")
        taken.add(target.resolve())
        drawn = draw_detections(pixels, {k: v[shown] for k, v in found.items()}, names)
        Image.fromarray(drawn.permute(1, 2, 0).numpy()).save(target)
    categories = [
        {"id": k + first_id, "name": names[k] if names else str(k)} for k in range(1 - first_id, config.num_classes)
    ]
    document = {"images": images, "annotations": annotations, "categories": categories}
    atomic_write(arguments.out / "detections.json", lambda path: path.write_text(json.dumps(document) + "\n"))
    above = sum(a["score"] >= arguments.threshold for a in annotations)
    left_out = f", {skipped} unreadable images skipped" if skipped else ""
    print(f"{above} detections on {len(images)} images{left_out}: {arguments.out}")


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Image files as given, and those of the given folders, sorted.

    Raises:
        FileNotFoundError: a path that does not exist, or a folder without images.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in data.dataset.IMAGE_SUFFIXES)
            if not inside:
                raise FileNotFoundError(f"{path} has no images ({', '.join(data.dataset.IMAGE_SUFFIXES)})")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"there is no image or folder {path}")
    return files


def run_data(arguments: argparse.Namespace) -> None:
    """List, describe, download or export data."""
    if arguments.action == "list":
        print(f"data folder: {data.data_root()} (set FCOS_EDU_DATA to change it)")
        for name in data.NAMES:
            print(f"  {name}")
        return
    if arguments.name is None:
        raise ValueError(f"data {arguments.action} needs a name: one of {', '.join(data.NAMES)}, or a folder")
    if arguments.action == "download":
        print(data.fetch(arguments.name, arguments.split))
    elif arguments.action == "info":
        print(data.summary(data.load(arguments.name, arguments.split)))
    else:
        if arguments.name != "shapes":
            raise ValueError(f"only shapes can be exported, not {arguments.name!r}")
        folder = arguments.out or Path("shapes")
        data.ShapesDataset(num_images=arguments.images, split=arguments.split).export_coco(folder)
        print(folder)


def run_bench(arguments: argparse.Namespace) -> None:
    """Print and record the times of both sides."""
    for name, value in (("--repeat", arguments.repeat), ("--batch-size", arguments.batch_size)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    size = tuple(arguments.size) if arguments.size else None
    if size and min(size) < 32:
        raise ValueError(f"--size is {size[0]} {size[1]}; both must be at least 32 pixels")
    results = bench(
        arguments.part or PARTS, arguments.repeat, arguments.device,
        batch_size=arguments.batch_size, size=size, precision=arguments.precision, compiled=arguments.compile,
    )  # fmt: skip
    print(bench_table(results))
    if arguments.record:
        words = [f"--part {part}" for part in arguments.part or ()]
        words += [f"--repeat {arguments.repeat}", f"--device {arguments.device}"]
        words += [f"--batch-size {arguments.batch_size}"] if arguments.batch_size else []
        words += [f"--size {size[0]} {size[1]}"] if size else []
        words += [f"--precision {arguments.precision}"] if arguments.precision else []
        words += ["--compile"] if arguments.compile else []
        record(
            arguments.record,
            what="Time of ours divided by torchvision's FCOS, same weights and input, medians of turns",
            command=" ".join(["fcos-edu bench", *words]), metrics=results, data="random images and boxes",
        )  # fmt: skip
