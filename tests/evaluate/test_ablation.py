"""The candidate against its variants; what the numbers become is tested in the table."""

from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.evaluate import ablation as ablation_stage
from mtmd.evaluate import stage as evaluate_stage
from mtmd.evaluate.report import EVERYTHING
from mtmd.store.files import read_json
from mtmd.train import stage as train_stage
from mtmd.train.stage import Trained
from tests.daily import Done


@pytest.fixture
def variant(done: Done) -> Trained:
    return train_stage.train(done.plan, "mtmd", done.days.window, variant="no_dcn")


def test_each_seeds_variants_are_held_against_its_own_candidate_once(done: Done, variant: Trained) -> None:
    models = [done.trained[0], variant]
    ablated = ablation_stage.ablate(done.plan, models, done.days.held_out, ["post_norm: a reason"])
    assert (ablated.seeds, ablated.missing) == ((0,), ("post_norm: a reason",))
    (report,) = ablated.reports
    assert (report.candidate, report.predictors) == ("mtmd", ("mtmd", "no_dcn"))
    assert report.compared("no_dcn", EVERYTHING).improvement is not None
    (place,) = ablated.paths
    written = Path(place, "report.json").stat().st_mtime_ns
    assert ablation_stage.ablate(done.plan, models, done.days.held_out, ["post_norm: a reason"]) == ablated
    assert Path(place, "report.json").stat().st_mtime_ns == written
    other = [done.trained[0].model_copy(update={"seed": 1}), variant.model_copy(update={"seed": 1})]
    both = ablation_stage.ablate(done.plan, [*models, *other], done.days.held_out)
    assert (both.seeds, len(both.reports)) == ((0, 1), 2)


def test_an_ablation_without_variants_does_not_stand_in_for_the_days_evaluation(done: Done) -> None:
    """Where no rival is trained, both are about the same models."""
    ablated = ablation_stage.ablate(done.plan, done.trained[:1], done.days.held_out)
    evaluated = evaluate_stage.evaluate(done.plan, done.trained[:1], done.days, "20260121-0000000000")
    assert evaluated.path not in ablated.paths
    assert set(evaluated.report.predictors) == {"mtmd", "constant"}
    assert evaluated.replay.as_of == done.plan.as_of


def test_the_record_of_a_training_says_which_variant_and_seed_it_is(done: Done, variant: Trained) -> None:
    for one, name in ((variant, "no_dcn"), (done.trained[0], None)):
        made = read_json(Path(one.path) / "recipe.json")
        assert (made["variant"], made["recipe"]["kind"], made["recipe"]["training"]["seed"]) == (
            name,
            "mtmd",
            0,
        )
        assert (min(made["shards"]), max(made["shards"])) == ("2026-01-01", "2026-01-20")


def test_a_variant_that_the_preset_has_already_is_not_trained(done: Done, tiny_preset: Preset) -> None:
    model = tiny_preset.model.model_copy(update={"norm": "post"})
    plan = done.plan.model_copy(update={"preset": tiny_preset.model_copy(update={"model": model})})
    changing, same = ablation_stage.to_train(plan, ["no_dcn", "post_norm"])
    assert (changing, same) == (["no_dcn"], ["post_norm: preset tiny is that already"])
    with pytest.raises(ConfigError, match="'no_luck' is not known"):
        ablation_stage.to_train(plan, ["no_luck"])
