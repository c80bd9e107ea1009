"""``fcos-edu bench``: time us against torchvision's FCOS.

Checked against: what it hands to :mod:`fcos_edu.experiments.bench`.
"""

from __future__ import annotations

import argparse

from ..experiments import PARTS
from .options import COUNT, SIDE, Commands, add_command, add_record_options, save_record


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "bench", run, "Time us against torchvision's FCOS, same weights and input.",
        "bench --part assignment --part inference",
    )  # fmt: skip
    parser.add_argument("--part", action="append", choices=PARTS, help="may be given several times (default: all)")
    parser.add_argument("--repeat", type=COUNT, default=5, help="turns of each side; the median counts")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch-size", type=COUNT, help="images of a training step (default: 2, on a GPU 16)")
    parser.add_argument(
        "--size", type=SIDE, nargs=2, metavar=("H", "W"), help="of the images (default on a GPU: 800 1333)"
    )
    parser.add_argument("--precision", choices=["auto", "no", "bf16", "fp16"], help="of both (default on a GPU: auto)")
    parser.add_argument("--compile", action="store_true", help="translate our network and losses with torch.compile")
    add_record_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print and record the times of both sides."""
    size = tuple(arguments.size) if arguments.size else None
    from ..experiments.bench import bench, bench_table

    results = bench(
        arguments.part or PARTS, arguments.repeat, arguments.device,
        batch_size=arguments.batch_size, size=size, precision=arguments.precision, compiled=arguments.compile,
    )  # fmt: skip
    print(bench_table(results))
    save_record(
        arguments, what="Time of ours divided by torchvision's FCOS, same weights and input, medians of turns",
        metrics=results, data="random images and boxes",
    )  # fmt: skip
