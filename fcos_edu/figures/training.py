"""Runs: their losses, learning rates and averaged weights (section 4).

Used in *Training*, and after each run by :mod:`fcos_edu.training.runs`.
Checked against: the lines that are drawn, and running means by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import as_vectors, line_look
from .style import COLORS, LINES, Array, Picture

# What a line of the log has beside the terms of the loss.
_NO_LOSSES = {"step", "loss", "lr", "seconds", "cpu_seconds", "waited", "waited_share", "skipped", "centerness_floor"}


def training_curves(log: str | Path) -> Figure:
    """Losses and learning rate over the steps of a run, from its ``log.jsonl``.

    Each loss is drawn thin as logged and thick as a running mean, on a logarithmic axis: the focal loss falls through
    more than a decade. The small panel below holds the learning rate.

    Args:
        log: JSON lines with ``step``, ``lr`` and the losses by name; ``centerness_floor``, the lowest value that the
            center-ness loss can have, is drawn dotted.
    """
    entries = [json.loads(line) for line in Path(log).read_text().splitlines() if line.strip()]
    figure = Picture(figsize=(WIDE, 4.2))
    losses, rate = figure.subplots(2, 1, height_ratios=(3.5, 1), sharex=True)
    steps = np.array([entry["step"] for entry in entries])
    window = max(1, len(entries) // 30)
    names = [name for name in entries[0] if name not in _NO_LOSSES] if entries else []
    for i, name in enumerate(names):
        values = np.array([entry[name] for entry in entries], dtype=float)
        color = COLORS[i % len(COLORS)]
        losses.plot(steps, values, color=color, linewidth=0.6, alpha=0.4)
        label = name.replace("_", " ")
        style = LINES[i % len(LINES)]
        losses.plot(steps, running_mean(values, window), style, color=color, linewidth=1.8, label=label)
    if entries and "centerness_floor" in entries[0]:
        floor = np.array([entry["centerness_floor"] for entry in entries], dtype=float)
        losses.plot(steps, running_mean(floor, window), ":", color="black", linewidth=1.2, label="floor of centerness")
    if entries:
        losses.set_yscale("log")
        losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        losses.yaxis.set_major_formatter("{x:g}")
        losses.minorticks_off()
        legend_outside(figure, *losses.get_legend_handles_labels())
    losses.set_ylabel("loss")
    if entries and "lr" in entries[0]:
        rate.plot(steps, [entry["lr"] for entry in entries], color="black", linewidth=1.2)
    rate.set(xlabel="step", ylabel="learning\nrate", ylim=(0, None))
    for axes in (losses, rate):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def running_mean(values: Array, window: int) -> NDArray[np.float64]:
    """Mean of up to ``window`` values around each: ``(N,)`` to ``(N,)``; the ends average over what there is."""
    series = np.asarray(values, dtype=float)
    kernel = np.ones(min(window, len(series)) or 1)
    total = np.asarray(np.convolve(series, kernel, mode="same"), dtype=np.float64)
    count = np.asarray(np.convolve(np.ones(len(series)), kernel, mode="same"), dtype=np.float64)
    return total / count


def loss_curves(losses: Mapping[str, Array], *, floor: float | None = None) -> Figure:
    """Loss terms over the steps, on a logarithmic axis.

    Args:
        losses: name of the term -> one value for each step.
        floor: lowest value that the center-ness term can reach, drawn as a line.
    """
    figure = Picture(figsize=(WIDE, 3.2))
    axes = figure.subplots()
    for i, (name, values) in enumerate(losses.items()):
        label = name.replace("_", " ")
        axes.plot(np.asarray(values, dtype=float), **line_look(i), label=label)
    if floor is not None:
        axes.axhline(floor, color="black", linewidth=0.8, linestyle=":", label="floor of center-ness")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    legend_outside(figure, *axes.get_legend_handles_labels())
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def learning_rates(rates: Mapping[str, Array]) -> Figure:
    """Learning rates over the steps of a run, a panel for each schedule.

    Args:
        rates: title of the panel -> ``(N,)`` rates of the steps 0..N-1.

    Raises:
        ValueError: no schedule, or one without steps.
    """
    if not rates or any(len(np.asarray(values)) == 0 for values in rates.values()):
        raise ValueError(f"schedules {dict.fromkeys(rates)}; give at least one, each with a rate for each step")
    figure = Picture(figsize=(WIDE, 2.7))
    for axes, (name, values) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        rate = np.asarray(values, dtype=float)
        axes.plot(np.arange(len(rate)), rate, color=COLORS[0], linewidth=1.8)
        axes.set(xlim=(0, len(rate)), ylim=(0, 1.08 * rate.max()), xlabel="step")
        axes.set_xticks([0, len(rate) // 2, len(rate)], ["0", f"{len(rate) // 2:,}", f"{len(rate):,}"])
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("learning rate")
    return figure


def run_losses(runs: Mapping[str, Array], iterations: int, *, highest: float = np.inf) -> Figure:
    """The loss of several runs on a logarithmic axis; a cross where one stopped early because it was not finite.

    Args:
        runs: name -> ``(N,)`` losses of its first N steps, all finite and positive.
        iterations: steps of a whole run.
        highest: larger losses are drawn here, so that a run that explodes leaves room for the others.

    Raises:
        ValueError: a run with more steps than ``iterations``, or with a loss that is not finite.
    """
    figure = Picture(figsize=(WIDE, 3.4))
    axes = figure.subplots()
    for i, (name, values) in enumerate(runs.items()):
        losses = np.asarray(values, dtype=float)
        if len(losses) > iterations or not np.isfinite(losses).all():
            raise ValueError(f"{name!r} has {counted(len(losses), 'losses')}; at most {iterations}, all of them finite")
        color = COLORS[i % len(COLORS)]
        losses = losses.clip(max=highest)
        axes.plot(losses, LINES[i % len(LINES)], color=color, linewidth=1.6, label=name)
        if 0 < len(losses) < iterations:
            axes.plot(len(losses) - 1, losses[-1], "X", color=color, markersize=11, markeredgecolor="white", gid=name)
    axes.set(xlabel="step", ylabel="loss", yscale="log", xlim=(-0.5, iterations))
    legend_outside(figure, *axes.get_legend_handles_labels())
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def weight_average(weights: Array, averages: Array, *, wanted: float) -> Figure:
    """One weight over the steps, and its moving average.

    Args:
        weights: ``(N,)`` after each step.
        averages: ``(N,)``.
        wanted: the best value, drawn dotted.
    """
    walk, smooth = as_vectors(weights=weights, averages=averages)
    figure = Picture(figsize=(WIDE, 2.8))
    axes = figure.subplots()
    axes.plot(walk, color=COLORS[5], linewidth=1.0, label="weight")
    axes.plot(smooth, color=COLORS[0], linewidth=2.2, label="its average")
    axes.axhline(wanted, color="black", linewidth=0.9, linestyle=":", label="best value")
    axes.set(xlabel="step", ylabel="value", xlim=(0, len(walk)))
    legend_outside(figure, *axes.get_legend_handles_labels())
    axes.spines[["top", "right"]].set_visible(False)
    return figure
