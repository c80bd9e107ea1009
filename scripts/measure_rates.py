"""Loss and gradient of tiny runs at several learning rates, with and without warm-up and clipping.

    python -m scripts.measure_rates --record fcos_edu/results/rates_shapes.json

Less than a minute on one quiet core. The detector is that of the chapter Training which is easy to break: the plain
FCOS of Table 3's first rows, in miniature. All runs begin with the same weights and see the same images.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.records import record
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import Batch, make_dataset, make_loader
from fcos_edu.training.optimizer import learning_rate, make_optimizer

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
FRAGILE = FCOSConfig.tiny(
    num_classes=5, min_size=64, max_size=64, fpn_channels=16, group_norm=False, box_loss="iou",
    normalize_targets=False, center_sampling_radius=None,
)  # fmt: skip
BARE = TrainConfig(
    data="shapes", model=FRAGILE, iterations=60, batch_size=2, lr_batch_size=2, augment="none", warmup_iterations=0,
    warmup_factor=0.01, clip_norm=0.0, test_split="", precision="no",
)  # fmt: skip
WARM_UP, CLIP = 20, 2.0  # steps; the longest gradient


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train tiny runs at several learning rates.")
    parser.add_argument("--record", type=Path, metavar="JSON", help="write the runs as a result file")
    parser.add_argument("--iterations", type=int, default=BARE.iterations)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)  # the same sums in the same order
    base = BARE.replace(iterations=arguments.iterations)
    batches = list(make_loader(make_dataset(base), base))
    runs = []
    for warm_up in (0, WARM_UP):
        for clip in (0.0, CLIP):
            for rate in RATES:
                config = base.replace(lr=rate, warmup_iterations=warm_up, clip_norm=clip)
                runs.append({"rate": rate, "warm_up": warm_up, "clip": clip, **trained(config, batches)})
                one = runs[-1]
                print(
                    f"rate {rate:<6} warm-up {warm_up:2} clip {clip}: {len(one['loss'])} steps, last {one['loss'][-1]}"
                )
    if arguments.record:
        record(
            arguments.record, what="Loss and gradient of tiny runs at several learning rates", data="shapes",
            command="python -m scripts.measure_rates", metrics={"iterations": arguments.iterations, "curves": runs},
        )  # fmt: skip
    return 0


def trained(config: TrainConfig, batches: Sequence[Batch]) -> dict[str, list[float]]:
    """The loss of each step of a run and the length of its gradient before it is clipped, while both are finite."""
    torch.manual_seed(config.seed)
    model = FCOS(config.model).train()
    optimizer = make_optimizer(model, config)
    schedule = LambdaLR(optimizer, lambda step: learning_rate(step, config))
    told: dict[str, list[float]] = {"loss": [], "norm": []}
    for batch in batches:
        loss = torch.stack(list(model(batch.images, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or math.inf)
        if not (loss.isfinite() and norm.isfinite()):
            break
        optimizer.step()
        schedule.step()
        told["loss"].append(short(loss.item()))
        told["norm"].append(short(norm.item()))
    return told


def short(value: float) -> float:
    """Four digits, as many as a figure shows."""
    return float(f"{value:.4g}")


if __name__ == "__main__":
    sys.exit(main())
