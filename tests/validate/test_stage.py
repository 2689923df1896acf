"""A day is validated once per content; one that failed is validated again."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mtmd.config.preset_files import preset_path
from mtmd.errors import LogsError, ValidationError
from mtmd.extract import stage as extract_stage
from mtmd.report import view
from mtmd.report.render import markdown
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import read_json, write_json
from mtmd.validate import stage as validate_stage
from mtmd.validate import stage as validation
from mtmd.validate.results import DayValidation, WindowValidation
from mtmd.validate.runner import validate_window
from tests.flows.runs import AS_OF, LINE, TINY, Run, copied


@pytest.fixture
def plan(first_run: Run, tmp_path: Path) -> RunPlan:
    """Every day but as_of was validated before, with the same files."""
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    shutil.copytree(first_run.logs, tmp_path / "logs")
    plan = plan_run(AS_OF, TINY, logs=str(tmp_path / "logs"), artifacts=str(artifacts))
    shutil.rmtree(plan.workspace.validation(AS_OF))
    return plan


def _rewrite(plan: RunPlan, table: str, query: str) -> None:
    (file,) = (Path(plan.logs) / table / f"date={AS_OF}").glob("*.parquet")
    copy = file.with_suffix(".copy")
    rows = f"read_parquet('{file}', hive_partitioning = false)"
    duckdb.sql(f"copy ({query.format(rows=rows)}) to '{copy}' (format parquet)")
    copy.replace(file)


def test_only_the_new_day_is_validated_and_each_day_is_told(plan: RunPlan) -> None:
    told: list[DayValidation] = []
    quality = validate_stage.validate(plan, told.append)
    assert quality.passed
    assert [one.day for one in told] == list(plan.all_days)
    assert quality.reused == plan.days
    assert quality.window is not None
    assert validate_stage.validate(plan).reused == plan.all_days


def test_a_window_that_passed_on_the_same_numbers_is_not_validated_again(
    plan: RunPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = validate_stage.validate(plan)
    times: list[int] = []

    def counted(*arguments: Any) -> WindowValidation:
        times.append(len(arguments[0]))
        return validate_window(*arguments)

    monkeypatch.setattr(validation, "validate_window", counted)
    assert validate_stage.validate(plan) == first.model_copy(update={"reused": plan.all_days})
    assert times == []
    limits = plan.preset.data.model_copy(update={"min_domain_rows": plan.preset.data.min_domain_rows + 1})
    profiles = [day.profile for day in first.days if day.profile is not None]
    other = plan.model_copy(update={"preset": plan.preset.model_copy(update={"data": limits})})
    assert validate_stage._validated_window(other, profiles).passed
    assert validate_stage._validated_window(plan, profiles[1:]).passed
    assert times == [len(plan.all_days), len(plan.days)]


def test_a_record_of_another_day_or_window_in_its_place_is_made_again(plan: RunPlan) -> None:
    first = validate_stage.validate(plan)
    moved = timedelta(days=1)
    for record in plan.workspace.validation(AS_OF).glob("*.json"):
        own = read_json(record)
        days = {
            key: str(date.fromisoformat(own[key]) - moved) for key in ("day", "first", "last") if key in own
        }
        write_json(record, own | days, seal=True)
    again = validate_stage.validate(plan)
    assert again.reused == plan.days
    assert [one.day for one in again.days] == list(plan.all_days)
    assert again.window == first.window
    assert validate_stage.validate(plan).reused == plan.all_days


def test_a_window_that_failed_is_validated_again(plan: RunPlan) -> None:
    profiles = [day.profile for day in validate_stage.validate(plan).days if day.profile is not None]
    for _ in range(2):
        failed = validate_stage._validated_window(plan, [profiles[0], *profiles[2:]])
        assert [result.name for result in failed.failures] == ["days_without_gap"]


def test_a_day_that_failed_names_the_expectation_and_is_not_taken_for_done(plan: RunPlan) -> None:
    _rewrite(plan, "requests", "from {rows} union all (from {rows} limit 2)")
    for _ in range(2):
        quality = validate_stage.validate(plan)
        assert not quality.passed
        assert quality.window is None
        assert quality.reused == plan.days
    with pytest.raises(ValidationError, match=rf"{AS_OF}(.|\n)*request_id_unique: 2 unexpected"):
        validate_stage.require(quality)
    assert ": stops the run; " in markdown(view.data_quality(plan, quality))


def test_a_renamed_column_fails_the_day(plan: RunPlan) -> None:
    _rewrite(plan, "candidates", "select * rename (hidden as hide) from {rows}")
    with pytest.raises(ValidationError, match=r"candidates\.columns_as_declared"):
        validate_stage.require(validate_stage.validate(plan))


def test_other_limits_are_another_validation(plan: RunPlan) -> None:
    limits = plan.preset.data.model_copy(update={"min_domain_rows": 100_000})
    strict = plan.model_copy(update={"preset": plan.preset.model_copy(update={"data": limits})})
    short = strict.model_copy(update={"days": plan.days[:1]})
    assert validate_stage.validate(short).reused == ()
    assert not validate_stage.validate(short).passed


def test_files_that_changed_after_validation_are_not_extracted(plan: RunPlan) -> None:
    quality = validate_stage.validate(plan)
    assert extract_stage.extract(plan, AS_OF, quality.sources[-1]).reused
    _rewrite(plan, "requests", "from {rows} order by request_id desc")
    with pytest.raises(LogsError, match=f"logs of {AS_OF} changed after they were validated"):
        extract_stage.extract(plan, AS_OF, quality.sources[-1])


def test_files_that_change_while_they_are_validated_stop_the_run(
    plan: RunPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = validation.validate_day

    def slow(*arguments: Any, **named: Any) -> DayValidation:
        result = real(*arguments, **named)
        _rewrite(plan, "requests", "from {rows} limit 50")
        return result

    monkeypatch.setattr(validation, "validate_day", slow)
    with pytest.raises(LogsError, match=f"logs of {AS_OF} changed while they were validated"):
        validate_stage.validate(plan)
    assert not plan.workspace.validation(AS_OF).exists()


def test_a_day_that_is_left_out_is_neither_read_nor_compared_with(plan: RunPlan) -> None:
    gone = plan.days[-1]
    for file in Path(plan.logs).glob(f"*/date={gone}/*.parquet"):
        file.write_bytes(b"half a fi")
    preset = Path(plan.artifacts) / "mine.toml"
    preset.write_text(f'{preset_path(TINY).read_text()}\n[left_out]\n{gone} = "the disk was full"\n')
    without = plan_run(AS_OF, str(preset), logs=plan.logs, artifacts=plan.artifacts)
    quality = validate_stage.validate(without)
    validate_stage.require(quality)
    assert [one.day for one in quality.days] == [*plan.days[:-1], AS_OF]
    assert f"without {gone} (the disk was full)" in markdown(view.data_quality(without, quality))
    with pytest.raises(LogsError, match=str(gone)):
        validate_stage.validate(plan)


def test_an_accepted_day_is_validated_again_and_no_other_day(plan: RunPlan) -> None:
    preset = Path(plan.artifacts) / "mine.toml"
    preset.write_text(f'base = "{TINY}"\nname = "{LINE}"\n[data.accepted]\n{AS_OF} = "a new teacher"\n')
    accepting = plan_run(AS_OF, str(preset), logs=plan.logs, artifacts=plan.artifacts)
    before, changed = (
        [validation.day_record(own, day, {}) for day in own.all_days] for own in (plan, accepting)
    )
    assert before[:-1] == changed[:-1]
    assert before[-1] != changed[-1]
