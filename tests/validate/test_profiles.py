"""The profile of a staged day; its counts and means are pinned in test_runner.py."""

from hashlib import md5
from pathlib import Path

from mtmd.config import Preset
from mtmd.validate.profiles import CELLS
from tests.validate.conftest import DAY, Logs


def test_categories_are_counted_by_the_md5_of_their_values(logs) -> None:
    profile = logs.validate().profile
    found = {(one.table, one.domain, one.feature): one.cells for one in profile.categories}
    # Of the 20 requests of search two have no country, and all others a value of their own.
    cells = found["requests", "search", "country"]
    assert sum(cells.values()) == 18
    value = b"value-625"  # of request 1
    assert cells[int.from_bytes(md5(value).digest()[8:], "little") % CELLS] >= 1


def test_features_that_a_domain_lacks_have_no_categories(logs) -> None:
    profile = logs.validate().profile
    assert not [one for one in profile.categories if (one.domain, one.feature) == ("search", "history_topic")]
    assert profile.null_rates[0].rows == 20


def test_a_feature_may_be_called_as_a_column_of_the_profile(tiny_preset: Preset, tmp_path: Path) -> None:
    """Null rates are counted by domain, and a landing page's domain is a plausible feature."""
    values = tiny_preset.model_dump(mode="json")
    for feature in values["features"]:
        if feature["name"] == "category":
            feature["name"] = "domain"
    logs = Logs(tmp_path, Preset.model_validate(values))
    logs.write(DAY)
    profile = logs.validate().profile
    assert {(one.domain, "domain" in one.rates) for one in profile.null_rates if one.table == "ads"} == {
        ("standard", True),
        ("shopping", True),
    }
