"""Thresholds: their bounds."""

import pytest
from pydantic import ValidationError

from mtmd.config import ABTestConfig, DataConfig, EvaluationConfig, GatesConfig, load_preset, preset_names


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (DataConfig, {"min_domain_rows": -1}, r"greater than or equal to"),
        (DataConfig, {"stop_mix_factor": 1.0}, r"greater than 1"),
        (DataConfig, {"stop_null_change": 1.5}, r"less than or equal to 1"),
        (DataConfig, {"min_trailing_days": 2}, r"greater than or equal to 3"),
        (DataConfig, {"trailing_days": 4}, r"trailing_days \(4\) must be at least min_trailing_days \(5\)"),
        (DataConfig, {"accepted": {"2026-01-02": ""}}, r"at least 1 character"),
        (DataConfig, {"mix_band": 0.5}, r"Extra inputs are not permitted"),
        (EvaluationConfig, {"buckets": 1}, r"greater than or equal to 2"),
        (EvaluationConfig, {"replay_top": 0}, r"greater than or equal to 1"),
        (EvaluationConfig, {"replay_kept": ()}, r"at least 1 item"),
        (
            EvaluationConfig,
            {"replay_kept": (2, 5)},
            r"replay_kept \[2, 5\] must ascend from replay_top \(3\)",
        ),
        (
            EvaluationConfig,
            {"replay_kept": (5, 5)},
            r"replay_kept \[5, 5\] must ascend from replay_top \(3\)",
        ),
        (EvaluationConfig, {"value_weights": {"ctr": 0.0}}, r"value_weights\.ctr\n.*greater than 0"),
        (EvaluationConfig, {"value_weights": {"ctr": float("inf")}}, r"value_weights\.ctr\n.*finite number"),
        (GatesConfig, {"calibration_low": 1.0}, r"less than 1"),
        (GatesConfig, {"calibration_high": 1.0}, r"greater than 1"),
        (GatesConfig, {"baseline_tolerance": -0.1}, r"greater than or equal to 0"),
        (GatesConfig, {"parity_score": 0}, r"greater than 0"),
        (GatesConfig, {"parity": 0.1}, r"Extra inputs are not permitted"),
        (ABTestConfig, {"samples": 4}, r"greater than or equal to 5"),
        (ABTestConfig, {"requests": 49}, r"greater than or equal to 50"),
        (ABTestConfig, {"gates": True}, r"Extra inputs are not permitted"),
    ],
)
def test_a_threshold_out_of_bounds_is_refused(config: type, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config.model_validate(change)


def test_scores_must_agree_to_one_in_a_hundred_thousand_by_default() -> None:
    assert GatesConfig().parity_score == 1e-5


def test_nothing_serves_in_a_daily_run_unless_a_preset_asks_for_it() -> None:
    assert ABTestConfig() == ABTestConfig(gate=False, samples=20, requests=8000)
    assert not any(load_preset(name).ab_test.gate for name in preset_names())
    assert len(preset_names()) == 8
