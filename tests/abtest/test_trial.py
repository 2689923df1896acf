"""Which variants serve beside a day's model."""

from datetime import date

from mtmd.abtest.trial import variants_beside
from mtmd.config import Preset, load_preset
from mtmd.train.additions import Start


def test_the_unconstrained_model_serves_where_there_is_a_tree_and_both_are_trained_anew() -> None:
    preset = load_preset("tiny")
    day = date(2026, 1, 25)
    start = Start(
        model_id="a", as_of=day, training="k", full_model_id="a", full_as_of=day, days=8, epochs=2, rate=0.25
    )
    assert variants_beside(preset, None) == ["unconstrained"]
    assert variants_beside(preset, start) == []
    tasks = [task.model_dump() | {"parent": None} for task in preset.domains.tasks]
    domains = preset.domains.model_dump() | {"tasks": tasks}
    roots = Preset.model_validate(preset.model_dump() | {"domains": domains})
    assert variants_beside(roots, None) == []
