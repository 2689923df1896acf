from pathlib import Path

import pytest
import torch

from mtmd.config import TrainingConfig
from mtmd.train.step import autocast, choose_precision, multiplies_bfloat16


def config(precision: str) -> TrainingConfig:
    return TrainingConfig.model_validate({"loss_weights": {"ctr": 1.0}, "precision": precision})


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("fpu sse avx2 avx512f", False),
        ("avx512f avx512_bf16", True),
        ("amx_bf16 amx_tile", True),
        ("avx512_bf16x", False),
    ],
)
def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it(
    flags: str, fast: bool, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n\nprocessor : 1\n")
    assert multiplies_bfloat16(tmp_path / "cpuinfo") is fast


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_configured_precision_is_taken_as_it_is(precision: str) -> None:
    assert choose_precision(config(precision)) == precision


def test_products_run_in_the_chosen_precision() -> None:
    x = torch.ones(2, 2)
    with autocast("bfloat16", torch.device("cpu")):
        assert (x @ x).dtype == torch.bfloat16
    with autocast("float32", torch.device("cpu")):
        assert (x @ x).dtype == torch.float32
