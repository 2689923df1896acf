"""Random numbers by name."""

import numpy as np
import pytest

from mtmd.sources.simulated.streams import generator, normals, pick, power_law, uniforms

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


def test_uniforms_and_normals_have_their_moments() -> None:
    u, z = uniforms(5, "x", IDS, 3), normals(5, "x", IDS, 3)
    assert u.min() > 0
    assert u.max() < 1
    np.testing.assert_allclose(u.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(z.mean(0), 0.0, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.04)


def test_places_of_a_purpose_have_streams_of_their_own() -> None:
    assert generator(0, "day", 1).random() == generator(0, "day", 1).random()
    assert generator(0, "day", 1).random() != generator(0, "day", 2).random()


def test_pick_follows_the_weights() -> None:
    np.testing.assert_array_equal(pick(np.array([0.1, 0.3, 0.99]), np.array([1.0, 1.0, 2.0])), [0, 1, 2])


def test_power_law_prefers_low_ranks_and_stays_inside() -> None:
    ranks = power_law(np.array([0.0, 0.5, 1.0]), 100, 2.0)
    np.testing.assert_array_equal(ranks, [0, 25, 99])
