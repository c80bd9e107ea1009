"""Section 4's training, on Hugging Face Accelerate: one loop that reads from top to bottom.

Taught in the chapter *Training*. Checked against: overfitting, one worker against two, runs that were killed, and the
recorded runs in ``results/``.

What is trained, and how, is in :mod:`~fcos_edu.training.recipes`; where images come from in
:mod:`~fcos_edu.training.loading`; what a run leaves on disk in :mod:`~fcos_edu.training.runs`. Distribution, mixed
precision and devices are Accelerate's.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, gather_object, send_to_device, set_seed
from torch import Tensor, nn
from tqdm import tqdm

from .. import data, detectors, weights
from ..atomic import atomic_write
from ..evaluation import coco_metrics, metrics_table, predict
from ..losses import count_over_workers
from ..model import FCOS
from ..settings import ConfigError
from .config import TrainConfig
from .ema import WeightAverage
from .loading import Batch, make_dataset, make_loader, make_test_dataset
from .precision import pick_precision
from .runs import Run, flush, random_states, set_random_states
from .signals import PreemptedError, StopRequest
from .watch import NonFiniteLossError, Watch


class OutOfMemoryError(RuntimeError):
    """The GPU's memory does not suffice; the message says what to lower."""


@contextlib.contextmanager
def explained(message: str) -> Iterator[None]:
    """Where the GPU's memory runs out, say this."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(f"out of GPU memory {message}") from error


def learning_rate(step: int, config: TrainConfig) -> float:
    """The factor on ``config.learning_rate`` in step 0, 1, ...: linear warm-up, then steps or a cosine."""
    warm = 1.0
    if step < config.warmup_iterations:
        progress = step / config.warmup_iterations
        warm = config.warmup_factor * (1 - progress) + progress
    if config.schedule == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * step / config.iterations))
    return warm * 0.1 ** sum(step >= config.iterations * share for share in (2 / 3, 8 / 9))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are not frozen; biases have ``bias_lr_factor`` and no decay."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    rate = config.learning_rate
    groups = [
        {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": config.weight_decay},
        {
            "params": [p for n, p in named if n.endswith("bias")],
            "weight_decay": 0.0,
            "lr": rate * config.bias_lr_factor,
        },
    ]
    fused = named[0][1].is_cuda  # one kernel for all weights; without, a step under fp16 waits for the GPU
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, fused=fused)
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=config.momentum, fused=fused)
    if config.momentum:
        # As torch makes it in the first step; but if that step is left out, as fp16 does when a gradient overflows,
        # the fused kernel would go on with whatever was in memory.
        for _, p in named:
            optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return optimizer


def backward(accelerator: Accelerator, model: nn.Module, passes: Sequence[Batch]) -> dict[str, Tensor]:
    """Forward and backward of one step; gradients are those of Eq. 2 over all passes of all workers joined.

    Args:
        accelerator: that ``model`` was prepared with.
        model: FCOS, or another detector in torchvision's convention; in training mode.
        passes: this worker's share of the step, on its device; more than one where gradients are accumulated.

    Returns:
        The loss terms of this worker. Their mean over workers is the loss of the whole step.
    """
    plain = accelerator.unwrap_model(model)
    extra: dict[str, Any] = {}
    share = 1.0 / len(passes)  # a detector that divides by its own number of positives gives a mean of the passes
    if isinstance(plain, FCOS) and len(passes) > 1:
        # N_pos is known before the network runs, so that every pass divides by that of the whole step.
        positive = torch.stack([plain.count_positive(batch.images, batch.targets) for batch in passes]).sum()
        extra, share = {"num_positive": count_over_workers(positive)}, 1.0
    sums: dict[str, Tensor] = {}
    for number, batch in enumerate(passes, start=1):
        # Workers exchange gradients once, in the last pass.
        with contextlib.nullcontext() if number == len(passes) else accelerator.no_sync(model):
            losses = {name: share * loss for name, loss in model(batch.images, batch.targets, **extra).items()}
            accelerator.backward(torch.stack(list(losses.values())).sum())
        sums = {name: loss.detach() + sums.get(name, 0.0) for name, loss in losses.items()}
    return sums


def train(
    config: TrainConfig,
    folder: str | Path,
    *,
    model: nn.Module | None = None,
    resume: bool = False,
    allow_changes: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Train, and leave a :class:`~fcos_edu.training.runs.Run` in ``folder``. Every worker of a distributed run calls
    this.

    Ctrl-C, SIGTERM, or an error of the data ends the run with its state saved.

    Args:
        config: everything that decides the run.
        folder: made if needed.
        model: what to train; None makes ``config.detector``. Any detector in torchvision's convention will do whose
            labels are 0..C-1, the data set's classes; its checkpoint holds weights alone, for ``load_state_dict``.
        resume: go on with the run in ``folder``, to the same weights as if it had never stopped. If there is none,
            begin it.
        allow_changes: resume although the configuration differs.
        progress: show bars and the table of figures.

    Returns:
        ``seconds`` of training, ``cpu_seconds`` of all threads of this process and, on the main process, with a
        ``test_split``, COCO's twelve numbers (EMA weights if there are any).

    Raises:
        FileExistsError, ConfigError: as :meth:`Run.check <fcos_edu.training.runs.Run.check>`.
        NonFiniteLossError: with the term, the step and its images; the last good checkpoint is kept.
        CorruptImageError: with the file, unless ``on_corrupt="skip"``.
        OutOfMemoryError: of the GPU; says what to lower.
        PreemptedError: after SIGTERM; a program that does not catch it ends with the exit code 75.
    """
    AcceleratorState._reset_state()  # a notebook may train twice in one process, with another precision
    # Without CUDA on the CPU: other devices lack the float64 that areas and NMS are computed in.
    accelerator = Accelerator(mixed_precision=pick_precision(config.precision), cpu=not torch.cuda.is_available())
    main, worker, workers = accelerator.is_main_process, accelerator.process_index, accelerator.num_processes
    accelerator.gradient_state._set_sync_gradients(True)  # another accelerator in a notebook may have left it off
    with StopRequest() as stop, explained(out_of_memory(config, workers)):
        stop.release()  # there is nothing to save yet
        set_seed(config.seed)
        dataset: data.DetectionDataset = first_on_each_machine(accelerator, lambda: make_dataset(config))
        test = make_test_dataset(config, dataset.classes)  # now: a missing split is told before hours of training
        config = config.replace(
            model=config.model.replace(class_names=dataset.classes, num_classes=len(dataset.classes))
        )
        run = Run(folder)
        run.check(config, resume=resume, allow_changes=allow_changes)
        state = run.newest() if resume else None
        first = 0 if state is None else state["step"]
        # On several machines the folder must be on storage that they share: all must go on from the same step.
        firsts = gather_object([first])
        if len(set(firsts)) > 1:
            raise FileNotFoundError(
                f"{run.folder}: workers see checkpoints of the steps {sorted(set(firsts))}; all machines must see the "
                "same folder"
            )

        if model is None:
            plain = first_on_each_machine(accelerator, lambda: make_detector(config, trained=state is None))
        else:
            plain = model
        kind = "custom" if model is not None else config.detector
        if isinstance(plain, FCOS):
            plain.check_inputs = False  # the loader does
            plain.batcher.resize_in_training = not config.train_sizes  # otherwise the data set has drawn a size
        if workers > 1 and accelerator.device.type == "cuda":
            # Statistics that are learnt: of the whole step. The module waits for the GPU in each layer; frozen norms,
            # as in all recipes for COCO and VOC, do not.
            plain = nn.SyncBatchNorm.convert_sync_batchnorm(plain)
        plain.to(accelerator.device)
        ema = WeightAverage(plain, config.ema_decay) if config.ema_decay else None
        best = ema.module if ema else plain
        optimizer = make_optimizer(plain, config)
        # Accelerate moves a prepared schedule once for each worker; this one counts steps, so it is not prepared.
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, config))
        if config.compile and isinstance(plain, FCOS):
            plain.compile()
        model, prepared = accelerator.prepare(plain, optimizer)
        assert model is not None
        watch = Watch(accelerator)
        spent = {"seconds": 0.0, "cpu_seconds": 0.0, "waited": 0.0, "skipped": 0.0}  # of earlier parts of this run too
        lately = {"waited": 0.0, "skipped": 0.0}  # by this worker, since workers last added up

        if state is not None:
            spent = state["spent"]
            groups, saved_groups = optimizer.param_groups, state["optimizer"]["param_groups"]
            alike = ("betas" in groups[0]) == ("betas" in saved_groups[0])  # AdamW or not, both
            for saved, own in zip(saved_groups, groups, strict=True):
                own["lr"] = own["initial_lr"] * learning_rate(first, config)
                saved |= {k: v for k, v in own.items() if k != "params"}  # of this configuration, on this machine
            try:
                plain.load_state_dict(state["model"])
                if alike:
                    prepared.load_state_dict(state["optimizer"])
            except (RuntimeError, ValueError) as error:  # of changes that were allowed
                told = " ".join(str(error).split()[:30])  # torch lists every tensor
                raise ConfigError(f"the checkpoint in {run.folder} does not fit this configuration: {told}") from error
            schedule.load_state_dict(state["schedule"] | {"base_lrs": schedule.base_lrs})
            if ema:
                ema.load_state_dict(state["ema"] or {"model": state["model"], "steps": 0})
            if accelerator.scaler is not None and state["scaler"]:  # None: begun on hardware with bf16
                accelerator.scaler.load_state_dict(state["scaler"])
            if worker < len(state["workers"]):
                set_random_states(state["workers"][worker]["random"])
            if workers == len(state["workers"]):  # otherwise the next line of the log is of the steps from here
                watch.load_state_dict(state["workers"][worker]["watch"])
        loader = make_loader(dataset, config, start=first, worker=worker, workers=workers)
        log = run.open(config, first) if main else None

        def add_up() -> None:
            for own in gather_object([dict(lately)]):
                spent["waited"] += own["waited"] / workers
                spent["skipped"] += own["skipped"]
            lately.update(waited=0.0, skipped=0.0)

        def save(step: int) -> None:
            add_up()
            watch.check()  # weights after a loss that was not finite are worth nothing: keep the older checkpoint
            for name, value in best.state_dict().items():  # a loss can be finite and its gradient not
                if not bool(value.isfinite().all()):
                    raise NonFiniteLossError(
                        f"{name} was not finite after step {step}. A checkpoint saved before is kept"
                    )
            states = gather_object([{"random": random_states(), "watch": watch.state_dict()}])
            if log is not None:
                flush(log)
                # Before the checkpoint: a run that is killed in between does these steps again, and saves both.
                about = dict(step=step, iterations=config.iterations, data=config.data)
                detectors.save(best, run.model, kind, config.model, **about)
                run.save({
                    "step": step, "model": plain.state_dict(), "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(), "ema": ema.state_dict() if ema else None,
                    "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
                    "workers": states, "spent": measured(),
                }, keep=config.keep_checkpoints)  # fmt: skip
            accelerator.wait_for_everyone()  # or a launcher, seeing one worker end, would end the one that writes

        def measured() -> dict[str, float]:
            clock = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu_started}
            return spent | {name: spent[name] + value for name, value in clock.items()}

        model.train()
        started, cpu_started = time.perf_counter(), time.process_time()
        batches = iter(loader)
        bar = tqdm(total=config.iterations, initial=first, desc="train", unit="step", disable=not (progress and main))
        stop.hold()
        try:
            for step in range(first, config.iterations):
                asked = time.perf_counter()
                try:
                    passes = [next(batches) for _ in range(config.accumulate)]
                except (data.CorruptImageError, OSError, ValueError):
                    if workers == 1:  # the others would not come to save with this one
                        save(step)
                    raise
                lately["waited"] += time.perf_counter() - asked
                lately["skipped"] += sum(batch.skipped for batch in passes)
                passes = [send_to_device(batch, accelerator.device, non_blocking=True) for batch in passes]

                losses = backward(accelerator, model, passes)
                if config.clip_norm:
                    accelerator.clip_grad_norm_(model.parameters(), config.clip_norm)
                prepared.step()
                schedule.step()
                prepared.zero_grad()
                if ema:
                    ema.update(plain)
                watch.add(losses, step, [i for batch in passes for i in batch.image_ids])
                if isinstance(plain, FCOS) and plain.centerness_floor is not None:
                    watch.note("centerness_floor", plain.centerness_floor)
                bar.update()

                done = step + 1
                if done % config.log_every == 0 or done == config.iterations:
                    means = watch.report()  # reads from the device, and waits for it
                    add_up()
                    if log is not None:
                        total = sum(means[name] for name in losses)
                        entry = {"step": done, "loss": total, **means, "lr": schedule.get_last_lr()[0], **measured()}
                        entry["waited_share"] = entry["waited"] / entry["seconds"]
                        log.write(json.dumps({k: round(float(v), 6) for k, v in entry.items()}) + "\n")
                        log.flush()
                        shown = {"loss": f"{total:.3f}", "waited": f"{entry['waited_share']:.0%}"}
                        if "centerness_floor" in means:  # beside the loss that cannot fall below it
                            shown["centerness"] = f"{means['centerness']:.3f} (floor {means['centerness_floor']:.3f})"
                        bar.set_postfix(shown)
                asked_to_stop = stop.agreed()
                if done % config.save_every == 0 or done == config.iterations or asked_to_stop:
                    save(done)
                if asked_to_stop == signal.SIGTERM:
                    raise PreemptedError(f"asked to stop after step {done}; its state is saved: resume {run.folder}")
                if asked_to_stop:
                    raise KeyboardInterrupt
        finally:
            bar.close()
            accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # measured in float32, as by fcos-edu evaluate
            vars(plain).pop("_is_accelerate_prepared", None)  # with it, training it again would have no autocast
            for one in (plain, best):
                if isinstance(one, FCOS):
                    one.check_inputs = one.batcher.resize_in_training = True
                    if config.compile:
                        one.compile(disable=True)  # images that are detected afterwards have many sizes
            if log is not None:
                log.close()
                run.draw_curves()
        stop.release()
        outcome: dict[str, Any] = {name: round(measured()[name], 1) for name in ("seconds", "cpu_seconds")}
        outcome["iterations"] = config.iterations
        if test is not None:
            with explained(
                "while detecting, after training: the weights are saved. Free memory on the GPU, or hide it "
                f"(CUDA_VISIBLE_DEVICES=), and measure them: fcos-edu evaluate {run.model}"
            ):
                metrics = evaluate_shared(accelerator, best, test, progress=progress)
            if main:
                outcome |= {"split": config.test_split, "images": len(test), **metrics}
                atomic_write(run.metrics, lambda path: path.write_text(json.dumps(outcome, indent=1)))
                if progress:
                    print(metrics_table(metrics))
        return outcome


def first_on_each_machine(accelerator: Accelerator, make: Callable[[], Any]) -> Any:
    """``make()`` in one worker of each machine, which fetches what is missing, and then in the others.

    An error waits for the others, so that each can say it.
    """
    with accelerator.local_main_process_first():
        try:
            made = make()
        except Exception as error:
            made = error
    if isinstance(made, Exception):
        raise made
    return made


def make_detector(config: TrainConfig, *, trained: bool = True) -> nn.Module:
    """``config.detector``, with the weights that the configuration names: of ImageNet, or of ``config.start_from``.

    Args:
        config: with the classes of the data.
        trained: False leaves those weights out, where a checkpoint's take their place.

    Raises:
        FileNotFoundError, CheckpointError, ConnectionError: of those weights; or they do not fit the configuration.
    """
    fresh = detectors.build(config.detector, config.model, load_backbone=trained and not config.start_from)
    if trained and config.start_from:
        source = detectors.load(config.start_from).cpu()
        known = source.config.class_names  # type: ignore[union-attr]
        own, state, names = fresh.state_dict(), source.state_dict(), config.model.class_names
        fresh.load_state_dict(weights.transfer(own, state, config.start_from, names, known))  # type: ignore[arg-type]
    return fresh


def evaluate_shared(
    accelerator: Accelerator, model: nn.Module, dataset: data.DetectionDataset, *, progress: bool = True
) -> dict[str, float | None]:
    """COCO's twelve numbers; each worker takes every n-th image, so that each image is detected exactly once.

    Raises:
        EvaluationError: no boxes in the ground truth.
    """
    worker, workers = accelerator.process_index, accelerator.num_processes
    if workers > 1:  # batch norm statistics differ between workers
        model.load_state_dict(broadcast(model.state_dict()))
    shown = progress and accelerator.is_main_process
    found = gather_object(predict(model, dataset, indices=range(worker, len(dataset), workers), progress=shown))
    place = {image: number for number, image in enumerate(dataset.image_ids)}
    found.sort(key=lambda result: place[result["image_id"]])  # as one worker would have found them
    return coco_metrics(dataset.ground_truth(), found)


def out_of_memory(config: TrainConfig, workers: int) -> str:
    """What to say when the GPU's memory does not suffice."""
    each = config.batch_size // (workers * config.accumulate)
    size = config.model
    halves = f"set accumulate={2 * config.accumulate} (the same step in half the memory), or " if each % 2 == 0 else ""
    fewer = f"batch_size ({config.batch_size}) or " if each > 1 else ""
    return (
        f"with {each} images of {size.min_size}/{size.max_size} pixels at once: {halves}lower {fewer}"
        f"model.max_size ({size.max_size}); to go on with this run, allow the change of its configuration"
    )
