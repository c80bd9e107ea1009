"""``fcos-edu export``: a whole detector in one file, ONNX or a program of torch.export, compared with the model.

Taught on the page *Deploying*. Checked against: the files that it leaves, run and compared; nothing is written that
does not detect what the model does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..export import LAYOUTS, TARGETS
from ..text import counted, printable
from .options import (
    COUNT,
    OURS,
    OUT_ASKED,
    SIDE,
    Commands,
    add_command,
    add_record_options,
    add_settings,
    parse_setting,
    place,
    save_record,
)  # fmt: skip

if TYPE_CHECKING:
    from ..export.agreement import Agreement
    from ..model import FCOS

_SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "export", run, "Write a whole detector as one file for other programs, compared with the model.",
        "export shapes --to onnx --out shapes.onnx",
        "The file takes an image of bytes, of any size, and gives boxes in its pixels, scores and labels: resizing\n"
        "and NMS are inside. It is run on ten sizes before it is written; if it does not agree with the model,\n"
        "nothing is written. ONNX runs without torch (pip install onnxruntime); a program of torch.export (.pt2)\n"
        "runs with torch and torchvision, without this package.",
    )  # fmt: skip
    parser.add_argument("checkpoint", type=place, help=f"{OURS}; torchvision:COCO_V1")
    parser.add_argument("--to", choices=TARGETS, help="the kind of file (default: as --out ends, else onnx)")
    parser.add_argument(
        "--out", type=OUT_ASKED, metavar="FILE", told=False, help="default: the detector's name in the current folder"
    )
    parser.add_argument(
        "--layout", choices=LAYOUTS, default="hwc",
        help="of the image: (height, width, 3) as Pillow has it, RGB (hwc, the default), or (3, height, width) (chw)",
    )  # fmt: skip
    add_settings(parser, "a field of inference, such as score_threshold=0.3; may be given several times")
    parser.add_argument("--time", type=COUNT, metavar="N", help="also time it beside the model, N turns each")
    parser.add_argument(
        "--size", type=SIDE, nargs=2, metavar=("H", "W"), default=[480, 640], help="of the image that is timed"
    )
    add_record_options(parser, words="write the times as a result file")


def run(arguments: argparse.Namespace) -> None:
    """Export, compare, write; then time it, if asked to."""
    if arguments.record and not arguments.time:
        raise ValueError("--record writes times: say how many turns to time, such as --time 20")
    from ..detectors import load
    from ..model import FCOS
    from ..ownership import OwnFiles

    arguments.to = _kind(arguments.to, arguments.out)
    target = arguments.out or Path(f"{_name(arguments.checkpoint)}{_SUFFIXES[arguments.to]}")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; --out names the file")
    own = OwnFiles(target.parent)
    own.check(target.name)
    model = load(arguments.checkpoint, "cpu")
    if not isinstance(model, FCOS):
        raise ValueError(f"{arguments.checkpoint} holds a {type(model).__name__}; only FCOS can be exported")
    model.set_inference(**dict(parse_setting(text) for text in arguments.set))
    content, agreement = _export(model, arguments.to, arguments.layout)
    own.write(target.name, content)
    print(f"{printable(target)}: {len(content) / 1e6:.1f} MB. {_told(agreement)}")
    if arguments.time:
        _time(arguments, model, content)


def _kind(to: str | None, out: Path | None) -> str:
    """What is written: as asked for, or as the file's name ends.

    Raises:
        ValueError: the name ends as that of another kind.
    """
    ends = {suffix: kind for kind, suffix in _SUFFIXES.items()}.get(out.suffix.lower()) if out else None
    if to and ends not in (None, to):
        raise ValueError(f"{printable(out)} ends as a file of --to {ends}; with --to {to} it is {_SUFFIXES[to]}")
    return to or ends or "onnx"


def _name(checkpoint: str) -> str:
    """What the file is called if nobody says: as the run's folder or the checkpoint."""
    if checkpoint.startswith("torchvision:"):
        return checkpoint.replace(":", "_").lower()
    path = Path(checkpoint)
    name = path.stem if path.is_file() else path.name
    return path.resolve().parent.name if name == "model" else name or path.resolve().name


def _export(model: FCOS, kind: str, layout: str) -> tuple[bytes, Agreement]:
    if kind == "onnx":
        from ..export.graph import export_onnx

        return export_onnx(model, layout)
    from ..export.program import export_torch

    return export_torch(model, layout)


def _told(agreement: Agreement) -> str:
    return f"It agrees with the model: {agreement.words()}."


def _time(arguments: argparse.Namespace, model: FCOS, content: bytes) -> None:
    """Print, and record if asked to, what an image takes by the file and by the model."""
    from ..export.speed import timed

    what = {"onnx": "ONNX Runtime", "torch": "the program of torch.export"}[arguments.to]
    times: dict[str, Any] = timed(model, content, arguments.to, arguments.layout, tuple(arguments.size), arguments.time)
    print(
        f"an image of {times['input']}, medians of {counted(arguments.time, 'turns')}, "
        f"{counted(times['threads'], 'threads')} each:"
    )
    print(f"  {what} {times['exported_ms']:.1f} ms, the model {times['model_ms']:.1f} ms, ratio {times['ratio']:.2f}")
    save_record(
        arguments, what=f"Time of an image by {what} divided by the model's in torch (FCOS.for_inference)",
        metrics=times, data="one random image",
    )  # fmt: skip
