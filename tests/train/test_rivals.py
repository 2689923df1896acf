import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.extract.window import days_fingerprint
from mtmd.run import RunPlan, plan_window
from mtmd.store.files import write_json
from mtmd.store.workspace import make_once
from mtmd.train.results import EpochRecord, FitResult
from mtmd.train.rivals import compared, earlier, is_due
from mtmd.train.stage import Made, Trained, training_key
from tests.train.windows import with_rival

MONDAY = date(2026, 1, 19)
DAYS = 20


def day(number: int) -> date:
    """Monday is 0."""
    return MONDAY + timedelta(days=number)


def rated(preset: Preset, every_days: int, **changes: object) -> Preset:
    """The preset with per-slice baselines of every so many days."""
    return with_rival(preset, "per_slice", every_days=every_days, **changes)


@pytest.fixture
def weekly(tiny_preset: Preset) -> Preset:
    return rated(tiny_preset, 7)


def planned(preset: Preset, as_of: date, place: Path) -> RunPlan:
    return RunPlan(
        as_of=as_of, days=plan_window(as_of, DAYS), preset=preset, logs="logs", artifacts=str(place)
    )


def stand_in(
    preset: Preset, as_of: date, place: Path, shards: dict[date, str] | None = None
) -> Trained | None:
    return earlier(planned(preset, as_of, place), "per_slice", shards or {})


def store(preset: Preset, as_of: date, place: Path, days: int = DAYS, delivery: str = "as it was") -> Path:
    """What a run of that day leaves of a training: its record and its recipe, beside weights that nobody reads here."""
    shards = dict.fromkeys(plan_window(as_of, days), delivery)
    final = planned(preset, as_of, place).workspace.trained(
        "per_slice", training_key("per_slice", days_fingerprint(shards), preset)
    )
    epoch = EpochRecord(train_loss=1.0, validation_loss=1.0, validation_logmae={}, seconds=1.0, rows=1)
    fit = FitResult(epochs=(epoch,), parameters=1, precision="float32")

    def build(directory: Path) -> None:
        write_json(directory / "fit.json", fit.model_dump(mode="json"))
        write_json(directory / "recipe.json", Made(recipe={}, shards=shards).model_dump(mode="json"))

    make_once(final, build)
    return final


def test_days_that_are_due_are_counted_from_a_monday() -> None:
    assert [n for n in range(15) if is_due(day(n), 7)] == [0, 7, 14]
    assert all(is_due(day(n), 1) for n in range(3))
    assert not any(is_due(day(n), 0, is_first=True) for n in range(15))
    assert is_due(day(1), 7, is_first=True)


def test_rivals_are_entries_of_the_preset_and_one_that_is_never_trained_is_not_compared(
    tiny_preset: Preset, tmp_path: Path
) -> None:
    assert compared(planned(tiny_preset, MONDAY, tmp_path)) == ("mtmd", "per_slice", "pooled")
    wide = {"rivals": {"wide": {"architecture": "plain", "widths": [24]}, "per_slice": {"every_days": 0}}}
    preset = Preset.model_validate(tiny_preset.model_dump() | wide)
    assert compared(planned(preset, MONDAY, tmp_path)) == ("mtmd", "pooled", "wide")


def test_the_newest_since_the_due_day_stands_in_and_says_its_window(weekly: Preset, tmp_path: Path) -> None:
    monday = store(weekly, day(0), tmp_path)
    os.utime(monday, (0, 0))
    found = stand_in(weekly, day(3), tmp_path)
    assert found is not None
    assert (found.path, found.last, found.reused) == (str(monday), day(-1), True)
    assert monday.stat().st_mtime > 0  # the clean-up keeps what is in use
    tuesday = store(weekly, day(1), tmp_path)
    store(weekly, day(4), tmp_path)  # of a day that comes later: it has seen the held-out day
    found = stand_in(weekly, day(3), tmp_path)
    assert found is not None
    assert (found.path, found.last) == (str(tuesday), day(0))


def test_a_day_that_trained_its_own_keeps_it(weekly: Preset, tmp_path: Path) -> None:
    own = store(weekly, day(3), tmp_path)
    store(weekly, day(0), tmp_path)
    found = stand_in(weekly, day(3), tmp_path)
    assert found is not None
    assert (found.path, found.last) == (str(own), None)


@pytest.mark.parametrize(
    ("as_of", "every_days", "changes", "days"),
    [
        (day(7), 7, {}, DAYS),  # due again
        (day(3), 3, {}, DAYS),  # due more often
        (day(8), 7, {}, DAYS),  # stored before the last due day
        (day(3), 7, {"embedding": 3}, DAYS),  # another model
        (day(3), 7, {}, DAYS + 1),  # a window of another length
    ],
)
def test_otherwise_the_day_trains_its_own(
    weekly: Preset, tmp_path: Path, as_of: date, every_days: int, changes: dict[str, object], days: int
) -> None:
    store(weekly, day(0), tmp_path, days)
    assert stand_in(rated(weekly, every_days, **changes), as_of, tmp_path) is None
    assert earlier(planned(weekly, day(3), tmp_path), "mtmd", {}) is None


@pytest.mark.parametrize("damage", ["fit.json", "recipe.json"])
def test_a_damaged_one_is_not_compared(
    weekly: Preset, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    monday = store(weekly, day(0), tmp_path)
    stored = json.loads((monday / damage).read_text())
    (monday / damage).write_text(json.dumps(stored) + " ")
    assert stand_in(weekly, day(3), tmp_path) is None
    assert f"{monday} is not compared" in caplog.text


def test_days_left_out_before_the_due_day_do_not_hide_its_rival(weekly: Preset, tmp_path: Path) -> None:
    """The due day's window ended on the Saturday."""
    monday = store(weekly, day(-1), tmp_path)
    found = stand_in(weekly.model_copy(update={"left_out": {day(-1): "lost"}}), day(3), tmp_path)
    assert found is not None
    assert (found.path, found.last) == (str(monday), day(-2))


def test_one_that_saw_a_day_which_is_gone_or_was_delivered_again_does_not_stand_in(
    weekly: Preset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monday = store(weekly, day(0), tmp_path)
    shards = {day(-n): "as it was" for n in range(-2, DAYS - 2)}
    for number in range(4):  # trained on other deliveries; which of all is found first is chance
        store(weekly, day(0), tmp_path, delivery=f"{number}")
    for same in (shards, shards | {day(1): "now"}):  # which it has not seen
        found = stand_in(weekly, day(3), tmp_path, same)
        assert found is not None
        assert found.path == str(monday)
    with caplog.at_level("INFO"):
        for gone in (day(-4), day(-DAYS)):  # also one before the window of Thursday
            left_out = weekly.model_copy(update={"left_out": {gone: "the teacher was broken"}})
            assert stand_in(left_out, day(3), tmp_path, shards) is None
            assert (
                f"it was trained on {gone}, which is left out by now (the teacher was broken)" in caplog.text
            )
        assert stand_in(weekly, day(3), tmp_path, shards | {day(-4): "now"}) is None
    assert f"it was trained on {day(-4)} before that day was delivered again" in caplog.text


def test_how_often_it_is_trained_does_not_name_a_training(tiny_preset: Preset) -> None:
    keys = {training_key("per_slice", "window", rated(tiny_preset, n)) for n in (0, 1, 7)}
    assert len(keys) == 1
