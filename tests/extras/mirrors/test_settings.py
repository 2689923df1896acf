from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.extras.mirrors.settings import Settings
from mtmd.train.stage import training_key


@pytest.mark.parametrize(
    ("key", "value"),
    [("to", ["mlfow"]), ("model", "a/b"), ("model", "it's"), ("seconds", 4), ("uri", "http://x")],
)
def test_what_is_no_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        Settings.model_validate({key: value})


def test_mirrors_change_no_name(tiny_preset: Preset) -> None:
    plain = tiny_preset.model_dump(mode="json")
    told = Preset.model_validate(plain | {"extras": plain["extras"] | {"mirrors": {"to": ["mlflow"]}}})
    assert told.extra(Settings).to == ("mlflow",)
    assert training_key("mtmd", "window", told) == training_key("mtmd", "window", tiny_preset)
