"""A preset that wants what KuaiRand lacks is refused."""

from typing import Any

import numpy as np
import pytest

from mtmd.config import Feature, load_preset
from mtmd.errors import ConfigError
from mtmd.extras.kuairand.mapping import map_exposures
from mtmd.extras.kuairand.source import read_source
from mtmd.extras.kuairand.tables import LogTables, observed_rate


def test_a_column_without_a_value_is_an_error_that_names_it(made_up: Any) -> None:
    source = read_source(made_up.write([made_up.exposure(1, 100, made_up.midnight)]))
    exposures, _ = map_exposures(source)
    declarations = load_preset("kuairand").declarations
    extra = Feature(name="price", side="item", kind="continuous")
    wanting = declarations.model_copy(update={"features": (*declarations.features, extra)})
    tables = LogTables(source, exposures, np.full((1, 3), 0.5, np.float32), wanting)
    with pytest.raises(ConfigError, match=r"the preset declares \['price'\] of ads"):
        tables.day(int(exposures.day[0]))


def test_an_unknown_upload_date_is_a_missing_age(made_up: Any) -> None:
    videos = made_up.videos(2)
    videos[1]["upload_dt"] = ""
    source = read_source(made_up.write([made_up.exposure(1, 100, made_up.midnight)], video_rows=videos))
    exposures, _ = map_exposures(source)
    declarations = load_preset("kuairand").declarations
    tables = LogTables(source, exposures, np.full((1, 3), 0.5, np.float32), declarations)
    assert tables.day(int(exposures.day[0]))["ads"]["age_days"].to_pylist() == [8.0, None]


def test_a_video_is_an_ad_from_its_upload_or_its_first_exposure(made_up: Any) -> None:
    videos = made_up.videos(3)
    videos[1]["upload_dt"] = videos[2]["upload_dt"] = "2022-04-19"
    source = read_source(made_up.write([made_up.exposure(1, 101, made_up.midnight)], video_rows=videos))
    exposures, _ = map_exposures(source)
    declarations = load_preset("kuairand").declarations
    tables = LogTables(source, exposures, np.full((1, 3), 0.5, np.float32), declarations)
    ads = tables.day(int(exposures.day[0]))["ads"]
    assert ads["ad_id"].to_pylist() == [100, 101]
    assert ads["age_days"].to_pylist() == [8.0, 0.0]


def test_an_observed_rate_is_missing_where_nothing_was_seen() -> None:
    rate = observed_rate(np.array([0.0, 1.0]), np.array([0.0, 4.0]))
    assert rate.to_pylist() == [None, 0.25]
