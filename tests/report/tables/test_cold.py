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
    assert words.startswith("ad_id: in 6% of the rows the value is new. It reads an embedding")


def test_nothing_is_told_where_new_values_read_what_is_trained_or_there_are_none(tiny_preset: Preset) -> None:
    found = [cold("ad_id", 50, 50), cold("age_days", 50, 50)]
    assert len(list(cold_advice(found, tiny_preset.features))) == 1
    assert not list(cold_advice(found, features(tiny_preset, min_count=1)))
    assert not list(cold_advice(found, features(tiny_preset, multi=True)))
    assert not list(cold_advice([cold("ad_id", 0, 0)], tiny_preset.features))
