"""Settings: names, types, ranges, and the way through JSON, on a hand-made configuration and on both real ones."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu import FCOSConfig
from fcos_edu.settings import INFERENCE, ConfigError, Count, Positive, Range, Settings, Share, fields_marked, to_json
from fcos_edu.training.config import TrainConfig


@dataclass(frozen=True)
class Engine(Settings):
    cylinders: Count = 4
    fuel: Literal["petrol", "diesel"] = "petrol"


@dataclass(frozen=True)
class Car(Settings):
    name: str = "car"
    doors: Annotated[int, Range(2, 5), INFERENCE] = 3
    speed: Positive | None = None
    full: Share = 0.5
    half_open: Annotated[float, Range(0, 1, open_high=True)] = 0.0
    sizes: tuple[Count, ...] = ()
    roof: bool = True
    engine: Engine = field(default_factory=Engine)


# ---------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("make", "near"),
    [
        (lambda: Car(dors=3), "doors"),
        (lambda: Car().replace(sped=1.0), "speed"),
        (lambda: Car.from_dict({"rof": True}), "roof"),
        (lambda: Car().replace(**{"engine.cylinder": 3}), "cylinders"),
        (lambda: Car().replace(**{"engin.cylinders": 3}), "engine"),
        (lambda: Car.from_dict({"engine": {"fule": "diesel"}}), "fuel"),
        (lambda: TrainConfig(lrr=1), "lr"),
        (lambda: TrainConfig.from_dict({"iteratons": 1}), "iterations"),
        (lambda: FCOSConfig(num_clases=1), "num_classes"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(make, near):
    with pytest.raises(TypeError, match=f"has no field .*did you mean '{near}'"):
        make()


def test_a_name_like_no_other_lists_all():
    with pytest.raises(TypeError, match="Car has no field 'xyz'; the fields are name, doors, speed"):
        Car(xyz=1)


# ---------------------------------------------------------------------- types and ranges
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name is 3; it must be text"),
        ({"name": Path("a")}, "it must be text"),
        ({"doors": 1}, "doors is 1; it must be at least 2"),
        ({"doors": 6}, "doors is 6; it must be at most 5"),
        ({"doors": 3.0}, "doors is 3.0; it must be a whole number"),
        ({"doors": True}, "doors is True; it must be a whole number"),
        ({"doors": None}, "doors is None; it must be a whole number"),
        ({"speed": 0}, "speed is 0; it must be above 0, or None"),
        ({"speed": "1"}, "speed is '1'; it must be a number"),
        ({"full": 1.01}, "full is 1.01; it must be at most 1"),
        ({"full": math.nan}, "full is nan; it must be a number"),
        ({"full": None}, "full is None; it must be a number"),
        ({"half_open": 1}, "half_open is 1; it must be below 1"),
        ({"half_open": -0.5}, "it must be at least 0"),
        ({"sizes": 64}, "sizes is 64; it must be a list or tuple of whole numbers"),
        ({"sizes": (64.0,)}, "it must be a list or tuple of whole numbers"),
        ({"sizes": (64, 0)}, "sizes is \\(64, 0\\); it must be at least 1"),
        ({"roof": 1}, "roof is 1; it must be True or False"),
        ({"engine": "V8"}, "engine is 'V8'; it must be an Engine \\(its fields are set as engine.NAME\\)"),
        ({"engine.fuel": "disel"}, "fuel is 'disel'; it must be one of petrol, diesel \\(did you mean 'diesel'"),
        ({"engine.cylinders": 0}, "cylinders is 0; it must be at least 1"),
    ],
)
def test_a_value_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Car().replace(**changes)


@given(st.floats(allow_nan=False), st.floats(-2, 2), st.floats(-2, 2), st.booleans(), st.booleans())
def test_a_range_refuses_what_lies_outside_and_names_the_end_that_was_passed(value, a, b, open_low, open_high):
    limits = Range(min(a, b), max(a, b), open_low, open_high)
    inside = (value > limits.low or (value == limits.low and not open_low)) and (
        value < limits.high or (value == limits.high and not open_high)
    )
    assert (value in limits) == inside
    if not inside:
        low = value < limits.low or (value == limits.low and open_low)
        word = ("above" if open_low else "at least") if low else ("below" if open_high else "at most")
        assert limits.words(value) == f"{word} {limits.low if low else limits.high}"


def test_ends_belong_to_a_range_and_none_to_what_may_be_none():
    assert Car(doors=2).doors == 2 and Car(doors=5).doors == 5 and Car(full=0).full == 0 and Car(full=1).full == 1
    assert Car(speed=None).speed is None and Car(speed=math.inf).speed == math.inf
    assert Car(sizes=[1, 2]).sizes == (1, 2)


# ---------------------------------------------------------------------- copies and JSON
def test_a_copy_reaches_into_what_is_inside():
    car = Car().replace(doors=5, **{"engine.fuel": "diesel"})
    assert (car.doors, car.engine) == (5, Engine(fuel="diesel")) and Car().engine.fuel == "petrol"
    both = Car().replace(engine=Engine(cylinders=8), **{"engine.fuel": "diesel"})
    assert both.engine == Engine(8, "diesel")
    with pytest.raises(dataclasses.FrozenInstanceError):
        car.doors = 3


def test_what_has_no_inside_is_told_so():
    with pytest.raises(ConfigError, match="engine is 3; it must be an Engine"):
        Car().replace(engine=3, **{"engine.fuel": "diesel"})
    with pytest.raises(TypeError, match="Car has no field 'doors.left': doors is "):
        Car().replace(**{"doors.left": 1})


@pytest.mark.parametrize(
    "config",
    [
        Car(sizes=(3, 4), speed=math.inf, engine=Engine(8)),
        FCOSConfig.tiny(center_sampling_radius=math.inf),
        TrainConfig(zoom=(0.5, 2.0), clip_norm=math.inf, model=FCOSConfig.paper()),
    ],
)
def test_all_survive_strict_json(config):
    text = json.dumps(config.to_dict(), allow_nan=False)
    again = type(config).from_dict(json.loads(text))
    assert again == config and hash(again) == hash(config)
    assert again.to_dict() == json.loads(text)


def test_what_an_older_file_does_not_name_has_its_default():
    assert Car.from_dict({"doors": 2}) == Car(doors=2)
    assert to_json((1, (math.inf,))) == [1, ["inf"]]


# ---------------------------------------------------------------------- what a field says of itself
def test_the_field_tells_what_inference_may_change():
    assert fields_marked(Car, INFERENCE) == {"doors"}
    assert fields_marked(FCOSConfig, INFERENCE) == {
        "min_size", "max_size", "centerness_inference", "score_threshold", "threshold_on", "sqrt_score",
        "pre_nms_top_k", "nms_threshold", "detections_per_image",
    }  # fmt: skip
