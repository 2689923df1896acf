"""The champion of a line in a bucket: several machines, one pointer."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mtmd.errors import BundleError, RegistryError, UnreachableError
from mtmd.registry.rebuilt import REBUILT
from mtmd.registry.records import Champion, Promotion
from mtmd.registry.registry import Registry
from mtmd.registry.shared import SharedChampion
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.store.durable import home
from mtmd.store.fetched import require_durable
from mtmd.store.objects import ObjectPath
from tests.buckets import S3
from tests.registry.conftest import manifest_of

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


def trust(_: Path) -> None:
    """The models here are no real ones."""


def live(registry: Registry) -> str | None:
    champion = registry.champion()
    return champion.model_id if champion else None


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


def test_a_machine_that_comes_later_sees_the_models(machines: Machines) -> None:
    machines.promote("a", "a", 5)
    machines.promote("a", "b", 6)
    registry = machines.on("b")
    registry.refresh()
    found = registry.status()
    assert found.candidates == 2
    assert [change.model_id for change in found.history] == ["a", "b"]
    assert not (registry.path("a") / "query_search.onnx").exists()
    assert (registry.verify("a") / "query_search.onnx").is_file()


def test_a_damaged_model_is_fetched_again(machines: Machines) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    (registry.path("a") / "metrics.json").write_text("altered")
    registry.verify("a")
    (registry.path("a") / "manifest.json").unlink()
    registry.verify("a")
    with pytest.raises(RegistryError, match="model 'nobody' is not in"):
        registry.verify("nobody")


def test_of_promotions_at_once_one_wins(machines: Machines, tmp_path: Path) -> None:
    """Each machine has read the same pointer, and then all write at once."""
    machines.promote("a", "a", 5)
    old = machines.on("a").require_champion()
    candidates = []
    for number in range(8):
        shared = SharedChampion(ObjectPath.of(URL), tmp_path / f"{number}.jsonl")
        shared.bring_down(tmp_path / f"{number}.json")
        change = old.change.model_copy(update={"sequence": 2, "reason": f"machine {number}"})
        candidates.append((shared, old.model_copy(update={"sequence": 2, "change": change})))

    def swap(one: tuple[SharedChampion, Champion]) -> str:
        try:
            one[0].swap(old, one[1])
        except RegistryError as error:
            assert f"{URL}/champion.json was changed by another machine meanwhile" in str(error)  # noqa: PT017
            return "lost"
        return one[1].change.reason

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(swap, candidates))
    assert outcomes.count("lost") == 7
    (winner,) = set(outcomes) - {"lost"}
    registry = machines.on("b")
    assert registry.require_champion().change.reason == winner
    assert [change.reason for change in registry.history()] == ["because a", winner]


def test_a_rollback_that_another_machine_overtook_is_not_done(machines: Machines) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)

    def meanwhile(_: Path) -> None:
        machines.on("b").rollback("first", trust)
        machines.on("a")

    with pytest.raises(
        RegistryError, match=r"so this rollback was not done; look at `mtmd status`, then run"
    ):
        machines.on("a").rollback("second", meanwhile)
    assert live(machines.on("a")) == "b"
    assert [change.reason for change in machines.on("a").history()][3:] == ["first"]


def test_a_promotion_that_was_decided_against_another_champion_is_refused(machines: Machines) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))
    machines.promote("b", "c", 6)
    with pytest.raises(RegistryError, match="sequence is 2, not 1 as when 'b' was compared"):
        machines.on("a").promote("b", date(2026, 1, 6), "better than a", 1)


def test_a_bucket_that_is_gone_between_pointer_and_history_loses_and_doubles_nothing(
    s3: S3, machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))
    s3.dies_after = 2  # the history's object of the change before, which is there, and the pointer
    assert registry.promote("b", date(2026, 1, 6), "better", 1).outcome == "promoted"
    assert "history/00000002.json can't be written" in caplog.text
    s3.dies_after = None
    assert live(machines.on("b")) == "b"
    assert [change.model_id for change in machines.on("b").history()] == ["a", "b"]
    assert not s3.path(f"{URL}/history/00000002.json").exists()
    machines.promote("b", "c", 7)
    assert [change.model_id for change in machines.on("c").history()] == ["a", "b", "c"]
    assert s3.path(f"{URL}/history/00000002.json").exists()


def test_a_change_whose_answer_is_lost_is_made_once(s3: S3, machines: Machines) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))
    s3.unanswered = 3
    assert registry.promote("b", date(2026, 1, 6), "better", 1).outcome == "promoted"
    assert [change.sequence for change in machines.on("b").history()] == [1, 2]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"model_id": "b"}', None])
def test_a_pointer_that_is_lost_or_damaged_is_what_the_history_says(
    s3: S3, machines: Machines, damage: bytes | None
) -> None:
    machines.promote("a", "a", 5)
    machines.promote("a", "b", 6)
    pointer = s3.path(f"{URL}/champion.json")
    pointer.unlink() if damage is None else pointer.write_bytes(damage)
    assert live(machines.on("b")) == "b"
    assert machines.promote("b", "c", 7).outcome == "promoted"
    assert live(machines.on("a")) == "c"


def test_an_older_copy_of_the_pointer_makes_no_older_model_live(s3: S3, machines: Machines) -> None:
    machines.promote("a", "a", 5)
    pointer = s3.path(f"{URL}/champion.json")
    old = pointer.read_bytes()
    machines.promote("a", "b", 6)
    looking = machines.on("c")
    assert live(looking) == "b"
    s3.put(f"{URL}/champion.json", old)
    assert live(looking) == live(machines.on("b")) == "b"
    assert machines.promote("b", "c", 7).outcome == "promoted"
    assert [change.model_id for change in machines.on("a").history()] == ["a", "b", "c"]


def test_a_promotion_while_another_machine_looks_is_no_older_copy(s3: S3, machines: Machines) -> None:
    machines.promote("a", "a", 5)
    s3.at("GET .*history/00000002.json", lambda: machines.promote("b", "b", 6))
    assert live(machines.on("a")) in {"a", "b"}
    assert s3.awaited == []


def test_a_damaged_entry_of_the_history_stops_no_change(s3: S3, machines: Machines) -> None:
    for day, model in enumerate("ab", start=5):
        machines.promote("a", model, day)
    for number in (1, 2):
        s3.put(f"{URL}/history/{number:08d}.json", b"{")
    assert machines.promote("new", "c", 7).outcome == "promoted"
    # what the pointer implies
    assert [change.model_id for change in machines.on("newer").history()] == ["b", "c"]
    assert [change.reason for change in machines.on("a").history()] == ["because a", "because b", "because c"]
    s3.path(f"{URL}/champion.json").unlink()
    with pytest.raises(RegistryError, match=rf"^{URL}/history/00000001.json has a line that is no change"):
        machines.on("new").champion()


@pytest.mark.parametrize("machine_name", ["a", "new"])
@pytest.mark.parametrize("lost", [1, 2])
def test_without_a_pointer_a_gap_in_the_history_makes_no_old_model_live(
    s3: S3, machines: Machines, lost: int, machine_name: str
) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)
    s3.path(f"{URL}/champion.json").unlink()
    s3.path(f"{URL}/history/{lost:08d}.json").unlink()
    words = (
        rf"^{URL}/history/{lost:08d}.json is missing, the history goes on to change 3, and .*restore it from"
    )
    with pytest.raises(RegistryError, match=words):
        machines.on(machine_name).champion()
    with pytest.raises(RegistryError, match=words):
        machines.promote(machine_name, "d", 8)


def test_a_machine_that_knows_a_newer_change_makes_no_old_model_live(s3: S3, machines: Machines) -> None:
    for day, model in enumerate("ab", start=5):
        machines.promote("a", model, day)
    s3.path(f"{URL}/champion.json").unlink()
    s3.path(f"{URL}/history/00000002.json").unlink()
    with pytest.raises(
        RegistryError, match=r"history/00000002.json is missing, the history goes on to change 2"
    ):
        machines.on("a").champion()


def test_a_first_promotion_while_another_machine_looks_is_no_gap(s3: S3, machines: Machines) -> None:
    s3.at("GET .*list-type=2.*history", lambda: machines.promote("b", "b", 5))
    assert live(machines.on("a")) == "b"
    assert s3.awaited == []


@pytest.mark.parametrize("damage", [b"{", None])
@pytest.mark.parametrize("numbers", [[2], [1, 2]])
def test_the_machine_that_knows_the_history_keeps_it_and_writes_it_back(
    s3: S3, machines: Machines, damage: bytes | None, numbers: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)
    for number in numbers:
        path = s3.path(f"{URL}/history/{number:08d}.json")
        path.unlink() if damage is None else path.write_bytes(damage)
    reasons = ["because a", "because b", "because c"]
    assert [change.reason for change in machines.on("a").history()] == reasons
    machines.on("new").history()  # what it rebuilds is its own
    machines.promote("a", "d", 8)
    assert [change.reason for change in machines.on("newer").history()] == [*reasons, "because d"]
    assert "/history/00000002.json was damaged or lost, and is written again from" in caplog.text


def test_what_a_machine_has_rebuilt_is_not_written_back(s3: S3, machines: Machines) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)
    s3.put(f"{URL}/history/00000002.json", b"{")
    assert machines.on("b").history()[1].reason == REBUILT
    machines.promote("b", "d", 8)
    assert s3.path(f"{URL}/history/00000002.json").read_bytes() == b"{"


def test_an_old_history_of_this_machine_is_not_taken_for_that_of_a_new_line(
    s3: S3, machines: Machines
) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)
    for path in [s3.path(f"{URL}/champion.json"), *s3.path(f"{URL}/history").iterdir()]:
        path.unlink()
    for day, model in enumerate("def", start=5):
        machines.promote("b", model, day)
    for number in (1, 2):
        s3.put(f"{URL}/history/{number:08d}.json", b"{")
    assert "because b" not in [change.reason for change in machines.on("a").history()]


def test_an_entry_that_another_machine_mends_meanwhile_is_not_overwritten(s3: S3, machines: Machines) -> None:
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))
    entry = f"{URL}/history/00000002.json"
    s3.put(entry, b"{")
    other = s3.path(f"{URL}/history/00000001.json").read_bytes()
    # after it was created in vain, and read to compare its content, and read to see what it is
    s3.at("(GET|PUT) .*/history/00000002.json", lambda: s3.put(entry, other), nth=5)
    with pytest.raises(RegistryError, match=r"history/00000002.json is another change than 2 of"):
        registry.promote("b", date(2026, 1, 6), "better", 1)
    assert s3.path(entry).read_bytes() == other


def test_a_change_that_another_machine_went_on_from_is_done(s3: S3, machines: Machines) -> None:
    """The answer to the write is lost, and the repeated write comes after the other machine's."""
    machines.promote("a", "a", 5)
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="b"), manifest_of("b", 6))

    def meanwhile() -> None:
        machines.promote("b", "c", 7)
        machines.on("a")

    s3.at("PUT .*/champion.json", lambda: setattr(s3, "unanswered", 1))
    s3.at("PUT .*/champion.json", meanwhile, nth=2)
    assert registry.promote("b", date(2026, 1, 6), "better", 1).outcome == "promoted"
    assert live(machines.on("a")) == "c"
    assert [change.model_id for change in machines.on("a").history()] == ["a", "b", "c"]


def test_a_champion_that_nothing_says_is_an_error(s3: S3, machines: Machines) -> None:
    s3.put(f"{URL}/champion.json", b"{")
    with pytest.raises(RegistryError, match=rf"^{URL}/champion.json cannot be read; restore it from a copy"):
        machines.on("a").champion()


def test_a_line_that_was_begun_anew_has_a_new_history(s3: S3, machines: Machines) -> None:
    for day, model in enumerate("abc", start=5):
        machines.promote("a", model, day)
    for path in [s3.path(f"{URL}/champion.json"), *s3.path(f"{URL}/history").iterdir()]:
        path.unlink()
    assert machines.on("a").history() == ()
    assert machines.promote("b", "d", 5).outcome == "promoted"
    machines.promote("b", "e", 6)
    assert [change.model_id for change in machines.on("a").history()] == ["d", "e"]
    s3.put(f"{URL}/history/00000002.json", s3.path(f"{URL}/history/00000001.json").read_bytes())
    with pytest.raises(RegistryError, match=r"history/00000002.json is another change than 2 of"):
        machines.promote("a", "f", 7)


def test_a_promoted_model_is_in_the_bucket(s3: S3, machines: Machines) -> None:
    registry = machines.on("a")
    registry.add(partial(machines.build, model_id="a"), manifest_of("a", 5))
    for path in s3.path(f"{URL}/models").rglob("*"):
        if path.is_file():
            path.unlink()
    assert registry.promote("a", date(2026, 1, 5), "first", 0).outcome == "promoted"
    assert (machines.on("b").verify("a") / "query_search.onnx").is_file()


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
    assert first.current("m") is None
    assert second.current("m") is None
    first.serve("m", current(5))
    with pytest.raises(
        RegistryError, match=r"another machine published ads for m meanwhile, so those of 2026-01-04"
    ):
        second.serve("m", current(4))
    assert second.current("m") == current(5)
    second.serve("m", current(6))
    assert Catalogue(machine("b")).require_current("m") == current(6)
    assert Catalogue(machine("b")).models() == ["m"]
    s3.put(f"{URL}/ads/m/current.json", b"{")
    with pytest.raises(
        BundleError, match=rf"^{URL}/ads/m/current.json cannot be read; remove it and publish"
    ):
        Catalogue(machine("a")).current("m")


def test_a_bucket_that_does_not_answer_is_no_line_without_a_champion(s3: S3, machines: Machines) -> None:
    machines.promote("a", "a", 5)
    s3.dies_after = 0
    with pytest.raises(UnreachableError):
        machines.on("a").champion()
    with pytest.raises(UnreachableError):
        machines.on("a").promote("a", date(2026, 1, 5), "again", 1)
    assert home(machines.on("a").root) is not None


def test_a_reinstatement_uploads_no_model_of_which_this_machine_has_a_part(
    s3: S3, machines: Machines
) -> None:
    """A person removed the live model as damaged; the machine that has all of it uploads it again."""
    machines.promote("a", "a", 5)
    machines.promote("a", "b", 6)
    machines.on("a").rollback("bad", trust)
    registry = machines.on("b")
    registry.refresh()  # which brings the JSON files down
    shutil.rmtree(s3.path(f"{URL}/models/a"))
    registry.reinstate("b", "was good")
    assert not s3.path(f"{URL}/models/a").exists()
    require_durable(machines.on("a").verify("a"))
    assert (machines.on("c").verify("a") / "query_search.onnx").is_file()
