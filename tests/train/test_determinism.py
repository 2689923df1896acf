import pytest
import torch

from mtmd.train.step import deterministic


def settings() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


def test_kernels_are_deterministic_inside_and_settings_come_back() -> None:
    before = settings()
    with deterministic():
        assert settings() == (True, False, False)
    assert settings() == before


def test_settings_come_back_after_an_error_too() -> None:
    before = settings()
    with pytest.raises(KeyError), deterministic():
        raise KeyError
    assert settings() == before


def test_a_caller_that_was_deterministic_stays_so() -> None:
    before = settings()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic():
            pass
        assert settings() == (True, True, True)
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
