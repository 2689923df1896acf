from pathlib import Path

import pytest

from mtmd.config import Preset, load_preset
from mtmd.config.preset_files import read_said
from mtmd.errors import ConfigError
from tests.config.test_preset import derived

MORE = '[[more_features]]\nname = "rank"\nside = "item"\nkind = "continuous"\n'


CHANGE = "[change_features.ad_id]\nbuckets = 77\nmin_count = 2\n"


def test_features_may_be_added_to_those_of_the_base(tmp_path: Path, tiny_preset: Preset) -> None:
    derived(tmp_path, MORE, name="first")
    second = Path(derived(tmp_path, MORE.replace("rank", "size"), base="first.toml", name="second"))
    names = [feature.name for feature in tiny_preset.features]
    assert [feature.name for feature in load_preset(str(second)).features] == [*names, "rank", "size"]
    assert read_said(second)["features"].file == second


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
    ("lines", "message"),
    [
        ([CHANGE, MORE.replace("more_features", "features")], "has features and change_features"),
        (
            [CHANGE.replace("ad_id", "ad_od")],
            r"change_features of \['ad_od'\], which its base lacks; its features are",
        ),
        (
            ["change_features.ad_id = 3"],
            r"change_features \{'ad_id': 3\}; write \[change_features.name\] above",
        ),
        ([CHANGE + 'name = "ad"'], r"of \['ad_id'\] with a name; a feature keeps its name"),
        ([CHANGE + 'colour = "red"'], "colour"),
        (
            [MORE, MORE.replace("more_features", "features")],
            r"has features and more_features; .* list all there",
        ),
        (
            ['more_features = "rank"'],
            r"more_features 'rank', which is no list; write \[\[more_features\]\] above",
        ),
    ],
)
def test_added_features_are_a_list_and_changed_ones_are_the_bases(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset(derived(tmp_path, *lines))


@pytest.mark.parametrize("lines", [MORE, CHANGE])
def test_features_are_added_and_changed_in_a_base_only(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "alone.toml"
    path.write_text(lines)
    with pytest.raises(ConfigError, match="_features and no base; declare them as features"):
        load_preset(str(path))


def test_a_feature_of_both_sides_is_not_changed(tmp_path: Path) -> None:
    derived(tmp_path, MORE + MORE.replace('"item"', '"query"'), name="first")
    with pytest.raises(
        ConfigError, match=r"of \['rank'\], and features of both sides have that name; list all"
    ):
        load_preset(
            derived(tmp_path, "[change_features.rank]", "log1p = true", base="first.toml", name="second")
        )
