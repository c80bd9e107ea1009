"""One step, shared out in any way, and the state to go on from."""

import copy
import json
import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from fcos_edu import FCOS, ConfigError, FCOSConfig
from fcos_edu.training import loop, state
from fcos_edu.training.ema import WeightAverage
from fcos_edu.training.loading import Batch
from fcos_edu.training.loop import train
from fcos_edu.training.optimizer import make_optimizer
from fcos_edu.training.runs import Run
from fcos_edu.training.state import Spent, State, backward, parts_of
from fcos_edu.training.watch import Watch
from fcos_edu.training.workers import OutOfMemoryError
from tests.training.parts import ALONE, SMALL, TWO, launch, log_of, small


def batch_of(boxes):
    generator = torch.Generator().manual_seed(len(boxes))
    images = [torch.rand(3, 64, 64, generator=generator) for _ in boxes]
    targets = [{"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.arange(len(b))} for b in boxes]
    return images, targets


def frozen():
    """With frozen norms: statistics of a part of the images would differ from those of all."""
    torch.manual_seed(0)
    config = FCOSConfig.tiny(
        num_classes=5, min_size=64, max_size=64, backbone="resnet18", backbone_weights="imagenet", fpn_channels=16,
        num_head_convs=1,
    )  # fmt: skip
    return FCOS(config, load_backbone=False).train()


BOXES = [[[4.0, 4, 40, 50], [30, 20, 60, 60]], [[10.0, 10, 30, 30]], [[0.0, 0, 64, 64]], []]


@pytest.mark.parametrize("boxes", [BOXES, [BOXES[0], BOXES[1], [], []], [[], [], [], []]])
def test_accumulated_gradients_are_those_of_the_joined_batch(boxes):
    """Also where one pass has no box at all, and where none has.

    The network has float64: a value that rounding of float32 moves over the kink of a ReLU changes gradients by much
    more than rounding, and with them whether this test passes on a processor that adds in another order.
    """
    images, targets = batch_of(boxes)
    images = [image.double() for image in images]
    accelerator = Accelerator(cpu=True)
    results = []
    for parts in (1, 2, 4):
        model, share = frozen().double(), len(images) // parts
        slices = [slice(k * share, (k + 1) * share) for k in range(parts)]
        passes = [Batch(images[s], targets[s], [], 0) for s in slices]
        losses = backward(accelerator, accelerator.prepare(model), passes)
        results.append((losses, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    for losses, gradients in results[1:]:
        for name, loss in losses.items():
            torch.testing.assert_close(loss, results[0][0][name])
        for name, gradient in gradients.items():
            assert gradient.dtype == torch.float64
            torch.testing.assert_close(gradient, results[0][1][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_has_the_losses_gradients_and_floor_of_the_whole(parts):
    """Images of two sizes: a part alone would have a smaller canvas, and group norm other averages."""
    images, targets = batch_of(BOXES)
    images[1], images[2] = images[1][:, :, :32], images[2][:, :32]
    targets[2]["boxes"] = torch.tensor([[0.0, 0, 60, 30]])
    accelerator, results = Accelerator(cpu=True), []
    for count in (1, parts):
        model, notes = frozen(), {}
        whole = Batch(images, targets, [1, 2, 3, 4], 0)
        passes = [whole] if count == 1 else parts_of(whole, model, count)
        assert len(passes) == -(-4 // -(-4 // count)) and sum((batch.image_ids for batch in passes), []) == [1, 2, 3, 4]
        losses = backward(accelerator, accelerator.prepare(model), passes, notes)
        grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        results.append((losses, notes, grads))
    for one, other in zip(*results, strict=True):
        assert one.keys() == other.keys() and one
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=1e-5, atol=1e-5)


def test_memory_that_runs_out_takes_the_same_batch_in_more_passes(tmp_path, monkeypatch):
    """Room for two images at once, of four: told once, to the same run but for roundings; and kept for a resume."""
    config = small(batch_size=4, iterations=4, log_every=1, save_every=2)
    train(config, tmp_path / "whole", model=frozen(), progress=False)
    original, most = backward, 2

    def full(accelerator, model, passes, *more):
        if max(len(batch.images) for batch in passes) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(accelerator, model, passes, *more)

    monkeypatch.setattr(state, "backward", full)
    with pytest.warns(
        UserWarning, match="out of GPU memory with 4 images at once: from step 0 on .* in 2 passes"
    ) as told:
        train(config.replace(iterations=2), tmp_path / "full", model=frozen(), progress=False)
    assert len([one for one in told if "memory" in str(one.message)]) == 1
    assert Run(tmp_path / "full").newest()["parts"] == 2
    train(config, tmp_path / "full", model=frozen(), resume=True, allow_changes=True, progress=False)
    ours, theirs = log_of(tmp_path / "full"), log_of(tmp_path / "whole")
    for name in ("loss", "classification", "bbox_regression", "centerness", "centerness_floor"):
        assert [e[name] for e in ours] == pytest.approx([e[name] for e in theirs], rel=1e-3)
    most = 0
    with pytest.warns(UserWarning, match="in 4 passes"):
        with pytest.raises(OutOfMemoryError, match="out of memory with 1 image of 64/64"):
            train(config, tmp_path / "tiny", model=frozen(), progress=False)


@pytest.mark.parametrize("options", [[], ["--empty"], ["--levels", "3", "4"]])
def test_two_workers_have_the_gradient_of_one(tmp_path, options):
    """N_pos is summed over workers; with --empty the second worker has no box at all."""
    launch(ALONE, "gradients", tmp_path / "one.pt", *options)
    launch(TWO, "gradients", tmp_path / "two.pt", *options)
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    torch.testing.assert_close(two["losses"], one["losses"])
    assert set(one["gradients"]) == set(two["gradients"])
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, rtol=1e-5, atol=1e-5)
    assert max(g.abs().max() for g in one["gradients"].values()) > 0.01


def test_a_step_never_waits_for_the_device():
    """Fake tensors have no values: whatever reads one fails (.item(), nonzero, a boolean index, an if)."""
    accelerator = Accelerator(cpu=True)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    real = FCOS(SMALL)
    real.grid(64, 64)  # made once for each canvas, and kept: it must be a real tensor
    model = copy.deepcopy(real).train()
    model.check_inputs = False
    for module in model.modules():  # the weights of a module cannot be swapped for fake ones in place
        for kind in (module._parameters, module._buffers):
            for name, value in list(kind.items()):
                if value is not None:
                    kind[name] = fake.from_tensor(value)
    assert all(isinstance(p, FakeTensor) for p in model.parameters())
    optimizer = make_optimizer(model, small(optimizer="sgd"))
    average, watch = WeightAverage(real, 0.9), Watch(accelerator)
    average.module = model
    images, boxes, labels = (
        torch.rand(3, 64, 64),
        torch.tensor([[1.0, 2, 30, 40], [5, 5, 60, 60]]),
        torch.tensor([0, 3]),
    )
    with fake:
        target = {"boxes": fake.from_tensor(boxes), "labels": fake.from_tensor(labels)}
        batch = Batch([fake.from_tensor(images)] * 2, [target] * 2, [1, 2], 0)
        for passes in (1, 2):
            losses = backward(accelerator, model, [batch] * passes)
            accelerator.clip_grad_norm_(model.parameters(), 35.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update(model)
            watch.add(losses, passes, batch.image_ids)
            watch.note("centerness_floor", model.centerness_floor)
        with pytest.raises(DataDependentOutputException):
            watch.report()  # the one place that reads


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_on_a_gpu_never_waits(precision):
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=precision)
    plain = FCOS(SMALL).cuda().train()
    plain.check_inputs = False
    optimizer, average = make_optimizer(plain, small()), WeightAverage(plain, 0.9)
    model, prepared = accelerator.prepare(plain, optimizer)
    watch = Watch(accelerator)
    images, targets = batch_of(BOXES)
    batch = Batch([i.cuda() for i in images], [{k: v.cuda() for k, v in t.items()} for t in targets], [1, 2, 3, 4], 0)
    for step in range(3):
        torch.cuda.set_sync_debug_mode("default" if step == 0 else "error")  # the first step makes what is kept
        try:
            losses = backward(accelerator, model, [batch, batch])
            accelerator.clip_grad_norm_(model.parameters(), 35.0)
            prepared.step()
            prepared.zero_grad()
            average.update(plain)
            watch.add(losses, step, batch.image_ids)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(math.isfinite(value) for value in watch.report().values())


# ---------------------------------------------------------------------- to go on with changes
def test_what_is_changed_on_purpose_holds_from_the_step_that_is_resumed(tmp_path):
    config = small(iterations=4, save_every=2, warmup_iterations=0, schedule="steps")
    train(config, tmp_path, progress=False)
    longer = config.replace(iterations=40, lr=config.lr / 10, weight_decay=0.5)
    with pytest.raises(ConfigError, match="weight_decay"):
        train(longer, tmp_path, resume=True, progress=False)
    train(longer.replace(iterations=6), tmp_path, resume=True, allow_changes=True, progress=False)
    state = Run(tmp_path).newest()
    assert state["optimizer"]["param_groups"][0]["weight_decay"] == 0.5
    assert state["schedule"]["base_lrs"][0] == pytest.approx(config.learning_rate / 10)
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["lr"] <= config.learning_rate / 10


def test_another_optimizer_begins_anew(tmp_path):
    config = small(iterations=4, optimizer="sgd")
    train(config, tmp_path, progress=False)
    for number, optimizer in enumerate(("adamw", "sgd")):
        changed = config.replace(iterations=6 + 2 * number, optimizer=optimizer)
        train(changed, tmp_path, resume=True, allow_changes=True, progress=False)
        kept = Run(tmp_path).newest()["optimizer"]["state"][0]
        assert set(kept) == ({"step", "exp_avg", "exp_avg_sq"} if optimizer == "adamw" else {"momentum_buffer"})
    with pytest.raises(ConfigError, match="does not fit this configuration.*size mismatch"):
        other = changed.replace(**{"model.fpn_channels": 32})
        train(other, tmp_path, resume=True, allow_changes=True, progress=False)


def test_an_average_that_is_asked_for_later_begins_with_the_trained_weights(tmp_path):
    config = small(iterations=4, ema_decay=0.0)
    train(config, tmp_path, progress=False)
    trained = Run(tmp_path).newest()["model"]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "evaluate_shared", lambda _, model, *__, **___: seen.append(model.state_dict()) or {})
        changed = config.replace(ema_decay=0.9, test_split="val")
        train(changed, tmp_path, resume=True, allow_changes=True, progress=False)
    assert all(torch.equal(seen[0][name], trained[name]) for name in trained)


# ---------------------------------------------------------------------- saving beside restoring
def trained(config, steps, saved=None):
    """A state after some steps of a fixed stream, from the beginning or from what was saved."""
    torch.manual_seed(0)
    images, targets = batch_of(BOXES)
    one = State(Accelerator(cpu=True), config, FCOS(SMALL))
    if saved is not None:
        one.load_state_dict(copy.deepcopy(saved), "a test")
    with one.in_training():
        while one.done < steps:
            k = one.done % 3
            one.step([Batch(images[k : k + 2], targets[k : k + 2], [k, k + 1], 0)])
    return one


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_state_that_is_restored_is_the_state_that_was_saved(optimizer):
    config = small(iterations=9, optimizer=optimizer, ema_decay=0.5)
    saved = copy.deepcopy(trained(config, 4).state_dict())
    again = trained(config, 4, saved).state_dict()
    leaves, others = (tree_leaves({k: v for k, v in s.items() if k != "spent"}) for s in (saved, again))
    assert len(leaves) == len(others) > 300
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(leaves, others))
    assert again["spent"]["seconds"] >= saved["spent"]["seconds"] > 0
    whole, parted = trained(config, 8), trained(config, 8, saved)
    for one, other in ((whole.model, parted.model), (whole.result, parted.result)):
        a, b = one.state_dict(), other.state_dict()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert whole.result is not whole.model
    report, other = whole.report(), parted.report()
    assert report["step"] == 8 and {k: report[k] for k in ("loss", "lr")} == {k: other[k] for k in ("loss", "lr")}


def test_an_error_of_the_data_saves_once_and_one_of_the_step_does_not():
    one = State(Accelerator(cpu=True), small(iterations=3), FCOS(SMALL))
    calls = []

    def damaged():
        yield Batch([], [], [1], 2)
        raise ValueError("damaged")

    seen = one.batches(damaged(), lambda: calls.append("saved"))
    assert [batch.skipped for batch in next(seen)] == [2] and one.spent.skipped == 2
    with pytest.raises(ValueError, match="damaged"):
        next(seen)
    assert calls == ["saved"]
    with pytest.raises(OSError, match="full"):
        for _ in one.batches(iter([Batch([], [], [1], 0)]), lambda: calls.append("saved again")):
            raise OSError("full")
    assert calls == ["saved"]


def test_time_is_added_up_over_the_parts_of_a_run():
    spent = Spent(workers=2)
    spent.before = {"seconds": 10.0, "cpu_seconds": 5.0, "waited": 1.0, "skipped": 3.0}
    spent.waited, spent.skipped = 4.0, 2
    spent.add_up()  # this worker alone: the mean of two, one of which has not waited
    assert spent.total() == {"seconds": 10.0, "cpu_seconds": 5.0, "waited": 3.0, "skipped": 5.0}
    spent.start()
    spent.stop()
    stopped = spent.total()
    assert stopped["seconds"] > 10.0 and spent.total() == stopped
