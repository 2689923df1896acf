"""Random numbers by name."""

import numpy as np
import pytest

from mtmd.sources.simulated.population import generator, normals, uniforms

IDS = np.arange(20_000)
PINNED = [[0.8204159388830714, 0.7566586268856474], [0.6876897448742969, 0.23848366531439008]]


def test_an_entity_is_the_same_in_any_company() -> None:
    together, alone = normals(1, "user", IDS, 5), normals(1, "user", IDS[777:778], 5)
    np.testing.assert_array_equal(together[777:778], alone)


def test_hashed_numbers_are_pinned() -> None:
    """Other numbers here mean another world for the same seed."""
    found = uniforms(0, "user", np.array([0, 1]), 2)
    np.testing.assert_allclose(found, PINNED, rtol=1e-12)


@pytest.mark.parametrize(("seed", "purpose"), [(2, "user"), (1, "ad")])
def test_seeds_and_purposes_are_independent(seed: int, purpose: str) -> None:
    a, b = uniforms(1, "user", IDS, 1)[:, 0], uniforms(seed, purpose, IDS, 1)[:, 0]
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert generator(1, "user").random() != generator(seed, purpose).random()
