"""Rolling a real model back: it must answer first, stays down until it is reinstated, and gets the newest day's ads."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.logs.source import LogSource
from mtmd.promote.rollback import RolledBack, republish, rollback
from mtmd.registry.records import Champion
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from mtmd.store.workspace import Workspace
from tests.flows.runs import AS_OF, LINE, NEXT, Run, copied

NEWEST = NEXT + timedelta(days=1)


@pytest.fixture
def workspace(next_day: Run, tmp_path: Path) -> Workspace:
    return Workspace(copied(next_day.artifacts, tmp_path / "artifacts") / LINE)


@pytest.fixture
def flipped(workspace: Workspace) -> RolledBack:
    """As if the fresh process had answered: the first test lets one answer."""
    before, after = Registry(workspace.root).rollback("bad conversions", lambda _: None)
    ads = f"its published ads are those of {AS_OF}"
    return RolledBack(taken_down=before.model_id, champion=after, check="not asked", ads=ads)


def live(workspace: Workspace) -> Champion | None:
    return Registry(workspace.root).champion()


def test_the_previous_champion_is_live_at_once_and_then_serves_the_newest_ads(
    workspace: Workspace, first_run: Run, next_day: Run
) -> None:
    service = Live(workspace.root, Settings())
    bad, good = next_day.summary.model_id, first_run.summary.model_id
    done = rollback(workspace, "bad conversions", bad)
    assert done.words == f"{bad} was taken down; {good} is live again"
    assert done.check == "a fresh process answered for 3 surfaces × 2 products"
    assert done.ads == f"its published ads are those of {AS_OF}"
    assert live(workspace) == done.champion
    assert done.champion.change.reason == "bad conversions"
    assert served(service) == (good, AS_OF)  # where a process that died before the publication leaves it

    ads = republish(workspace, LogSource(first_run.logs), done)
    assert not ads.failed
    assert f"ads of {NEWEST} are published for {good}: " in ads.words
    assert served(service) == (good, NEWEST)
    assert republish(workspace, LogSource(first_run.logs), done).words.endswith(": reused")


def test_a_model_without_ads_gets_those_of_the_newest_day(
    workspace: Workspace, first_run: Run, next_day: Run
) -> None:
    """A service would go on with the model that was taken down."""
    service, good = Live(workspace.root, Settings()), first_run.summary.model_id
    assert served(service)[0] == next_day.summary.model_id
    shutil.rmtree(Catalogue(workspace.root).root / good)
    done = rollback(workspace, "bad conversions")
    assert done.ads == "it has no published ads, so a service goes on with the model that it has"
    assert not service.refresh()
    assert not republish(workspace, LogSource(first_run.logs), done).failed
    assert served(service) == (good, NEWEST)


def gone(ads: Path) -> None:
    shutil.rmtree(ads.parent)


def unreadable(ads: Path) -> None:
    (file,) = ads.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(("damage", "why"), [(gone, "has no day of ads"), (unreadable, f"ads of {NEWEST}: ")])
def test_a_rollback_stands_where_ads_cannot_be_published(
    workspace: Workspace,
    first_run: Run,
    flipped: RolledBack,
    tmp_path: Path,
    damage: Callable[[Path], None],
    why: str,
) -> None:
    ads = tmp_path / "logs" / "ads" / f"date={NEWEST}"
    shutil.copytree(first_run.logs / "ads" / ads.name, ads)
    damage(ads)
    found = republish(workspace, LogSource(tmp_path / "logs"), flipped)
    assert found.failed
    assert found.words.startswith("the newest day's ads are not published: ")
    assert why in found.words
    assert f"The rollback stands, and its published ads are those of {AS_OF}; " in found.words
    assert "`mtmd publish` brings them up to date" in found.words
    assert live(workspace) == flipped.champion
    assert served(Live(workspace.root, Settings())) == (first_run.summary.model_id, AS_OF)


def test_a_target_that_is_altered_stays_down(workspace: Workspace, first_run: Run, next_day: Run) -> None:
    (workspace.root / "models" / first_run.summary.model_id / "query_search.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"query_search\.onnx of model"):
        rollback(workspace, "bad conversions")
    champion = live(workspace)
    assert champion is not None
    assert champion.model_id == next_day.summary.model_id
    with pytest.raises(RegistryError, match="model 'another' is not live"):
        rollback(workspace, "bad conversions", "another")


def served(service: Live) -> tuple[str, date]:
    service.refresh()
    assert service.serving is not None
    assert service.problem is None
    return service.serving.ranker.model_id, service.serving.day
