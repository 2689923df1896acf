"""Whose scores the held-out day is compared with, on made-up logs in KuaiRand's format."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.runs import extracted, plan_of
from benchmarks.teacher_change import against_both, change, main, window_scores
from mtmd.config import load_preset
from mtmd.errors import LogsError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extract.shards import Shard, open_shard
from mtmd.sources.kuairand.adapter import import_kuairand
from mtmd.teacher.config import TeacherConfig
from tests.sources.kuairand.conftest import MadeUp, random_rows

LAST = date(2022, 4, 23)
QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=1, least_members=1, max_epochs=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MadeUp(tmp_path_factory.mktemp("made-up") / "source").write(random_rows(days=6, per_day=60))


@pytest.fixture(scope="module")
def logs(source: Path) -> Path:
    import_kuairand(source, source.parent / "logs", teacher=QUICK)
    return source.parent / "logs"


def day_of(logs: Path, day: date) -> Shard:
    plan = plan_of(load_preset("kuairand"), LAST, logs=str(logs), artifacts=str(logs.parent / "artifacts"))
    return open_shard(Path(extracted(plan, [day])[0].path))


def test_a_window_of_the_days_own_teachers_gives_its_scores(source: Path, logs: Path) -> None:
    last = day_of(logs, LAST)
    same = window_scores(source, [LAST - timedelta(days=1)], last, QUICK)
    assert np.array_equal(same, last.teacher.numpy())


def test_teachers_count_by_the_candidates_that_they_scored(source: Path, logs: Path) -> None:
    last, days = day_of(logs, LAST), [LAST - timedelta(days=past) for past in (3, 2, 1)]
    alone = [window_scores(source, [day], last, QUICK) for day in days]
    assert not np.allclose(alone[0], alone[1])
    rows = [day_of(logs, day).candidates for day in days]
    by_hand = sum(number * scores for number, scores in zip(rows, alone, strict=True)) / sum(rows)
    assert window_scores(source, days, last, QUICK) == pytest.approx(by_hand, rel=1e-5)


def test_a_day_that_teaches_is_refused(source: Path, logs: Path) -> None:
    taught = day_of(logs, LAST - timedelta(days=2))
    with pytest.raises(LogsError, match=r"as_of \(2022-04-21\) must be one of the last two days"):
        window_scores(source, [LAST - timedelta(days=3)], taught, QUICK)


def test_scores_of_other_teachers_are_refused(
    source: Path, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", "kuairand", "--as-of", str(LAST), "--window-days", "2", "--source", str(source)]
    assert (
        main([*arguments, "--logs", str(logs), "--artifacts", str(tmp_path)]) == 1
    )  # of QUICK, not the import's
    assert "must be those of an import" in capsys.readouterr().out


def test_the_table_has_both_errors_and_leads(logs: Path) -> None:
    plan = plan_of(load_preset("kuairand"), LAST, logs=str(logs), artifacts=str(logs.parent))
    day = HeldOutDay.of(day_of(logs, LAST), plan.preset.declarations)
    errors = {"mtmd": 0.1, "per_slice": 0.4, "pooled": 0.2}
    scores = {name: np.log(day.teacher) - np.float32(error) for name, error in errors.items()}
    table = change([against_both(plan, day, scores, day.teacher * np.float32(np.exp(-0.05)))])
    own = ("0.0500", "0.1000", "0.4000", "0.2000", "+75.0%", "+50.0%")
    same = ("0.0500", "0.3500", "0.1500", "+85.7%", "+66.7%")
    assert [row[2:] for row in table.rows] == [(*own, *same)] * 7
    assert [row[:2] for row in table.rows][-3:] == [("octr", "rows"), ("octr", "slices"), ("all", "slices")]
