"""The champion's ads on the tiny platform: published once, brought up to date, and what is refused."""

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import load_preset
from mtmd.errors import LogsError, RegistryError
from mtmd.extract.sources import ads_digests
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement
from mtmd.publish.stage import _snapshot, publish
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.published import PublishedAds, open_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.workspace import Workspace
from tests.daily import Done
from tests.flows.runs import AS_OF, NEXT, TINY, Run, copied


def ads_of(workspace: Workspace, model_id: str) -> PublishedAds:
    catalogue = Catalogue(workspace.root)
    current = catalogue.current(model_id)
    scorer = Scorer.load(workspace.root / "models" / model_id)
    return open_ads(catalogue.path(model_id, current.name), scorer.info)


@pytest.fixture
def live(first_run: Run, tmp_path: Path) -> Workspace:
    return Workspace(copied(first_run.artifacts, tmp_path / "artifacts") / first_run.root.name)


def ads_table(logs: Path, day: date) -> pa.Table:
    return pa.concat_tables(pq.read_table(file) for file in sorted((logs / "ads" / f"date={day}").iterdir()))


def test_a_newer_snapshot_serves_and_the_same_one_is_not_made_again(live: Workspace, first_run: Run) -> None:
    model = first_run.summary.model_id
    newest = publish(live, LogSource(first_run.logs))
    assert (newest.day > AS_OF, newest.made, newest.ads) == (True, True, len(ads_of(live, model)))
    assert newest.words == f"{newest.ads} ads of {newest.day} are published for {model}: embedded"
    again = publish(live, LogSource(first_run.logs))
    assert (again.made, again.path) == (False, newest.path)


def test_another_switch_of_int8_publishes_the_snapshot_anew(live: Workspace, first_run: Run) -> None:
    made = [publish(live, LogSource(first_run.logs), AS_OF, int8=int8) for int8 in (False, True, True)]
    assert [own.made for own in made] == [False, True, False]
    assert ads_of(live, made[0].model_id).has_int8
    back = publish(live, LogSource(first_run.logs), AS_OF)
    assert (back.made, back.path) == (False, made[0].path)
    assert not ads_of(live, back.model_id).has_int8


def test_an_edited_statement_publishes_its_bids(done_live: Done, tmp_path: Path) -> None:
    workspace, logs = done_live.plan.workspace, done_live.plan.logs
    for table in ("requests", "ads", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text(statement(f"source_{table}"))
    first = publish(workspace, LogSource(logs, tmp_path), AS_OF)
    bids = np.concatenate([block.bid for block in ads_of(workspace, first.model_id).blocks])
    halved = "select * replace (cast(bid / 2 as float) as bid) from read_parquet($paths, hive_partitioning = false)"
    (tmp_path / "source_ads.sql").write_text(halved)
    second = publish(workspace, LogSource(logs, tmp_path), AS_OF)
    assert (second.made, second.path != first.path) == (True, True)
    found = np.concatenate([block.bid for block in ads_of(workspace, first.model_id).blocks])
    np.testing.assert_array_equal(found, bids / 2)


def test_an_older_day_displaces_a_newer_one_only_where_it_is_named(done_live: Done) -> None:
    workspace, logs = done_live.plan.workspace, done_live.plan.logs
    before = publish(workspace, LogSource(logs), AS_OF)
    newer = publish(workspace, LogSource(logs))
    assert newer.day > AS_OF
    older = publish(workspace, LogSource(logs), AS_OF, held_out=done_live.days.held_out)
    words = f"{newer.model_id} has the ads of {newer.day} already; those of {AS_OF} displace nothing"
    assert older.words == words
    assert Catalogue(workspace.root).current(newer.model_id).day == newer.day
    named = publish(workspace, LogSource(logs), AS_OF)
    assert (named.day, named.path) == (AS_OF, before.path)


def test_a_snapshot_that_may_be_half_delivered_must_be_named(
    live: Workspace, first_run: Run, tmp_path: Path
) -> None:
    table = ads_table(first_run.logs, AS_OF)
    half, before = tmp_path / "logs" / "ads" / f"date={NEXT}" / "part.parquet", len(table)
    half.parent.mkdir(parents=True)
    pq.write_table(table.slice(0, before // 2 - 1), half)
    words = rf"ads of {NEXT} are {before // 2 - 1}; those of {AS_OF}, .* are {before}: .*--day {NEXT}`"
    with pytest.raises(LogsError, match=words):
        publish(live, LogSource(tmp_path / "logs"))
    assert len(ads_of(live, first_run.summary.model_id)) == before
    assert publish(live, LogSource(tmp_path / "logs"), NEXT).ads == before // 2 - 1
    pq.write_table(table, half)
    assert publish(live, LogSource(tmp_path / "logs")).ads == before


def test_a_snapshot_that_is_exchanged_before_it_is_read_is_refused(
    live: Workspace, first_run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "ads" / f"date={AS_OF}" / "part.parquet"
    file.parent.mkdir(parents=True)
    table = ads_table(first_run.logs, AS_OF)
    pq.write_table(table, file)
    sources = ads_digests(LogSource(tmp_path / "logs"), AS_OF, tmp_path)
    scorer = Scorer.load(live.root / "models" / first_run.summary.model_id)
    snapshot = _snapshot(scorer, LogSource(tmp_path / "logs"), AS_OF, sources, tmp_path)
    pq.write_table(table.slice(1), file)
    with pytest.raises(LogsError, match=f"ads of {AS_OF} changed while they were read"):
        list(snapshot)


def test_what_a_killed_publisher_left_complete_is_taken_and_what_is_damaged_is_made_again(
    live: Workspace, first_run: Run
) -> None:
    model = first_run.summary.model_id
    before = ads_of(live, model)
    pointer = live.root / "ads" / model / "current.json"
    pointer.unlink()
    assert not publish(live, LogSource(first_run.logs), AS_OF).made
    (place,) = (live.root / "ads" / model).glob("*-*-*-*")
    file = place / "standard.arrow"
    file.write_bytes(file.read_bytes()[:-1])
    done = publish(live, LogSource(first_run.logs), AS_OF)
    assert (done.made, done.ads) == (True, len(before))
    np.testing.assert_array_equal(ads_of(live, model).ad_id, before.ad_id)


def test_a_snapshot_that_changed_after_the_evaluation_is_refused(done_live: Done, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(Path(done_live.plan.logs) / "ads" / f"date={NEXT}", logs / "ads" / f"date={AS_OF}")
    workspace, held_out = done_live.plan.workspace, done_live.days.held_out
    with pytest.raises(LogsError, match=f"ads of {AS_OF} changed after the model was evaluated"):
        publish(workspace, LogSource(logs), AS_OF, held_out=held_out)


def test_a_run_of_a_day_whose_model_is_live_keeps_the_ads_that_a_person_chose(
    next_day: Run, tmp_path: Path
) -> None:
    workspace = Workspace(copied(next_day.artifacts, tmp_path / "artifacts") / next_day.root.name)
    source = LogSource(next_day.logs)
    held_out = extract_day(source, NEXT, load_preset(TINY).declarations, workspace.shards)
    publish(workspace, source, AS_OF)
    kept = publish(workspace, source, NEXT, held_out=held_out, keep=True)
    assert (kept.day, kept.made) == (AS_OF, False)
    (damaged, *_) = Path(kept.path).glob("*.arrow")
    damaged.write_bytes(b"")
    assert publish(workspace, source, NEXT, held_out=held_out, keep=True).day == NEXT
    publish(workspace, source, AS_OF)
    assert publish(workspace, source, NEXT, held_out=held_out).day == NEXT


def test_a_run_whose_model_was_rolled_back_leaves_the_ads_of_the_model_before_it(
    next_day: Run, first_run: Run, tmp_path: Path
) -> None:
    """Whoever rolled back may have kept them on purpose."""
    workspace = Workspace(copied(next_day.artifacts, tmp_path / "artifacts") / next_day.root.name)
    before, model = first_run.summary.model_id, next_day.summary.model_id
    Registry(workspace.root).rollback("the newest ads are wrong", lambda _: None)
    kept = Catalogue(workspace.root).current(before)
    assert publish(workspace, LogSource(next_day.logs), NEXT, model=model).model_id == model
    assert Catalogue(workspace.root).current(before) == kept
    assert kept.day == AS_OF


def test_without_a_champion_or_ads_nothing_is_published(live: Workspace, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="has no champion"):
        publish(Workspace(tmp_path / "none"), LogSource(tmp_path))
    with pytest.raises(LogsError, match="has no day of ads"):
        publish(live, LogSource(tmp_path / "empty"))
