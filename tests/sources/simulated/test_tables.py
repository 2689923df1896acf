"""The logs: missing values, and no truth."""

from typing import TYPE_CHECKING

import numpy as np

from mtmd.config import load_preset
from mtmd.sources.simulated.tables import SCHEMAS

if TYPE_CHECKING:
    from tests.sources.simulated.conftest import Simulated


def test_the_truth_is_in_no_column(simulated: "Simulated") -> None:
    """Every number of the logs differs from the true probabilities, and the scores most of all."""
    names = {name for schema in SCHEMAS.values() for name in schema.names}
    assert not {name for name in names if "true" in name or "truth" in name}
    for task, name in enumerate(("ctr", "gctr", "octr")):
        gap = np.abs(simulated.column("candidates", name) - simulated.truth("probability")[:, task])
        assert np.nanmean(gap == 0) < 0.001


def test_features_of_one_domain_are_null_in_the_others(simulated: "Simulated") -> None:
    declarations = load_preset("demo").declarations
    for table, side, key in (("requests", "query", "surface"), ("ads", "item", "product")):
        domain = simulated.column(table, key)
        for feature in getattr(declarations, side).fields:
            if feature.domains is not None:
                values = simulated.column(table, feature.name)[~np.isin(domain, feature.domains)]
                assert all(value is None or np.isnan(value) for value in values), feature.name
