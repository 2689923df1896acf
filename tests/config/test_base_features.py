from pathlib import Path

import pytest

from mtmd.config import Preset, load_preset
from mtmd.errors import ConfigError
from tests.config.test_preset import derived

MORE = '[[more_features]]\nname = "rank"\nside = "item"\nkind = "continuous"\n'
CHANGE = "[change_features.ad_id]\nbuckets = 77\nmin_count = 2\n"


def test_features_may_be_added_to_those_of_the_base(tmp_path: Path, tiny_preset: Preset) -> None:
    derived(tmp_path, MORE, name="first")
    second = Path(derived(tmp_path, MORE.replace("rank", "size"), base="first.toml", name="second"))
    names = [feature.name for feature in tiny_preset.features]
    assert [feature.name for feature in load_preset(str(second)).features] == [*names, "rank", "size"]


def test_features_of_the_base_may_be_changed_and_keep_what_is_not_said(
    tmp_path: Path, tiny_preset: Preset
) -> None:
    preset = load_preset(derived(tmp_path, CHANGE, MORE))
    change = {"buckets": 77, "min_count": 2}
    expected = [
        feature.model_copy(update=change) if feature.name == "ad_id" else feature
        for feature in tiny_preset.features
    ]
    assert list(preset.features[:-1]) == expected
    assert preset.features[-1].name == "rank"
    assert preset.declarations.item.columns["rank"] == "FLOAT"


@pytest.mark.parametrize(
    "lines",
    [
        [CHANGE, MORE.replace("more_features", "features")],
        [MORE, MORE.replace("more_features", "features")],
        [CHANGE.replace("ad_id", "ad_od")],
        ["change_features.ad_id = 3"],
        [CHANGE + 'name = "ad"'],
        ['more_features = "rank"'],
    ],
)
def test_added_features_are_a_list_and_changed_ones_are_the_bases(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"_features.*must have settings.*list all features instead"):
        load_preset(derived(tmp_path, *lines))


def test_a_change_is_checked_as_a_feature_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="colour"):
        load_preset(derived(tmp_path, CHANGE + 'colour = "red"'))


@pytest.mark.parametrize("lines", [MORE, CHANGE])
def test_features_are_added_and_changed_in_a_base_only(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "alone.toml"
    path.write_text(lines)
    with pytest.raises(ConfigError, match="without a base; list all features"):
        load_preset(str(path))


def test_a_feature_of_both_sides_is_not_changed(tmp_path: Path) -> None:
    derived(tmp_path, MORE + MORE.replace('"item"', '"query"'), name="first")
    with pytest.raises(ConfigError, match="of one feature of the base"):
        load_preset(derived(tmp_path, "[change_features.rank]", "log1p = true", base="first.toml"))
