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
