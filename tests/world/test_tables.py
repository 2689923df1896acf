from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mtmd.config import Feature, load_preset
from mtmd.contract import TABLES, table_columns
from mtmd.logs import day_directory
from mtmd.world import WorldConfig, day_truth
from tests.world.days import FIRST_DAY, read

DECLARATIONS = load_preset("demo").declarations
FEATURES = (*DECLARATIONS.query.fields, *DECLARATIONS.item.fields)
ARROW = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "FLOAT": pa.float32(),
    "FLOAT[]": pa.list_(pa.float32()),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
}
OUTCOMES = ("position", "clicked", "good_clicked", "outbound_clicked", "hidden", "repinned")


@pytest.fixture(scope="module")
def tables(demo_logs: Path) -> dict[str, pa.Table]:
    return {table: read(demo_logs, table, FIRST_DAY) for table in TABLES}


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.float64)


def null_rate(column: pa.ChunkedArray) -> float:
    return float(column.null_count / len(column))


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_exactly_the_contracts_columns_and_types(demo_logs: Path, table: str) -> None:
    files = str(day_directory(demo_logs, table, FIRST_DAY) / "*.parquet")
    rows = duckdb.sql(f"describe select * from read_parquet('{files}', hive_partitioning = false)").fetchall()
    assert {name: kind for name, kind, *_ in rows} == table_columns(DECLARATIONS)[table]


@pytest.mark.parametrize("table", TABLES)
def test_arrow_types_are_the_contracts(tables: dict[str, pa.Table], table: str) -> None:
    want = {name: ARROW[kind] for name, kind in table_columns(DECLARATIONS)[table].items()}
    got = {field.name: field.type for field in tables[table].schema}
    assert got.keys() == want.keys()
    for name, kind in want.items():
        assert got[name].equals(kind), name


@pytest.mark.parametrize("name", [f.name for f in FEATURES if f.kind == "embedding"])
def test_vectors_are_sixteen_finite_numbers(tables: dict[str, pa.Table], name: str) -> None:
    table = tables["ads" if name == "ad_vector" else "requests"]
    vectors = table[name].combine_chunks().drop_null()
    assert set(pc.list_value_length(vectors).to_pylist()) == {16}
    flat = vectors.flatten()
    assert flat.null_count == 0
    assert np.isfinite(flat.to_numpy()).all()


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.domains], ids=lambda f: f.name)
def test_a_feature_is_null_in_the_domains_that_lack_it(tables: dict[str, pa.Table], feature: Feature) -> None:
    table, domain = ("requests", "surface") if feature.side == "query" else ("ads", "product")
    has = pc.is_in(tables[table][domain], pa.array(feature.domains))
    values = tables[table][feature.name]
    assert pc.all(pc.is_null(values.filter(pc.invert(has)))).as_py()
    assert null_rate(values.filter(has)) < 0.3


def test_continuous_features_are_finite(tables: dict[str, pa.Table]) -> None:
    for feature in FEATURES:
        if feature.kind == "continuous":
            table = tables["requests" if feature.side == "query" else "ads"]
            values = table[feature.name].drop_null().to_numpy()
            assert np.isfinite(values).all(), feature.name
            assert values.std() > 0, feature.name


def test_keys_are_unique_and_joined(tables: dict[str, pa.Table]) -> None:
    requests, ads, candidates = (tables[table] for table in TABLES)
    assert len(set(requests["request_id"].to_pylist())) == len(requests) == 1000
    assert len(set(ads["ad_id"].to_pylist())) == len(ads)
    keys = set(zip(candidates["request_id"].to_pylist(), candidates["ad_id"].to_pylist(), strict=True))
    assert len(keys) == len(candidates)
    assert set(candidates["request_id"].to_pylist()) == set(requests["request_id"].to_pylist())
    assert set(candidates["ad_id"].to_pylist()) <= set(ads["ad_id"].to_pylist())


def test_timestamps_are_inside_the_day_and_agree_with_the_hour(tables: dict[str, pa.Table]) -> None:
    stamps = tables["requests"]["ts"].to_pylist()
    start = datetime.combine(FIRST_DAY, datetime.min.time())
    assert all(start <= stamp < start + timedelta(days=1) for stamp in stamps)
    assert [stamp.hour for stamp in stamps] == tables["requests"]["hour"].to_pylist()
    assert len({stamp.hour for stamp in stamps}) == 24


def test_scores_are_inside_the_unit_interval_and_children_below_parents(tables: dict[str, pa.Table]) -> None:
    candidates = tables["candidates"]
    ctr, gctr = candidates["ctr"].to_numpy(), candidates["gctr"].to_numpy()
    octr = candidates["octr"].to_numpy()
    for values in (ctr, gctr, octr[~np.isnan(octr)]):
        assert values.dtype == np.float32
        assert (values > 0).all()
        assert (values < 1).all()
    assert (gctr <= ctr).all()
    assert not (octr > ctr).any()


def test_outbound_columns_are_null_exactly_on_shopping(tables: dict[str, pa.Table]) -> None:
    ads, candidates = tables["ads"], tables["candidates"]
    product = dict(zip(ads["ad_id"].to_pylist(), ads["product"].to_pylist(), strict=True))
    shopping = [product[ad] == "shopping" for ad in candidates["ad_id"].to_pylist()]
    assert candidates["octr"].is_null().to_pylist() == shopping
    shown = candidates["impressed"].to_pylist()
    want = [is_shopping or not is_shown for is_shopping, is_shown in zip(shopping, shown, strict=True)]
    assert candidates["outbound_clicked"].is_null().to_pylist() == want
    assert pc.all(pc.is_valid(candidates["ctr"])).as_py()
    assert pc.all(pc.is_valid(candidates["gctr"])).as_py()


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name != "outbound_clicked"])
def test_outcomes_are_known_exactly_where_shown(tables: dict[str, pa.Table], outcome: str) -> None:
    candidates = tables["candidates"]
    assert candidates[outcome].is_valid().equals(candidates["impressed"])


def test_good_and_outbound_clicks_are_logged_only_with_a_click(tables: dict[str, pa.Table]) -> None:
    shown = tables["candidates"].filter(pc.field("impressed"))
    no_click = shown.filter(~pc.field("clicked"))
    assert 0 < len(no_click) < len(shown)
    for outcome in ("good_clicked", "outbound_clicked"):
        assert not pc.any(no_click[outcome]).as_py()
        assert pc.any(shown[outcome]).as_py()


def test_missing_rates_differ_by_surface(demo_logs: Path) -> None:
    days = [read(demo_logs, "requests", FIRST_DAY + timedelta(days=day)) for day in range(3)]
    requests = pa.concat_tables(days)
    rates = {
        surface: null_rate(requests.filter(pc.field("surface") == surface)["user_ctr_30d"])
        for surface in ("home_feed", "search", "related_pin")
    }
    assert 0.01 < rates["home_feed"] < 0.08 < rates["related_pin"] < 0.15 < rates["search"] < 0.35


def test_scales_of_shared_features_differ_by_domain(tables: dict[str, pa.Table]) -> None:
    def median(table: str, domain: str, value: str, feature: str) -> float:
        rows = tables[table].filter(pc.field(domain) == value)
        return float(np.median(numbers(rows[feature].drop_null())))

    def ratio(table: str, domain: str, high: str, low: str, feature: str) -> float:
        return median(table, domain, high, feature) / median(table, domain, low, feature)

    assert 50 < ratio("ads", "product", "shopping", "standard", "ad_ctr_7d") < 200
    assert ratio("ads", "product", "shopping", "standard", "ad_impressions_7d") > 4
    assert ratio("requests", "surface", "search", "related_pin", "user_activity") > 10
    assert ratio("requests", "surface", "related_pin", "search", "user_ctr_30d") > 4


def test_new_ads_have_no_rate_yet(tables: dict[str, pa.Table]) -> None:
    new = tables["ads"].filter(pc.field("ad_age_days") == 1)
    assert len(new) == WorldConfig.demo().new_ads_per_day
    assert new["ad_ctr_7d"].null_count == len(new)


def test_an_ads_vector_is_logged_the_same_every_day(demo_logs: Path) -> None:
    days = [read(demo_logs, "ads", FIRST_DAY + timedelta(days=day)) for day in (0, 1)]
    first, second = (
        dict(zip(day["ad_id"].to_pylist(), day["ad_vector"].to_pylist(), strict=True)) for day in days
    )
    both = [ad for ad in first.keys() & second.keys() if first[ad] is not None and second[ad] is not None]
    assert len(both) > 1500
    for ad in both:
        assert first[ad] == second[ad]


def test_the_truth_is_in_no_log(tables: dict[str, pa.Table]) -> None:
    true = day_truth(WorldConfig.demo(), FIRST_DAY).probability.astype(np.float32)
    candidates = tables["candidates"]
    for task, name in enumerate(("ctr", "gctr", "octr")):
        assert (candidates[name].to_numpy() == true[:, task]).mean() < 1e-3
    for table in TABLES:
        assert set(tables[table].column_names) == set(table_columns(DECLARATIONS)[table])
