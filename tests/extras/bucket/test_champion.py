"""The champion of a line in a bucket: several machines, one pointer."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.registry.champions import Champions
from mtmd.registry.records import Promotion
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.store.stores import store_of
from tests.buckets import S3
from tests.registry.conftest import live, manifest_of, trust

URL = "s3://art/team/line"
DAY = date(2026, 1, 21)


class Machines:
    """The same line on machines with other working folders."""

    def __init__(self, machine: Callable[[str], Path], build: Callable[..., None]) -> None:
        self._machine, self.build = machine, build

    def on(self, name: str) -> Registry:
        return Registry(self._machine(name))

    def promote(self, name: str, model: str, day: int) -> Promotion:
        registry = self.on(name)
        registry.add(partial(self.build, model_id=model), manifest_of(model, day))
        champion = registry.champion()
        return registry.promote(
            model, date(2026, 1, day), f"because {model}", champion.sequence if champion else 0
        )


@pytest.fixture
def machines(machine: Callable[[str], Path], build: Callable[..., None]) -> Machines:
    return Machines(machine, build)


def test_what_one_machine_changes_all_see(s3: S3, machines: Machines) -> None:
    assert live(machines.on("a")) is None
    assert machines.promote("a", "a", 5).outcome == "promoted"
    assert machines.promote("b", "b", 6).outcome == "promoted"
    assert live(machines.on("a")) == "b"
    machines.on("c").rollback("bad", trust)  # its folder is empty: the model is fetched
    assert live(machines.on("b")) == "a"
    assert machines.promote("a", "b", 6).outcome == "refused"
    machines.on("b").reinstate("b", "was good")
    assert machines.promote("a", "b", 6).outcome == "promoted"
    histories = {machines.on(name).history() for name in "abc"}
    assert [[change.action for change in history] for history in histories] == [
        ["promote", "promote", "rollback", "reinstate", "promote"]
    ]
    assert {machines.on(name).standing() for name in "abcd"} == {("a", "b")}
    assert sorted(path.name for path in s3.path(f"{URL}/history").iterdir()) == [
        f"{number:08d}.json" for number in range(1, 6)
    ]


def test_of_changes_at_once_one_wins(machines: Machines) -> None:
    """Each machine has read the same champion, and then all write at once."""
    old = machines.promote("a", "a", 5).champion
    root = machines.on("b").root

    def make(number: int) -> str:
        change = old.change.model_copy(update={"sequence": 2, "reason": f"machine {number}"})
        try:
            Champions(root, store_of(root)).make(old.model_copy(update={"sequence": 2, "change": change}))
        except RegistryError as error:
            assert f"{URL}/history/00000002.json was written by another machine meanwhile" in str(error)  # noqa: PT017
            return "lost"
        return change.reason

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(make, range(8)))
    assert outcomes.count("lost") == 7
    (winner,) = set(outcomes) - {"lost"}
    registry = machines.on("c")
    assert registry.require_champion().change.reason == winner
    assert [change.reason for change in registry.history()] == ["because a", winner]


@pytest.mark.parametrize("writes", [1, 2])
def test_a_bucket_that_is_gone_in_the_middle_of_a_change_loses_and_doubles_nothing(
    s3: S3, machines: Machines, caplog: pytest.LogCaptureFixture, writes: int
) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))
    s3.dies_after = writes  # the change, and the pointer
    assert registry.promote("b", date(2026, 1, 6), "better", 1).outcome == "promoted"
    assert ("champion.json is not up to date" in caplog.text) == (writes == 1)
    s3.dies_after = None
    assert live(machines.on("b")) == "b"
    machines.promote("b", "c", 7)
    assert [change.model_id for change in machines.on("c").history()] == ["a", "b", "c"]


def test_a_change_that_another_machine_went_on_from_is_done(s3: S3, machines: Machines) -> None:
    """The answer to the write is lost, and the repeated write comes after the other machine's."""
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))

    def meanwhile() -> None:
        machines.promote("b", "c", 7)
        machines.on("a")

    s3.at("PUT .*/history/00000002.json", lambda: setattr(s3, "unanswered", 1))
    s3.at("PUT .*/history/00000002.json", meanwhile, nth=2)
    assert registry.promote("b", date(2026, 1, 6), "better", 1).outcome == "promoted"
    assert live(machines.on("a")) == "c"
    assert [change.model_id for change in machines.on("a").history()] == ["a", "b", "c"]


def test_a_champion_that_was_removed_from_the_bucket_is_there_after_the_next_run_of_a_machine_that_has_it(
    s3: S3, machines: Machines
) -> None:
    """An error of another machine may have told a person to remove it, because it was damaged."""
    machines.promote("a", "a", 5)
    shutil.rmtree(s3.path(f"{URL}/models/a"))
    with pytest.raises(RegistryError, match="model 'a' is not in"):
        machines.on("b").verify("a")
    assert machines.promote("a", "a", 5).outcome == "already champion"
    assert (machines.on("b").verify("a") / "query_search.onnx").is_file()


def current(day: int) -> Current:
    return Current(name=f"2026-01-{day:02d}-{'0' * 16}", day=date(2026, 1, day), ads=1)


def test_of_two_publications_at_once_one_serves(s3: S3, machine: Callable[[str], Path]) -> None:
    # as on two machines: each has what it has read
    first, second = Catalogue(machine("a")), Catalogue(machine("a"))
    assert first.known("m") is None
    assert second.known("m") is None
    first.serve("m", current(5))
    with pytest.raises(
        RegistryError, match=r"another machine published ads for m meanwhile, so those of 2026-01-04"
    ):
        second.serve("m", current(4))
    assert second.current("m") == current(5)
    second.serve("m", current(6))
    assert Catalogue(machine("b")).current("m") == current(6)
    assert Catalogue(machine("b")).models() == ["m"]
    s3.put(f"{URL}/ads/m/current.json", b"{")
    with pytest.raises(
        BundleError, match=rf"^{URL}/ads/m/current.json cannot be read; remove it and publish"
    ):
        Catalogue(machine("a")).current("m")
