"""The sections of a preset: bounds of their settings, and the paper's values."""

import math

import pytest
from pydantic import BaseModel, ValidationError

from mtmd.config import (
    EvaluationConfig,
    IdsConfig,
    RetentionConfig,
    TrainingConfig,
)
from mtmd.model.mtmd import Settings

MODEL, TRAINING = Settings(emb_deep=8), TrainingConfig(loss_weights=1.0)


def test_the_papers_sizes_are_the_default() -> None:
    model = Settings(emb_deep={"ctr": 128})
    assert model.expert_widths == (512, 256, 128, 128)  # §2.1.3, §2.1.4
    assert model.shallow_widths == (128, 64)  # §2.1.3
    assert model.router_widths == (128, 64)  # §2.1.5
    assert model.leaky_slope == 0.2  # §2.1.3
    assert model.norm == "pre"  # §3.4
    assert model.composition == "concat"


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        (EvaluationConfig(), {"kept": 3}, r"evaluation.kept \(3\) must be at least winners \(4\)"),
        (IdsConfig(), {"ad": "TEXT"}, r"'BIGINT' or 'VARCHAR'"),
        (RetentionConfig(), {"shards": 60}, r"greater than or equal to 61"),
        (MODEL, {"expert_widths": [10**9]}, r"less than or equal to 65536"),
        (TRAINING, {"loss_weights": {"ctr": -1.0}}, r"finite and not negative: \{'ctr': -1.0\}"),
        (TRAINING, {"loss_weights": {"ctr": math.nan}}, r"a finite number"),
        (TRAINING, {"loss_weights": {"ctr": 0.0}}, r"loss weights \{'ctr': 0.0\} must not all be 0"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_refused(
    section: BaseModel, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        type(section).model_validate(section.model_dump() | change)


def test_one_weight_may_be_that_of_every_task_and_one_task_may_weigh_nothing() -> None:
    assert TrainingConfig(loss_weights=0.5).task_weights(("ctr", "gctr")) == (0.5, 0.5)
    assert TrainingConfig(loss_weights={"gctr": 0.0, "ctr": 2.0}).task_weights(("ctr", "gctr")) == (2.0, 0.0)
