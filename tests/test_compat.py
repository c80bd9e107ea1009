"""Private names of other libraries are taken away one by one, and what uses them goes on to work."""

import ast
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _python_dispatch

import fcos_edu
from fcos_edu import FCOS, FCOSConfig, compat
from fcos_edu.locations import kept
from fcos_edu.training.ema import WeightAverage
from fcos_edu.training.precision import pick_precision

PACKAGE = Path(fcos_edu.__file__).parent
SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)
PUBLIC = {"_asdict", "_replace", "_fields", "_make", "_exit", "_repr_png_"}  # documented, in spite of their names


# ---------------------------------------------------------------------- nobody else knows such a name
def foreign_names(tree):
    """Underscored names that code imports from, or asks of, what is not its own."""
    own = {"self", "cls"}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    written = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node_of(node) in own}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (part for part in parts if part.startswith("_") and not part.startswith("__"))
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            yield from (part for part in parts if part.startswith("_") and not part.startswith("__"))
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            if node_of(node) not in own and node.attr not in PUBLIC | defined | written:
                yield node.attr


def node_of(attribute):
    return attribute.value.id if isinstance(attribute.value, ast.Name) else None


def test_the_search_finds_such_names():
    code = "import a._b\nfrom torch._dynamo import config\nfrom c import _d\ntorch._e()\nself._f = row._asdict()"
    assert sorted(foreign_names(ast.parse(code))) == ["_b", "_d", "_dynamo", "_e"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_others_stand_in_compat_alone(path):
    if path.name != "compat.py":
        assert list(foreign_names(ast.parse(path.read_text("utf-8")))) == []


# ---------------------------------------------------------------------- one by one
def test_without_the_current_dispatch_mode_constants_are_made_anew(monkeypatch):
    made = []

    @kept
    def ones(count):
        made.append(count)
        return torch.ones(count)

    assert ones(3) is ones(3) and made == [3]
    monkeypatch.delattr(_python_dispatch, "_get_current_dispatch_mode")
    assert compat.being_traced()
    assert torch.equal(ones(3), torch.ones(3)) and made == [3, 3]
    with FakeTensorMode():
        assert isinstance(ones(3), FakeTensor)
    assert not isinstance(ones(3), FakeTensor)


def test_under_fake_tensors_constants_are_fake_and_not_kept():
    made = kept(lambda count: torch.ones(count))
    assert not compat.being_traced()
    with FakeTensorMode():
        assert compat.being_traced() and isinstance(made(2), FakeTensor)
    assert not isinstance(made(2), FakeTensor)


def test_without_the_limit_of_shapes_a_model_compiles(monkeypatch):
    compat.allow_shapes(1)  # never lowered
    limit = torch._dynamo.config.cache_size_limit
    assert limit >= 8
    settings = torch._dynamo.config

    class Without:
        def __getattr__(self, name):
            if name == "cache_size_limit":
                raise AttributeError(name)
            return getattr(settings, name)

    monkeypatch.setattr(torch._dynamo, "config", Without())
    FCOS(SMALL).compile()
    assert settings.cache_size_limit == limit


def test_without_the_lerp_of_many_tensors_the_average_is_the_same(monkeypatch):
    torch.manual_seed(0)
    model = FCOS(SMALL)
    averages = []
    for name in ("together", "one by one"):
        if name == "one by one":
            monkeypatch.delattr(torch, "_foreach_lerp_")
        torch.manual_seed(1)
        average = WeightAverage(model, 0.9)
        for _ in range(3):
            average.update(FCOS(SMALL))
        averages.append(average.module.state_dict())
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])


def test_without_what_torch_says_of_the_cpu_there_is_no_bf16(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not compat.cpu_has_bf16() and pick_precision("auto") == "no"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert compat.cpu_has_bf16() and pick_precision("auto") == "bf16"


@pytest.mark.parametrize("gone", [False, True])
def test_a_second_accelerator_has_its_own_precision(monkeypatch, gone):
    if gone:
        monkeypatch.delattr(AcceleratorState, "_reset_state")
    for precision in ("bf16", "no", "bf16"):
        compat.forget_precision()
        assert Accelerator(cpu=True, mixed_precision=precision).mixed_precision == precision
    with pytest.raises(ValueError, match="already been initialized"):
        Accelerator(cpu=True, mixed_precision="no")
    compat.forget_precision()
    compat.forget_precision()  # nothing is left to forget


def test_an_accelerator_after_one_on_a_gpu_can_be_on_the_cpu():
    """Accelerate keeps the first device for good; no GPU is needed to see it."""
    from accelerate.state import PartialState

    compat.forget_precision()
    vars(PartialState(cpu=True))["device"] = torch.device("cuda", 0)
    assert Accelerator(cpu=True).device.type == "cuda"
    compat.forget_precision()
    assert compat.forget_device("cpu")
    assert Accelerator(cpu=True).device.type == "cpu"
    compat.forget_precision()


def test_workers_keep_the_device_of_their_group():
    from accelerate.state import PartialState

    compat.forget_precision()
    state = PartialState(cpu=True)
    try:
        vars(state).update(device=torch.device("cuda", 0), num_processes=2)
        assert not compat.forget_device("cpu") and state.device.type == "cuda"
    finally:
        vars(state).clear()


@pytest.mark.parametrize("mark", ["_is_accelerate_prepared", "_another_name"])
def test_a_model_is_as_it_was_whatever_is_written_on_it(mark):
    """What Accelerate writes is seen, not known: another name is taken away too."""

    class Marking(Accelerator):
        def prepare(self, model, optimizer):
            model, optimizer = super().prepare(model, optimizer)
            marked = self.unwrap_model(model)
            vars(marked)[mark] = vars(marked).pop("_is_accelerate_prepared")
            return model, optimizer

    compat.forget_precision()
    model = torch.nn.Linear(2, 1)
    before = dict(vars(model))
    accelerator = Marking(cpu=True, mixed_precision="bf16")
    with compat.prepared(accelerator, model, torch.optim.SGD(model.parameters(), lr=0.1)) as (wrapped, optimizer, bare):
        assert vars(model)[mark] and "forward" in vars(model)
        written = dict(vars(model))
        with bare():
            assert vars(model) == before
        assert vars(model) == written
        wrapped(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    assert vars(model) == before
    assert model(torch.ones(1, 2)).dtype == torch.float32
    compat.forget_precision()


def test_without_check_nothing_is_told_of_a_number(monkeypatch):
    compat.sure(True)
    with pytest.raises(RuntimeError):
        compat.sure(False)
    monkeypatch.delattr(torch, "_check")
    compat.sure(False)
