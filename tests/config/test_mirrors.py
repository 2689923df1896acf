from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import MirrorsConfig, Preset
from mtmd.train.stage import training_key


def test_names_are_those_of_the_line_unless_a_preset_says_others() -> None:
    own = MirrorsConfig()
    assert (own.to, own.experiment_of("ads"), own.model_of("ads")) == ((), "mtmd-ads", "mtmd-ads")
    given = MirrorsConfig(experiment="Ads / daily", model="ads_ranker")
    assert (given.experiment_of("ads"), given.model_of("ads")) == ("Ads / daily", "ads_ranker")


@pytest.mark.parametrize(
    ("key", "value"),
    [("to", ["mlfow"]), ("model", "a/b"), ("model", "it's"), ("seconds", 4), ("uri", "http://x")],
)
def test_what_is_no_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        MirrorsConfig.model_validate({key: value})


def test_mirrors_change_no_name(tiny_preset: Preset) -> None:
    plain = tiny_preset.model_dump(mode="json")
    told = Preset.model_validate(plain | {"mirrors": {"to": ["mlflow"]}})
    assert told.model_dump(mode="json")["mirrors"]["to"] == ["mlflow"]
    assert training_key("mtmd", "window", told) == training_key("mtmd", "window", tiny_preset)
