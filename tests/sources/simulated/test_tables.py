"""The logs: contract columns and types, missing values, scales, and no truth."""

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import load_preset
from mtmd.logs.contract import TABLES, table_columns
from mtmd.sources.simulated.tables import SCHEMAS

if TYPE_CHECKING:
    from tests.sources.simulated.conftest import Simulated

TINY = "tiny"
SURFACES = ("home_feed", "search", "related_pin")


@pytest.mark.parametrize("preset", ["demo", TINY])
def test_columns_and_types_are_exactly_the_contract(simulated: "Simulated", preset: str) -> None:
    expected = table_columns(load_preset(preset).declarations)
    for table in TABLES:
        path = str(simulated.logs / table / f"date={simulated.days[0]}" / "*.parquet")
        found = duckdb.sql(f"describe from read_parquet('{path}', hive_partitioning = false)").fetchall()
        assert {row[0]: row[1] for row in found} == expected[table]


def test_the_truth_is_in_no_column(simulated: "Simulated") -> None:
    """Every number of the logs differs from the true probabilities, and the scores most of all."""
    names = {name for schema in SCHEMAS.values() for name in schema.names}
    assert not {name for name in names if "true" in name or "truth" in name}
    for task, name in enumerate(("ctr", "gctr", "octr")):
        gap = np.abs(simulated.column("candidates", name) - simulated.truth("probability")[:, task])
        assert np.nanmean(gap == 0) < 0.001


_ABSENT = {"query_vector": {"search"}, "subject_saves": {"related_pin"}}


def test_features_of_one_domain_are_null_in_the_others(simulated: "Simulated") -> None:
    declarations = load_preset("demo").declarations
    for table, side, key in (("requests", "query", "surface"), ("ads", "item", "product")):
        domain = simulated.column(table, key)
        for feature in getattr(declarations, side).fields:
            if feature.domains is not None:
                values = simulated.column(table, feature.name)[~np.isin(domain, feature.domains)]
                assert all(value is None or np.isnan(value) for value in values), feature.name


def test_every_declared_feature_has_values_where_it_belongs(simulated: "Simulated") -> None:
    declarations = load_preset("demo").declarations
    for table, side, key in (("requests", "query", "surface"), ("ads", "item", "product")):
        domain = simulated.column(table, key)
        for feature in getattr(declarations, side).fields:
            for name in feature.domains or getattr(declarations, side).domains:
                values = simulated.column(table, feature.name)[domain == name]
                present = pa.array(values.tolist(), from_pandas=True).drop_null()
                assert len(present) > 0.3 * len(values), (feature.name, name)


def test_domains_are_very_unequal_and_none_is_empty(simulated: "Simulated") -> None:
    domain = simulated.truth("surface") * 2 + simulated.truth("product")
    shares = np.bincount(domain, minlength=6) / len(domain)
    assert 0.02 < shares.min() < 0.05
    assert shares.max() > 8 * shares.min()
