"""Model and training configuration: the paper's values, and what is refused."""

import math

import pytest
from pydantic import ValidationError

from mtmd.config import ModelConfig, TrainingConfig, TwoTowerConfig


def test_the_papers_sizes_are_the_default() -> None:
    model = ModelConfig(emb_deep={"ctr": 128})
    assert model.expert_widths == (512, 256, 128, 128)  # §2.1.3, §2.1.4
    assert model.shallow_widths == (128, 64)  # §2.1.3
    assert model.router_widths == (128, 64)  # §2.1.5
    assert model.leaky_slope == 0.2  # §2.1.3
    assert model.norm == "pre"  # §3.4
    assert model.composition == "concat"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert_widths": ()}, r"at least 1 item"),
        ({"leaky_slope": 1.0}, r"less than 1"),
        ({"norm": "both"}, r"'pre', 'post' or 'none'"),
        ({"composition": "mean"}, r"'concat' or 'sum'"),
        ({"cross_layers": -1}, r"greater than or equal to 0"),
        ({"norm_min_rows": 1}, r"greater than or equal to 2"),
        ({"statistics": "day"}, r"'window', 'batch' or 'none'"),
        ({"clip": -1.0}, r"greater than or equal to 0"),
        ({"clip": math.inf}, r"finite number"),
        ({"missing_numbers": "mean"}, r"'learned' or 'zero'"),
        ({"se_gate": "tanh"}, r"'double_sigmoid', 'sigmoid' or 'none'"),
        ({"inputs": "some"}, r"'all' or 'own'"),
        ({"bias": "zero"}, r"'learned', 'fixed' or 'none'"),
        ({"expert_widths": [10**9]}, r"less than or equal to 65536"),
        ({"router_widths": [0]}, r"greater than or equal to 1"),
        ({"emb_deep": 10**9}, r"less than or equal to 65536"),
        ({"cross_rank": 10**9}, r"less than or equal to 65536"),
        ({"dropout": 0.1}, r"Extra inputs are not permitted"),
    ],
)
def test_a_wrong_model_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate({"emb_deep": {"ctr": 128}} | change)


def test_later_switches_are_dumped_only_where_they_are_set() -> None:
    """Outputs are named by the dump: those of before the switches keep their names."""
    later = {"statistics", "clip", "missing_numbers", "se_gate", "inputs", "bias"}
    assert not later & ModelConfig(emb_deep=8).model_dump().keys()
    changed = {
        "statistics": "batch",
        "clip": 0.0,
        "missing_numbers": "zero",
        "se_gate": "none",
        "inputs": "own",
    }
    model = ModelConfig.model_validate({"emb_deep": 8, "bias": "none"} | changed)
    assert later <= model.model_dump().keys()
    assert ModelConfig.model_validate(model.model_dump()) == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss_weights": {"ctr": -1.0}}, r"finite and not negative: \{'ctr': -1.0\}"),
        ({"loss_weights": {"ctr": math.nan}}, r"finite and not negative: \{'ctr': nan\}"),
        ({"loss_weights": {"ctr": math.inf}}, r"finite and not negative: \{'ctr': inf\}"),
        ({"loss_weights": {"ctr": 0.0}}, r"loss weights \{'ctr': 0.0\} must not all be 0"),
        ({"loss_weights": 0.0}, r"must not all be 0"),
        ({"loss_weights": -2.0}, r"finite and not negative"),
        ({"learning_rate": 0.0}, r"greater than 0"),
        ({"learning_rate": math.inf}, r"less than inf"),
        ({"weight_decay": math.inf}, r"less than inf"),
        ({"seed": 2**64}, r"less than 9223372036854775808"),
        ({"epochs": 0}, r"greater than or equal to 1"),
        ({"warmup_fraction": 1.0}, r"less than 1"),
        ({"validation_fraction": 0.5}, r"less than 0.5"),
        ({"precision": "float16"}, r"'auto', 'float32' or 'bfloat16'"),
        ({"lr": 0.1}, r"Extra inputs are not permitted"),
        ({"cross": {"tower_widths": [-512]}}, r"greater than or equal to 1"),
        ({"cross": {"pair_widths": [10**9]}}, r"less than or equal to 65536"),
        ({"cross": {"meeting_width": 10**9}}, r"less than or equal to 65536"),
        ({"cross": {"learning_rate": math.inf}}, r"finite number"),
    ],
)
def test_wrong_training_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingConfig.model_validate({"loss_weights": {"ctr": 1.0}} | change)


def test_one_task_may_weigh_nothing() -> None:
    assert TrainingConfig(loss_weights={"ctr": 1.0, "gctr": 0.0}).loss_weights["gctr"] == 0.0


def test_one_weight_may_be_that_of_every_task() -> None:
    assert TrainingConfig(loss_weights=0.5).task_weights(("ctr", "gctr")) == (0.5, 0.5)
    assert TrainingConfig(loss_weights={"gctr": 1.0, "ctr": 2.0}).task_weights(("ctr", "gctr")) == (2.0, 1.0)


def test_a_two_tower_needs_a_layer() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        TwoTowerConfig(widths=())
