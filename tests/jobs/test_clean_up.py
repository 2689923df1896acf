"""What a clean-up lets go: by day, by age, and never a model that a rollback can reach."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from mtmd.config import RetentionConfig, load_preset
from mtmd.jobs.clean_up import clean_up
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.store.files import write_json, write_text
from mtmd.store.workspace import Workspace
from tests.registry.conftest import fill_bundle, manifest_of

NEWEST = date(2026, 6, 30)
RETENTION = RetentionConfig()


@pytest.fixture
def line(tmp_path: Path) -> Workspace:
    """A line whose newest run is of June 30th, with one output of each kind and age."""
    root = tmp_path / "line"
    for days in (0, 89, 91, 401):
        day = NEWEST - timedelta(days=days)
        for place in (
            f"shards/date={day}/f/requests.arrow",
            f"shards/digests/date={day}.json",
            f"spool/ads/{day}/0123456789abcdef/part-0.parquet",
            f"monitoring/profiles/date={day}/a.parquet",
            f"monitoring/date={day}.json",
            f"validation/date={day}/a.json",
            f"validation/as_of={day}.json",
            f"failures/as_of={day}.json",
            f"runs/{day}-0123456789/summary.json",
            f"backtests/{day}-0123456789abcdef/report.json",
        ):
            write_text(root / place, "x" * 10)
    for name, age in (("mtmd-new", 0), ("mtmd-old", 15)):
        write_text(root / "trained" / name / "fit.json", "x")
        write_text(root / "work" / name / "checkpoint.safetensors", "x")
        for output in (f"trained/{name}", f"work/{name}"):
            _age(root / output, age)
    return Workspace(root)


def _model(registry: Registry, name: str, day: date, training: str | None = None, kind: str = "mtmd") -> None:
    """A model in name: its files are no real ones."""
    changes = {"as_of": day, "training": training, "rival": None if kind == "mtmd" else kind}
    manifest = manifest_of(name, 1).model_copy(update=changes)
    registry.add(partial(fill_bundle, load_preset("tiny"), model_id=name), manifest)


def _champions(line: Workspace, *names: str, first: date) -> Registry:
    """Models of days in a row, each of which became champion."""
    registry = Registry(line.root)
    for number, name in enumerate(names):
        _model(registry, name, first + timedelta(days=number))
        registry.promote(name, first + timedelta(days=number), "good", number)
    return registry


def _publish(line: Workspace, model: str, *days: date) -> list[Current]:
    catalogue = Catalogue(line.root)
    served = [Current(name=f"{day}-{'0' * 16}", day=day, ads=0) for day in days]
    for current in served:
        write_json(catalogue.path(model, current.name) / "ads.json", {})
        catalogue.serve(model, current)
    return served


def _age(path: Path, days: float) -> None:
    os.utime(path, (0, time.time() - days * 86400))


def _gone(line: Workspace, below: str = "", *, dry_run: bool = True) -> set[str]:
    """What goes, as names below the line's folder."""
    removed = clean_up(line, RETENTION, dry_run=dry_run).removed
    names = {str(Path(one.path).relative_to(line.root)) for one in removed}
    return {name for name in names if name.startswith(below)}


def test_outputs_go_by_their_days_and_caches_by_their_age(line: Workspace) -> None:
    old, older = NEWEST - timedelta(days=91), NEWEST - timedelta(days=401)
    expected = {
        *(f"shards/date={day}" for day in (old, older)),
        *(f"shards/digests/date={day}.json" for day in (old, older)),
        *(f"spool/ads/{day}" for day in (old, older)),
        *(f"monitoring/profiles/date={day}" for day in (old, older)),
        f"monitoring/date={older}.json",
        f"validation/date={older}",
        f"validation/as_of={older}.json",
        f"failures/as_of={older}.json",
        f"runs/{older}-0123456789",
        f"backtests/{older}-0123456789abcdef",
        "trained/mtmd-old",
        "work/mtmd-old",
    }
    before = {path for path in line.root.rglob("*") if path.is_file()}
    assert clean_up(line, RETENTION, dry_run=True).newest == NEWEST
    assert _gone(line) == expected
    assert {path for path in line.root.rglob("*") if path.is_file()} == before
    assert _gone(line, dry_run=False) == expected
    after = {path for path in line.root.rglob("*") if path.is_file()}
    gone = {path for path in before if any(path.is_relative_to(line.root / name) for name in expected)}
    assert before - after == gone
    assert _gone(line) == set()


def test_models_that_a_rollback_reaches_stay_whatever_their_age(line: Workspace) -> None:
    registry = Registry(line.root)
    long_ago = NEWEST - timedelta(days=300)
    for number, name in enumerate(("first", "second", "bad", "live")):
        _model(registry, name, long_ago + timedelta(days=number))
        registry.promote(name, long_ago + timedelta(days=number), "good", number + (name == "live"))
        if name == "bad":
            registry.rollback("it was bad", lambda _: None)
    for name in ("never-promoted", "damaged"):
        _model(registry, name, long_ago)
    (registry.path("damaged") / "manifest.json").write_text("{")  # a person may want to restore it
    assert clean_up(line, RETENTION, dry_run=True).standing == ("first", "second", "live")
    assert _gone(line, "models/", dry_run=False) == {"models/bad", "models/never-promoted"}
    assert registry.verify("second").is_dir()
    assert registry.path("damaged").is_dir()


def test_published_ads_stay_where_they_serve_and_go_when_others_took_their_place(line: Workspace) -> None:
    """Three publications each, written nine days ago: the second took over three days ago, the third a moment ago."""
    long_ago, catalogue = NEWEST - timedelta(days=100), Catalogue(line.root)
    _champions(line, "first", "second", "live", first=long_ago)
    names = [f"{long_ago + timedelta(days=day)}-{'0' * 16}" for day in range(3)]
    for model in ("first", "second", "live"):
        for name in names:
            write_json(catalogue.path(model, name) / "ads.json", {})
            _age(catalogue.path(model, name), 9)
            catalogue.serve(model, Current(name=name, day=long_ago, ads=0))
        _age(catalogue.path(model, names[0]), 3)
    write_json(catalogue.root / "live" / "2026-02-31-0123456789abcdef" / "ads.json", {})
    gone = _gone(line, "ads/", dry_run=False)
    assert gone == {"ads/first", f"ads/second/{names[0]}", f"ads/live/{names[0]}"}
    assert catalogue.models() == ["live", "second"]


def test_ads_go_only_while_nobody_publishes(line: Workspace) -> None:
    """A publication that lets them serve again is waited for."""
    catalogue = Catalogue(line.root)
    older, _ = _publish(line, "live", NEWEST - timedelta(days=2), NEWEST - timedelta(days=1))
    _age(catalogue.path("live", older.name), 3)
    assert _gone(line, "ads/") == {f"ads/live/{older.name}"}
    with ThreadPoolExecutor(1) as pool:
        with catalogue.publishing():
            cleaning = pool.submit(_gone, line, dry_run=False)
            with suppress(TimeoutError):  # long enough for one that does not wait
                cleaning.result(timeout=0.5)
            catalogue.serve("live", older)
        cleaning.result()
    assert catalogue.path("live", older.name).is_dir()


def test_what_a_rollback_past_copies_needs_stays(line: Workspace) -> None:
    """b2 and b3 are b under other ids: a rollback goes to second, whose ads and weights must be there."""
    registry, catalogue = Registry(line.root), Catalogue(line.root)
    kept, kinds = ("second", "b", "b2", "b3"), ("mtmd", "mtmd", "plain", "mtmd", "plain")
    for number, name in enumerate(("first", *kept)):
        day, training = NEWEST - timedelta(days=40 - number), f"{number}" * 64
        _model(registry, name, day, training, kinds[number])
        registry.promote(name, day, "good", number)
        write_text(line.trained(kinds[number], training) / "weights.safetensors", "x")
        _age(line.trained(kinds[number], training), 15)
        _publish(line, name, day)
    clean_up(line, RETENTION, dry_run=False)
    assert catalogue.models() == sorted(kept)
    assert not line.trained("mtmd", "0" * 64).exists()
    assert all(line.trained(kinds[number], f"{number}" * 64).is_dir() for number in range(1, 5))
    _, back = registry.rollback("b was bad", lambda _: None)
    assert catalogue.known(back.model_id) is not None


def test_a_line_without_a_run_keeps_everything(tmp_path: Path) -> None:
    write_text(tmp_path / "shards" / "date=2001-01-01" / "manifest.json", "{}")
    cleaned = clean_up(Workspace(tmp_path), RETENTION, dry_run=False)
    assert (cleaned.newest, cleaned.removed) == (None, ())
