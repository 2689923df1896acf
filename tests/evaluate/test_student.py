import pytest

from mtmd.evaluate.student import quantile, tail


@pytest.mark.parametrize(
    ("t", "degrees", "chance"),
    [
        (2.776445, 4, 0.025), (4.604095, 4, 0.005), (-2.776445, 4, 0.975), (2.570582, 5, 0.025),
        (2.262157, 9, 0.025), (2.093024, 19, 0.025), (3.0, 19, 0.00368086), (1.971957, 199, 0.025), (0.0, 7, 0.5),
    ],
)  # fmt: skip
def test_students_tail_is_the_tables(t: float, degrees: int, chance: float) -> None:
    assert tail(t, degrees) == pytest.approx(chance, rel=1e-5)


@pytest.mark.parametrize(
    ("confidence", "degrees", "t"),
    [(0.95, 1, 12.7062), (0.95, 2, 4.30265), (0.95, 9, 2.262157), (0.95, 30, 2.042272), (0.99, 4, 4.604095)],
)
def test_students_quantile_is_the_tables(confidence: float, degrees: int, t: float) -> None:
    assert quantile(confidence, degrees) == pytest.approx(t, rel=1e-5)
