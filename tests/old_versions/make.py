"""Writes the files beside it, with the code of commit 829297f (version 0.1.0, before the packages of packages).

Not a test, and not for today's code: ``git worktree add OLD 829297f``, then ``PYTHONPATH=OLD python make.py``.

``run/``               a run of 8 steps that was cut off after the fourth
``whole.safetensors``  what the same run has in its head after all 8: weights
``whole.json``         the SHA-256 of all its weights and momenta, and where that was: other processors round otherwise
``model.safetensors``  its model, in half precision as ``FCOS.save(half=True)`` wrote it
``found.json``         the best detections of that model on ``picture()``
``record.json``        a record
"""

import hashlib
import json
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def picture():
    """An image (3, 64, 64) with a bright square."""
    image = torch.arange(3 * 64 * 64).reshape(3, 64, 64) % 97 / 400
    image[:, 20:44, 12:36] = 0.9
    return image


def learnt(state):
    """Weights and momenta of a checkpoint as one dict."""
    momenta = {f"momentum.{k}": v["momentum_buffer"] for k, v in state["optimizer"]["state"].items()}
    return state["model"] | momenta


def digest(tensors):
    """SHA-256 of names and bytes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def where():
    """What bits depend on: torch, and the processor with all that it can."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    known = sorted({line for line in lines if line.startswith(("model name", "model\t", "flags"))})
    return {"torch": torch.__version__, "processor": hashlib.sha256("\n".join(known).encode()).hexdigest()}


if __name__ == "__main__":
    from fcos_edu.recipes import TrainConfig
    from fcos_edu.runs import Run

    from fcos_edu import FCOS, FCOSConfig, data, records
    from fcos_edu.training import train  # a module then

    data.shapes.DEFAULT_IMAGES = {"train": 16, "val": 4, "test": 4}
    torch.set_num_threads(1)
    config = TrainConfig(
        data="shapes", test_split="", iterations=8, batch_size=2, accumulate=2, log_every=3, save_every=4,
        warmup_iterations=2, precision="no", lr=0.1,
        model=FCOSConfig.tiny(
            num_classes=5, min_size=64, max_size=64, size_divisor=8, fpn_channels=8, num_head_convs=1,
            levels=(2,), level_bounds=(0, math.inf),
        ),
    )  # fmt: skip
    shutil.rmtree(HERE / "run", ignore_errors=True)
    run = Run(HERE / "run")
    train(config, run.folder, progress=False)
    tensors = learnt(run.newest())
    save_file({k: v.contiguous() for k, v in tensors.items() if k.startswith("head.")}, HERE / "whole.safetensors")
    (HERE / "whole.json").write_text(json.dumps({"sha256": digest(tensors), **where()}, indent=1) + "\n")
    FCOS.load(run.model).save(HERE / "model.safetensors", half=True)
    model = FCOS.load(HERE / "model.safetensors").set_inference(score_threshold=0.0)
    with torch.no_grad():
        found = model([picture()])[0]
    best = {name: found[name][:10].tolist() for name in ("boxes", "scores", "labels")}
    (HERE / "found.json").write_text(json.dumps(best) + "\n")
    records.record(
        HERE / "record.json", what="A run of eight steps", command="python make.py", data="shapes",
        metrics={"seconds": 4}, paper=None,
    )  # fmt: skip
    run.path(8).unlink()  # as if it had been cut off
    run.model.unlink()
    run.curves.unlink()
