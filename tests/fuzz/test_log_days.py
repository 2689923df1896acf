"""Whatever a day of logs holds: it is extracted as it is, or refused in words that name what is wrong."""

import re
import shutil
from pathlib import Path

import numpy as np
from hypothesis import example, given, note, settings

from mtmd.errors import LogsError, MtmdError, ValidationError
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.validate.runner import require, validate_day
from mtmd.validate.stage import day_sources
from tests.fuzz.contract import breaches
from tests.fuzz.day_tables import DAY, LogDay, log_days, preset_of, sound_day

PRESETS = {ids: preset_of(ids) for ids in ("BIGINT", "VARCHAR")}
TABLE = re.compile("requests|ads|candidates|logs of")


def _extracted(day: LogDay, folder: Path) -> Path:
    plan = RunPlan(
        as_of=DAY,
        days=(DAY,),
        preset=PRESETS[day.ids],
        logs=str(folder / "logs"),
        artifacts=str(folder / "artifacts"),
    )
    sources = day_sources(plan, DAY)
    require(validate_day(plan.source, DAY, plan.preset))
    return Path(extract(plan, DAY, digest(sources)).path)


def _refusal(day: LogDay, folder: Path) -> MtmdError | None:
    """What was said of a day that was refused; None for a day whose shard has its rows and scores."""
    try:
        shard = open_shard(_extracted(day, folder), verify=True)
    except MtmdError as error:
        return error
    rows = {name: day.rows(name) for name in day.columns}
    assert {"requests": shard.requests, "ads": shard.ads, "candidates": shard.candidates} == rows
    scores = np.array(day.table("candidates")["ctr"].to_pylist(), np.float32)
    assert np.array_equal(np.sort(shard.teacher[:, 0].numpy()), np.sort(scores))
    return None


@settings(max_examples=max(1, settings().max_examples // 2))
@example(day=sound_day("BIGINT"))
@example(day=sound_day("VARCHAR"))
@given(day=log_days())
def test_a_day_is_refused_in_words_exactly_where_it_breaks_the_contract(tmp_path: Path, day: LogDay) -> None:
    shutil.rmtree(tmp_path)
    day.write(tmp_path / "logs")
    wrong = breaches(day)
    refusal = _refusal(day, tmp_path)
    note(f"refused: {str(refusal)[:1000]}")
    assert bool(wrong) == (refusal is not None), wrong
    if refusal is not None:
        assert isinstance(refusal, LogsError | ValidationError)
        assert TABLE.search(str(refusal))
