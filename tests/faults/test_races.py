"""Processes that change one registry at once: promotions, rollbacks, reinstatements, publications, removals.

They run in processes of their own, as runs, people and the clean-up do.
"""

import multiprocessing
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mtmd.errors import MtmdError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.published import open_ads
from mtmd.store.files import write_json
from tests.serve.conftest import MakeBundle, declarations, make_bundle
from tests.serve.http.conftest import DAY, Line

__all__ = ["declarations", "make_bundle"]

MODELS = 5
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.faults.test_races"])


@pytest.fixture
def reserve(make_bundle: MakeBundle, tmp_path: Path) -> Path:
    """The files of each model, of one day, so that each may take the place of any other."""
    for number in range(MODELS):
        place = tmp_path / "reserve" / f"model-{number}"
        shutil.copytree(make_bundle(f"{number}" * 64), place)
        write_json(place / "metrics.json", {})
    return tmp_path / "reserve"


def test_one_champion_stands_after_all_of_them(
    reserve: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    rounds = 150 if pytestconfig.getoption("--all-faults") else 12
    root = tmp_path / "line"
    add_all(root, reserve)
    Registry(root).promote("model-0", DAY, "first", 0)
    jobs = (promote, promote, roll_back, roll_out, reinstate, publish, remove, read)
    processes = [
        _CONTEXT.Process(target=repeated, args=(job, root, reserve, rounds, seed), daemon=True)
        for seed, job in enumerate(jobs)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * len(jobs)
    check(root)


def repeated(
    job: Callable[[Path, random.Random], object], root: Path, reserve: Path, rounds: int, seed: int
) -> None:
    """What another process overtook is an error in our words; anything else ends the process with a traceback."""
    rng = random.Random(seed)
    for _ in range(rounds):
        try:
            job(root, rng)
            if job is remove:
                add_all(root, reserve)
        except MtmdError:
            continue


def promote(root: Path, rng: random.Random) -> None:
    registry = Registry(root)
    registry.promote(f"model-{rng.randrange(MODELS)}", DAY, "good", registry.require_champion().sequence)


def roll_back(root: Path, _: random.Random) -> None:
    Registry(root).rollback("bad", lambda _: None)


def roll_out(root: Path, rng: random.Random) -> None:
    Registry(root).roll_out(rng.choice((0.1, 0.5, 1.0)), "some users", lambda _: None)


def reinstate(root: Path, rng: random.Random) -> None:
    registry = Registry(root)
    registry.reinstate(rng.choice(registry.require_champion().rolled_back or ("none",)), "good after all")


def publish(root: Path, _: random.Random) -> None:
    with Catalogue(root).publishing():
        model = Registry(root).require_champion().model_id
        if Catalogue(root).known(model) is None:
            Line(root, None).publish(model, DAY)  # type: ignore[arg-type]  # it makes no bundle


def remove(root: Path, _: random.Random) -> None:
    """Every model that no rollback can reach."""
    for number in range(MODELS):
        Registry(root).discard(f"model-{number}")


def read(root: Path, _: random.Random) -> None:
    registry = Registry(root)
    before, after = registry.require_champion(), registry.require_champion()
    assert before.sequence <= after.sequence
    assert (after.partner is None) == (after.share == 1.0)
    assert registry.history()[-1].sequence >= before.sequence


def add_all(root: Path, reserve: Path) -> None:
    """Every model that is not there, as a run of its day makes it again."""
    for place in sorted(reserve.iterdir()):
        number = place.name.rpartition("-")[2]
        manifest = ModelManifest(
            model_id=place.name,
            as_of=DAY,
            bundle_id=number * 64,
            window={},
            git_commit=None,
            seeds={},
            packages={},
        )
        Registry(root).add(
            lambda directory, place=place: shutil.copytree(place, directory, dirs_exist_ok=True), manifest
        )


def check(root: Path) -> None:
    registry, catalogue = Registry(root), Catalogue(root)
    champion, history = registry.require_champion(), registry.history()
    assert len(history) > 1
    assert [change.sequence for change in history] == list(range(1, len(history) + 1))
    assert [change.previous for change in history[1:]] == [change.model_id for change in history[:-1]]
    assert history[-1] == champion.change
    for model_id in registry.standing():  # what is live, and what rollbacks go to
        info = load_bundle(registry.verify(model_id))
        if (current := catalogue.known(model_id)) is not None:
            open_ads(catalogue.path(model_id, current.name), info)
    assert [path for path in root.rglob("*") if path.name.startswith(".tmp-") or "damaged" in path.name] == []
