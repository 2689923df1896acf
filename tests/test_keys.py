import math
from typing import Any

import pytest

from mtmd.config import Preset
from mtmd.evaluate import stage as evaluation
from mtmd.evaluate.stage import evaluation_key
from mtmd.export import stage as candidate
from mtmd.export.stage import candidate_key
from mtmd.train import trainer as training
from mtmd.train.stage import training_key
from tests.train.windows import with_rival


def _changed(preset: Preset, part: str, **values: Any) -> Preset:
    """Values are validated: a field that there is not is an error."""
    changed = preset.model_dump()[part] | values
    return Preset.model_validate(preset.model_dump() | {part: changed})


def test_a_training_is_named_by_its_window_kind_and_configuration(tiny_preset: Preset) -> None:
    base = training_key("mtmd", "window", tiny_preset)
    assert base == training_key("mtmd", "window", tiny_preset)
    others = {
        training_key("mtmd", "another window", tiny_preset),
        training_key("pooled", "window", tiny_preset),
        training_key("mtmd", "window", _changed(tiny_preset, "model", cross_rank=8)),
        training_key("mtmd", "window", _changed(tiny_preset, "training", epochs=6)),
        training_key("mtmd", "window", _changed(tiny_preset, "training", weight_decay=0.3)),
        training_key("mtmd", "window", _changed(tiny_preset, "training", half_life_days=3.0)),
        training_key("mtmd", "window", _changed(tiny_preset, "extras", ranks={"count": 2})),
        base,
    }
    assert len(others) == 8
    assert tiny_preset.extras.recipes() == {}  # an extra that is off is in no name


def test_what_cannot_change_a_model_does_not_change_its_name(tiny_preset: Preset) -> None:
    base = training_key("mtmd", "window", tiny_preset)
    for part, values in (
        ("gates", {"min_requests": 7}),
        ("evaluation", {"buckets": 7}),
        ("data", {"min_domain_rows": 7}),
        ("training", {"half_life_days": math.inf}),
        ("rivals", {"pooled": tiny_preset.rivals["pooled"].model_dump() | {"embedding": 9}}),
    ):
        assert training_key("mtmd", "window", _changed(tiny_preset, part, **values)) == base, part


def test_a_rival_is_named_by_its_own_configuration_only(tiny_preset: Preset) -> None:
    changed = with_rival(tiny_preset, "pooled", embedding=9)
    assert training_key("pooled", "window", changed) != training_key("pooled", "window", tiny_preset)
    assert training_key("per_slice", "window", changed) == training_key("per_slice", "window", tiny_preset)


@pytest.mark.parametrize(
    ("number", "names"),
    [
        ("TRAINING_FORMAT", {"training"}),
        ("EXPORT_FORMAT", {"candidate"}),
        ("METRICS_FORMAT", {"candidate", "evaluation"}),
    ],
)
def test_a_raised_format_renames_what_it_stands_for(
    tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch, number: str, names: set[str]
) -> None:
    def named() -> dict[str, str]:
        return {
            "training": training_key("mtmd", "window", tiny_preset),
            "candidate": candidate_key("trained", "day", tiny_preset),
            "evaluation": evaluation_key({}, "day", None, tiny_preset),
        }

    before = named()
    for module in (training, candidate, evaluation):
        if hasattr(module, number):
            monkeypatch.setattr(module, number, getattr(module, number) + 1)
    assert {name for name, key in named().items() if key != before[name]} == names


def test_an_evaluation_is_named_by_what_was_compared(tiny_preset: Preset) -> None:
    given = {"mtmd": "a", "no_dcn": "b"}
    base = evaluation_key(given, "day", None, tiny_preset)
    assert evaluation_key(dict(reversed(given.items())), "day", None, tiny_preset) == base
    others = {
        evaluation_key(given | {"no_dcn": "c"}, "day", None, tiny_preset),
        # a variant that was renamed
        evaluation_key({"mtmd": "a", "no_cross": "b"}, "day", None, tiny_preset),
        evaluation_key(given, "later data", None, tiny_preset),
        evaluation_key(given, "day", "champion", tiny_preset),
        evaluation_key(given, "day", None, _changed(tiny_preset, "evaluation", buckets=7)),
        base,
    }
    assert len(others) == 6


def test_a_candidate_is_named_by_its_training_its_day_and_the_cut_of_its_metrics(tiny_preset: Preset) -> None:
    base = candidate_key("trained", "day", tiny_preset)
    others = {
        candidate_key("another", "day", tiny_preset),
        candidate_key("trained", "another", tiny_preset),
        candidate_key("trained", "day", _changed(tiny_preset, "evaluation", buckets=7)),
        base,
    }
    assert len(others) == 4
    assert candidate_key("trained", "day", _changed(tiny_preset, "gates", min_requests=7)) == base
    assert candidate_key("trained", "day", _changed(tiny_preset, "evaluation", resamples=200)) == base
