"""``fcos-edu data``: what data sets there are, what they hold; look at them, check them, divide, convert, download.

Taught in the chapter *Your own boxes*. Checked against: the table of data sets, folders of every format, and exported
shapes read again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..settings import Range
from .options import (
    COUNT,
    OUT_ASKED,
    OUT_FILE,
    OUT_FOLDER,
    SEED,
    SIDE,
    Commands,
    Number,
    Parser,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_format_option,
    add_picture_options,
    apply_format,
    picture_options,
    place,
)


def add(commands: Commands) -> None:
    """Add the command with one sub-command for each action."""
    summary = "What data there is; look at it, check, divide, convert, download, export."
    actions = commands.add_parser("data", help=summary, description=summary).add_subparsers(
        required=True, metavar="ACTION"
    )
    add_command(actions, "list", run_list, "The data sets that are known by name.", "data list")
    _add_info(actions)
    _add_show(actions)
    _add_check(actions)
    _add_split(actions)
    _add_convert(actions)
    parser = add_command(actions, "download", run_download, "Fetch a data set, and verify it.", "data download bccd")
    parser.add_argument("name", type=place, help="a data set's name")
    parser.add_argument("--split", default="train")
    parser = add_command(
        actions, "export", run_export, "Draw shapes into a folder in COCO's format.",
        "data export shapes --split val --images 8 --out my_folder",
    )  # fmt: skip
    parser.add_argument("name", type=place, help="shapes or shapes-hard, the data sets that are drawn")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", type=OUT_FOLDER, told=False, help="the folder (default: the name)")
    parser.add_argument("--images", type=COUNT, default=100, help="how many")


def _add_source(parser: Parser, *, split: str) -> None:
    parser.add_argument("name", type=place, help="a folder of labelled pictures, or a data set's name")
    parser.add_argument("--split", metavar="NAME", help=split)
    add_format_option(parser)


def run_list(arguments: argparse.Namespace) -> None:
    """Name the data sets, and the folder that they lie in."""
    from .. import data

    print(f"data folder: {data.data_root()} (set FCOS_EDU_DATA to change it)")
    for name in data.NAMES:
        print(f"  {name}")


# ---------------------------------------------------------------------- what it holds
def _add_info(actions: Commands) -> None:
    parser = add_command(
        actions, "info", run_info, "Count images, classes and boxes of a split.", "data info bccd --split train"
    )
    _add_source(parser, split="train, val or test (default: train)")
    parser.add_argument(
        "--keep-empty", action="store_true", help="count images without a usable box too, which training leaves out"
    )
    add_corrupt_option(parser)
    add_picture_options(parser)


def run_info(arguments: argparse.Namespace) -> None:
    """Describe a split."""
    from .. import data

    apply_format(arguments, "name")
    keep = True if arguments.keep_empty else None  # otherwise as the split has it
    print(data.summary(data.load(arguments.name, arguments.split or "train", keep_empty=keep, **_reading(arguments))))


def _reading(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"on_corrupt": arguments.on_corrupt, **picture_options(arguments)}


# ---------------------------------------------------------------------- show and check
def _add_show(actions: Commands) -> None:
    parser = add_command(
        actions, "show", run_show, "Draw the boxes on the pictures, the odd ones first, on one page.",
        "data show my_folder --out boxes.html",
        "Of each split: suspicious boxes, the most crowded pictures, the smallest, largest and most overlapping\n"
        "boxes, and some drawn by lot. The page is one file; as .png it is one picture.",
    )  # fmt: skip
    _add_source(parser, split="this split alone (default: all)")
    parser.add_argument("--out", type=OUT_ASKED, required=True, metavar="FILE", help="the .html or .png")
    parser.add_argument("--most", type=COUNT, default=12, metavar="N", help="pictures of each section (default: 12)")
    parser.add_argument("--seed", type=SEED, default=0, help="of those that are drawn by lot (default: 0)")
    add_corrupt_option(parser)
    add_picture_options(parser)


def run_show(arguments: argparse.Namespace) -> None:
    """Write the page, or the picture, and say where it is."""
    from .. import data
    from ..atomic import atomic_write
    from ..evaluation.data_checks import parts_of
    from ..gallery import data_grid, data_page

    apply_format(arguments, "name")
    suffix = arguments.out.suffix.lower()
    if suffix not in (".html", ".png"):
        raise ValueError(f"--out is {arguments.out}; its name must end in .html or .png")
    if arguments.out.exists():
        raise FileExistsError(f"{arguments.out} is there, and nothing is overwritten: give another name, or remove it")
    parts = {
        split: data.load(arguments.name, split or "train", keep_empty=True, **_reading(arguments))
        for split in parts_of(arguments.name, arguments.split)
    }
    if suffix == ".html":
        page = data_page(parts, str(arguments.name), most=arguments.most, seed=arguments.seed)
        atomic_write(arguments.out, lambda temporary: temporary.write_text(page, "utf-8", errors="replace"))
    else:
        grid = data_grid(parts, most=min(arguments.most, 12), seed=arguments.seed)
        atomic_write(arguments.out, lambda temporary: grid.save(temporary, "PNG"))
    print(arguments.out)


def _add_check(actions: Commands) -> None:
    parser = add_command(
        actions, "check", run_check, "Look for what is wrong with the labels, and say what to change.",
        "data check my_folder",
        "Counts by split and class; boxes over the border, without extent or drawn twice; equal pictures within\n"
        "splits and between them; boxes that no location can learn (Table 1), locations that several boxes claim\n"
        "(Table 2), at the size that training without a recipe would take.",
    )  # fmt: skip
    _add_source(parser, split="this split alone (default: all)")
    parser.add_argument("--min-size", type=SIDE, metavar="PIXELS", help="short side of the resized image")
    parser.add_argument("--max-size", type=SIDE, metavar="PIXELS", help="limit of its long side")
    parser.add_argument("--json", type=OUT_FILE, told=False, metavar="FILE", help="write everything here too")
    add_corrupt_option(parser)
    add_picture_options(parser)
    add_device_option(parser)


def run_check(arguments: argparse.Namespace) -> None:
    """Print what was found, and what to change."""
    from ..atomic import write_json
    from ..evaluation.data_checks import check_data
    from ..training.recipes import recipe_for
    from .train import has_gpu

    apply_format(arguments, "name")
    config = recipe_for(arguments.name, gpu=has_gpu(arguments.device)).model
    low = arguments.min_size or config.min_size
    high = arguments.max_size or max(config.max_size * low // config.min_size, low)
    config = config.replace(min_size=low, max_size=high)
    report = check_data(arguments.name, config, split=arguments.split, **_reading(arguments))
    if arguments.json:
        write_json(arguments.json, report.values())
    print(report)


# ---------------------------------------------------------------------- split
def _add_split(actions: Commands) -> None:
    parser = add_command(
        actions, "split", run_split, "Divide a folder into train, val and test by lists; moves nothing.",
        "data split my_folder --shares 0.8 0.1 0.1 --group '(.*)_frame'",
        "Each class is shared out in the same proportions, as far as that goes. Pictures of the same content, and\n"
        "those of one group, such as the frames of a film, stay together: else a test asks for what was trained on.\n"
        "Everything that reads the folder then uses the lists, which lie in its folder splits/.",
    )  # fmt: skip
    parser.add_argument("name", type=place, help="a folder of labelled pictures")
    add_format_option(parser)
    parser.add_argument(
        "--shares", type=Number(float, Range(0, 1)), nargs="+", default=[0.8, 0.1, 0.1], metavar="SHARE",
        help="of train and val, or of train, val and test (default: 0.8 0.1 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--group", metavar="REGEX", help="what a file name must match; those that match alike stay together"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="of the draw (default: 0)")


def run_split(arguments: argparse.Namespace) -> None:
    """Write the lists, and say what is in each."""
    from ..data.division import divide_folder

    apply_format(arguments, "name")
    print(divide_folder(arguments.name, arguments.shares, group=arguments.group, seed=arguments.seed))


# ---------------------------------------------------------------------- convert
def _add_convert(actions: Commands) -> None:
    parser = add_command(
        actions, "convert", run_convert, "Write a data set anew in the format of COCO, VOC or YOLO.",
        "data convert my_folder my_folder_coco --to coco",
        "Pictures are copied as they are. What the other format cannot say is told. The new folder must not be there.",
    )  # fmt: skip
    _add_source(parser, split="this split alone (default: all)")
    parser.add_argument("target", type=OUT_FOLDER, help="the new folder")
    parser.add_argument("--to", choices=["coco", "voc", "yolo"], required=True, help="the new format")
    parser.add_argument("--link", action="store_true", help="link the pictures instead of copying them")
    add_corrupt_option(parser)
    add_picture_options(parser)


def run_convert(arguments: argparse.Namespace) -> None:
    """Convert, and say what was lost."""
    from ..data.conversion import convert

    apply_format(arguments, "name")
    done = convert(
        arguments.name, arguments.target, arguments.to, split=arguments.split, link=arguments.link,
        **_reading(arguments),
    )  # fmt: skip
    print(done)


# ---------------------------------------------------------------------- download and export
def run_download(arguments: argparse.Namespace) -> None:
    """Fetch a data set, and say where it is."""
    from .. import data

    print(data.fetch(arguments.name, arguments.split))


def run_export(arguments: argparse.Namespace) -> None:
    """Draw shapes into a folder."""
    from .. import data

    drawn = [name for name in data.NAMES if name not in data.sources.fetched()]
    if arguments.name not in drawn:
        raise ValueError(
            f"only drawn pictures can be exported ({', '.join(drawn)}), not {arguments.name!r}; fcos-edu data convert "
            "writes others anew"
        )
    folder = arguments.out or Path(arguments.name)
    shapes = data.load(arguments.name, arguments.split, num_images=arguments.images)
    assert isinstance(shapes, data.ShapesDataset)
    shapes.export_coco(folder)
    print(folder)
