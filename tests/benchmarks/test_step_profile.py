from pathlib import Path

from benchmarks.step_profile import ELEMENTWISE, OUTSIDE, kind_of, main, shares
from tests.conftest import TINY


def test_a_kernel_belongs_to_one_kind() -> None:
    assert kind_of("baddbmm") == "matrix products"
    assert kind_of("leaky_relu_backward") == ELEMENTWISE


def test_shares_are_of_the_step_and_what_is_left_is_said() -> None:
    table = shares(0.2, {ELEMENTWISE: 0.05, "matrix products": 0.1})
    assert table.rows == (("matrix products", 100, "50%"), (ELEMENTWISE, 50, "25%"), (OUTSIDE, 50, "25%"))


def test_it_profiles_a_step(tmp_path: Path) -> None:
    output = tmp_path / "table.md"
    small = ["--days", "1", "--requests-per-day", "60", "--batch-requests", "8", "--steps", "1"]
    assert main(["--preset", TINY, *small, "--output", str(output)]) == 0
    assert "matrix products" in output.read_text()
