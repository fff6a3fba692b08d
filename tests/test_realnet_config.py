"""Configs: what is refused and how it says so; keys, grids, phases; what importing costs."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import realnet as rn
from realnet.config import from_dict, from_json
from realnet.training.life import measured_steps

PARENT = rn.RunConfig(p=11, dataset_size=60, steps=100)
KNOWN = ("bd5820fb61bb7590", "9175e128d68bfa5a")


@pytest.mark.parametrize(
    ("fields", "requirement", "received", "remedy"),
    [
        ({"task": "div", "p": 12}, "prime modulus", "12", "Choose a prime"),
        ({"p": 11, "dataset_size": 122}, "must not exceed the 121 pairs", "122", "at most 121"),
        ({"d_model": 100, "n_heads": 3}, "n_heads must divide d_model", "n_heads=3", "Change one"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and at least 0", "-0.1", "Choose weight_decay"),
        ({"weight_decay": float("nan")}, "weight_decay must be finite", "nan", "Choose weight_decay"),
        ({"learning_rate": 0}, "greater than 0", "0", "Choose learning_rate"),
        ({"task": "ad"}, "task must be one of add", "'ad'", "Choose a task"),
        ({"task": "s5_xy", "p": 7}, "p = 120", "7", "Leave p out"),
        ({"optimizer": "lion"}, "optimizer must be one of adamw", "'lion'", "Choose"),
        ({"seed": 1.5}, "seed must be an integer", "1.5", "integer"),
        ({"steps": True}, "steps must be an integer", "True", "integer"),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers in [0, 1)", "1.0", "(0.9, 0.98)"),
        ({"corrupted": 1.5}, "share of the labels", "1.5", "Choose a share"),
        ({"p": 11, "dataset_size": 50, "phases": [rn.Phase(5), rn.Phase(5, dataset_size=60)]},
         "phases[1].dataset_size is nested", "60", "nested=False"),
        ({"p": 11, "phases": [rn.Phase(5, task="div")]}, "pairs of task 'add'", "'div'", "Start a new run"),
        ({"start_from": PARENT, "p": 13}, "p must be that of start_from", "13", "weights must fit"),
        ({"start_from": PARENT, "p": 11, "dataset_size": 70}, "nested", "70", "nested=False"),
        ({"start_from": PARENT, "p": 11, "dataset_size": 9, "seed": 1}, "parent's split", "1", "data_seed=0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_requirement_value_and_remedy(
    fields: dict[str, object], requirement: str, received: str, remedy: str
) -> None:
    with pytest.raises(rn.ConfigError) as caught:
        rn.RunConfig(**fields)
    message = str(caught.value)
    assert requirement in message
    assert received in message.split("received", 1)[1]
    assert remedy in message


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_a_phase_needs_steps(steps: float) -> None:
    with pytest.raises(rn.ConfigError, match=r"Phase.steps .*received"):
        rn.Phase(steps)


def test_unknown_keys_and_axes_are_refused() -> None:
    with pytest.raises(rn.ConfigError, match=r"width.*Correct the spelling"):
        from_dict({"width": 3})
    with pytest.raises(rn.ConfigError, match=r"axis must be one of.*'sede'"):
        rn.grid(PARENT, sede=[1])
    with pytest.raises(rn.ConfigError, match="needs a base with phases"):
        rn.grid(PARENT, final_dataset_size=[1])
    with pytest.raises(rn.ConfigError, match="at least one RunConfig"):
        rn.train([])


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"device must be one that this machine has; received 'cuda:77'.*auto"):
        rn.train(PARENT, device="cuda:77")


def test_a_phase_may_grow_the_data_set_if_told() -> None:
    run = rn.RunConfig(p=11, dataset_size=50, phases=[rn.Phase(5), rn.Phase(5, dataset_size=60, nested=False)])
    assert [s.dataset_size for s in run.stages] == [50, 60]


@given(
    seed=st.integers(0, 10**9),
    decay=st.floats(0, 10),
    sizes=st.lists(st.integers(1, 60), max_size=3),
    parent=st.booleans(),
)
def test_json_gives_back_an_equal_config_of_equal_key(seed: int, decay: float, sizes: list[int], parent: bool) -> None:
    phases = [rn.Phase(3, dataset_size=s) for s in sorted(sizes, reverse=True)]
    start = dataclasses.replace(PARENT, seed=seed) if parent else None
    run = rn.RunConfig(
        p=11, dataset_size=60, seed=seed, weight_decay=decay, phases=phases, start_from=start
    )  # fmt: skip
    again = from_json(run.to_json())
    assert again == run
    assert again.key == run.key
    assert hash(again) == hash(run)
    assert dataclasses.replace(run, seed=seed + 1, data_seed=seed).key != run.key


def test_stages_inherit_what_a_phase_leaves_out() -> None:
    phases = [rn.Phase(3), rn.Phase(4, dataset_size=20), rn.Phase(5, weight_decay=0.0, task="random")]
    run = rn.RunConfig(p=11, dataset_size=60, weight_decay=0.5, steps=999, phases=phases)
    assert run.steps == 12
    assert [(s.start, s.stop, s.dataset_size, s.weight_decay, s.task) for s in run.stages] == [
        (0, 3, 60, 0.5, "add"), (3, 7, 20, 0.5, "add"), (7, 12, 20, 0.0, "random"),
    ]  # fmt: skip


def test_grid_has_every_combination_once() -> None:
    runs = rn.grid(PARENT, dataset_size=[10, 20], weight_decay=[0.1, 1.0, 2.0], seed=range(4))
    assert len(runs) == len(set(runs)) == len({r.key for r in runs}) == 24
    base = dataclasses.replace(PARENT, phases=(rn.Phase(5), rn.Phase(5, dataset_size=9)))
    assert [r.stages[-1].dataset_size for r in rn.grid(base, final_dataset_size=[5, 6])] == [5, 6]


def test_grid_can_give_every_seed_its_own_parent() -> None:
    base = dataclasses.replace(PARENT, dataset_size=10, start_from=PARENT)
    runs = rn.grid(base, seed=range(3), start_from=lambda run: dataclasses.replace(PARENT, seed=run.seed))
    assert [r.start_from.seed for r in runs] == [0, 1, 2]


def test_measured_steps_are_log_spaced_anew_in_each_phase() -> None:
    run = rn.RunConfig(p=11, points_per_decade=5, phases=[rn.Phase(1000), rn.Phase(100)])
    steps = measured_steps(run)
    assert {0, 1, 1000, 1001, 1100} <= set(steps)
    first = [s for s in steps if 10 <= s <= 1000]
    ratios = [b / a for a, b in itertools.pairwise(first)]
    assert max(ratios) < 1.8
    assert len(steps) < 40


def test_importing_realnet_loads_neither_torch_nor_toymodel() -> None:
    code = "import sys, realnet; print(sorted(m for m in ('torch', 'toymodel', 'xarray') if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_realnet_never_imports_toymodel() -> None:
    code = "import sys, realnet.training.train, realnet.__main__; print('toymodel' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"betas": 0.9}, "betas must be two numbers; received 0.9"),
        ({"betas": (0.9, 0.98, 0.99)}, "betas must be two numbers"),
        ({"betas": ("a", "b")}, "betas must be two numbers"),
        ({"phases": None}, "phases must be Phases in their order; received None"),
        ({"phases": "abc"}, "phases must be Phases"),
        ({"phases": [{"stepps": 3}]}, "a Phase's keys are"),
        ({"phases": [{"dataset_size": 3}]}, "a Phase must say its steps"),
        ({"corrupted": "a"}, "corrupted must be a number; received 'a'"),
        ({"biases": "no"}, "biases must be True or False; received 'no'"),
        ({"layer_norm": 1}, "layer_norm must be True or False; received 1"),
        ({"task": None}, "task must be a text; received None"),
        ({"learning_rate": True}, "learning_rate must be a number; received True"),
        ({"start_from": 3}, "start_from must be a RunConfig; received 3"),
        ({"start_from": replace(PARENT, network="mlp"), "p": 11, "dataset_size": 9, "network": "mlp",
          "embedding": False}, "embedding must be that of start_from (True); received False"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_in_the_house_form(fields: dict[str, object], message: str) -> None:
    with pytest.raises(rn.ConfigError) as caught:
        rn.RunConfig(**fields)
    assert message in str(caught.value)


def test_a_config_of_before_a_field_was_renamed_is_the_same_run() -> None:
    child = replace(PARENT, network="mlp", start_from=replace(PARENT, network="mlp"), dataset_size=30)
    before = child.to_json().replace('"network":', '"architecture":')
    assert before.count('"architecture":"mlp"') == 2
    assert from_json(before) == child
    assert from_json(before).key == child.key


def test_how_one_measures_is_no_part_of_the_key_but_what_cannot_be_made_good_is() -> None:
    same = replace(PARENT, light_every=7, points_per_decade=3, steps=2000)
    assert same.key == PARENT.key
    history = replace(PARENT, weight_history=True)
    assert history.key != PARENT.key
    assert replace(history, steps=2000).key == history.key


def test_numbers_of_numpy_become_pythons_own() -> None:
    run = rn.RunConfig(p=np.int64(11), dataset_size=np.int32(60), weight_decay=np.float32(0.5), biases=np.bool_(True))
    plain = rn.RunConfig(p=11, dataset_size=60, weight_decay=0.5, biases=True)
    assert run == plain
    assert run.to_json() == plain.to_json()
    assert [type(x) for x in (run.p, run.weight_decay, run.biases)] == [int, float, bool]


def test_equal_configs_have_equal_keys_however_they_are_spelled() -> None:
    base = rn.RunConfig(p=11, dataset_size=60, weight_decay=1, steps=100)
    for same in (
        {"weight_decay": 1.0},
        {"steps": 100_000},
        {"light_every": 7, "points_per_decade": 3},
        {"nested": False},
        {"data_seed": 0},
        {"phases": [rn.Phase(40)]},
        {"phases": [rn.Phase(40, dataset_size=60, weight_decay=1), rn.Phase(60)]},
        {"keep_optimizer": True},  # of no parent
    ):
        assert replace(base, **same).key == base.key, same


def test_whatever_changes_the_physics_changes_the_key() -> None:
    base = replace(PARENT, dataset_size=20)
    other = [
        base,
        replace(base, seed=1),
        replace(base, data_seed=1),
        replace(base, weight_decay=0.9),
        replace(base, betas=(0.9, 0.99)),
        replace(base, optimizer="sgd"),
        replace(base, dtype="float64"),
        replace(base, warmup=3),
        replace(base, fixed_norm=True),
        replace(base, phases=[rn.Phase(40), rn.Phase(60, dataset_size=10)]),
        replace(base, phases=[rn.Phase(41), rn.Phase(59, dataset_size=10)]),
        replace(base, phases=[rn.Phase(40), rn.Phase(60, dataset_size=10, keep_optimizer=False)]),
        replace(base, phases=[rn.Phase(40), rn.Phase(60, keep_optimizer=False)]),
        replace(base, start_from=PARENT),
        replace(base, start_from=replace(PARENT, steps=101)),  # how long a parent trained is its child's start
        replace(base, start_from=PARENT, keep_optimizer=False),
    ]
    assert len({run.key for run in other}) == len(other)
    longer = replace(base, phases=[rn.Phase(40), rn.Phase(600, dataset_size=10)])
    assert longer.key in {run.key for run in other}


def test_a_new_field_at_its_default_changes_no_key() -> None:
    @dataclasses.dataclass(frozen=True)
    class Later(rn.RunConfig):
        invented: str = "as before"

    fields = {"p": 11, "dataset_size": 60}
    assert Later(**fields).key == rn.RunConfig(**fields).key
    assert Later(**fields, invented="new").key != rn.RunConfig(**fields).key


def test_the_key_of_a_known_run_stays_what_it_was() -> None:
    # Whoever changes this orphans every checkpoint there is.
    assert rn.RunConfig().key == KNOWN[0]
    phases = [rn.Phase(5), rn.Phase(5, 4)]
    run = replace(PARENT, dataset_size=9, weight_decay=0.25, start_from=PARENT, keep_optimizer=False, phases=phases)
    assert run.key == KNOWN[1]


@pytest.mark.parametrize(
    ("name", "field"), [("lr", "learning_rate"), ("seeds", "seed"), ("weight_deca", "weight_decay")]
)
def test_a_field_that_does_not_exist_is_refused_with_the_one_that_was_meant(name: str, field: str) -> None:
    wrong: dict[str, Any] = {name: 1}
    said = rf"received '{name}'. Did you mean '{field}'\?"
    with pytest.raises(rn.ConfigError, match=said):
        rn.RunConfig(**wrong)
    with pytest.raises(rn.ConfigError, match=said):
        replace(rn.RunConfig(), **wrong)
    with pytest.raises(rn.ConfigError, match=said):
        rn.grid(rn.RunConfig(), **{name: [1]})


@pytest.mark.parametrize(
    ("field", "name", "offer"), [("optimizer", "Adam", "adam"), ("network", "transfomer", "transformer")]
)
def test_a_choice_that_does_not_exist_is_refused_with_the_one_that_was_meant(field: str, name: str, offer: str) -> None:
    wrong: dict[str, Any] = {field: name}
    with pytest.raises(rn.ConfigError, match=rf"Did you mean '{offer}'\?"):
        rn.RunConfig(**wrong)


def test_a_number_too_small_to_be_normal_is_0_for_whoever_reads_it() -> None:
    """Workers flush such numbers to 0: a checkpoint of one would be another config's where it is read again."""

    def made(tiny: float) -> rn.RunConfig:
        phases = (rn.Phase(3, weight_decay=tiny, corrupted=tiny),)
        few = {"betas": (tiny, 0.9), "corrupted": tiny, "dropout": tiny, "options": {"a": tiny, "b": [tiny]}}
        stop = rn.Stop("norm", at_most=tiny)
        return rn.RunConfig(weight_decay=tiny, groups={"*": {"learning_rate": tiny}}, phases=phases, stop=stop, **few)

    assert made(1e-320) == made(0.0)
    assert made(1e-320).key == made(0.0).key
    assert made(1e-300) != made(0.0)
    for name in ("epsilon", "learning_rate", "init_scale", "temperature"):
        with pytest.raises(rn.ConfigError, match=f"{name} must be finite and greater than 0"):
            rn.RunConfig(**{name: 1e-320})
