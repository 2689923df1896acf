"""New values in reports: when a preset is told what they read."""

from mtmd.config import Feature, Preset
from mtmd.evaluate.report import ColdMetrics
from mtmd.report.tables.cold import cold_advice


def cold(feature: str, rows: int, others: int, task: str = "ctr") -> ColdMetrics:
    return ColdMetrics(feature=feature, task=task, rows=rows, others=others, logmae={}, logmae_of_others={})


def features(preset: Preset, **changes: object) -> list[Feature]:
    return [
        feature.model_copy(update=changes) if feature.name == "ad_id" else feature
        for feature in preset.features
    ]


def test_a_feature_that_often_has_new_values_is_told_once_by_its_largest_share(tiny_preset: Preset) -> None:
    found = [cold("ad_id", 5, 95), cold("ad_id", 6, 94, "gctr"), cold("user_id", 4, 96)]
    (words,) = cold_advice(found, tiny_preset.features)
    assert words.startswith("ad_id: in 6% of the rows of gctr the value is new. Such a value reads")
    assert "since the feature has no min_count" in words
    (words,) = cold_advice([cold("ad_id", 5, 95), cold("ad_id", 5, 95, "octr")], tiny_preset.features)
    assert words.startswith("ad_id: in 5% of the rows of ctr")


def test_with_min_count_1_alone_nothing_teaches_what_new_values_read(tiny_preset: Preset) -> None:
    found = [cold("ad_id", 50, 50)]
    (words,) = cold_advice(found, features(tiny_preset, min_count=1))
    assert "since nothing teaches its default" in words
    assert not list(cold_advice(found, features(tiny_preset, min_count=1, dropout=0.2)))
    assert not list(cold_advice(found, features(tiny_preset, min_count=2)))


def test_nothing_is_told_where_new_values_may_read_what_is_trained(tiny_preset: Preset) -> None:
    found = [cold("ad_id", 50, 50), cold("age_days", 50, 50)]
    assert len(list(cold_advice(found, tiny_preset.features))) == 1
    assert not list(cold_advice(found, features(tiny_preset, multi=True)))
    assert not list(cold_advice(found, features(tiny_preset, table="advertiser_id")))
    recent = tiny_preset.features[0].model_copy(update={"name": "recent_ads", "table": "ad_id"})
    assert not list(cold_advice(found, [*tiny_preset.features, recent]))
    assert not list(cold_advice([cold("ad_id", 0, 0)], tiny_preset.features))
