"""One line's registry: models stored once, promotions, rollbacks and what they ban."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.records import Champion, Promotion, Registered, StartedFrom
from mtmd.registry.registry import Registry
from mtmd.store.files import remove
from mtmd.store.workspace import file_digests
from tests.registry.conftest import AddModel, Promote, day, live, manifest_of, trust
from tests.small_disk import small_disk


def test_a_model_is_stored_once_with_the_digest_of_every_file(registry: Registry, add: AddModel) -> None:
    stored = add("a", 5)
    assert stored == Registered(model_id="a", path=str(registry.root / "models" / "a"), reused=False)
    manifest = registry.manifest("a")
    names = {path.name for path in Path(stored.path).iterdir()}
    assert set(manifest.files) == names - {"manifest.json"}
    assert manifest.window == {date(2025, 12, 31): "f" * 64}
    assert registry.verify("a") == Path(stored.path)

    def explode(_: Path) -> None:
        raise AssertionError("built twice")

    assert registry.add(explode, manifest).reused


def test_what_is_built_must_fit_the_manifest(
    registry: Registry, add: AddModel, build: Callable[[Path], None]
) -> None:
    add("a", 5)
    manifest = registry.manifest("a").model_copy(update={"model_id": "b"})
    with pytest.raises(RegistryError, match=r"'b' was built without metrics\.json"):
        registry.add(lambda _: None, manifest)
    with pytest.raises(RegistryError, match=r"holds bundle [0-9a-f]+, its manifest says c+"):
        registry.add(build, manifest.model_copy(update={"bundle_id": "c" * 64}))
    assert [path.name for path in registry.models.iterdir()] == ["a"]


def test_an_unknown_model_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"model id '\.\./a' must be at most 200 letters"):
        registry.path("../a")
    with pytest.raises(RegistryError, match="model 'nobody' is not in"):
        registry.verify("nobody")
    with pytest.raises(RegistryError, match="model 'nobody' is not in"):
        registry.promote("nobody", day(1), "", 0)
    assert live(registry) is None


def test_an_older_day_is_registered_and_displaces_nothing(registry: Registry, promote: Promote) -> None:
    promote("new", 9)
    assert promote("old", 8) == "refused"
    refused = registry.promote("old", day(8), "backfill", 1)
    assert "its as_of 2026-01-08 is older than the champion's 2026-01-09" in refused.words
    assert live(registry) == "new"
    assert len(registry.history()) == 1


def test_a_decision_about_another_champion_is_refused(
    registry: Registry, add: AddModel, promote: Promote
) -> None:
    promote("a", 5)
    add("c", 7)
    promote("b", 6)
    with pytest.raises(RegistryError, match=r"sequence is 2, not 1 as when 'c' .* b is live now"):
        registry.promote("c", day(7), "", 1)
    assert live(registry) == "b"
    for share, why in ((0.1, "try it"), (1.0, "it does well")):
        registry.roll_out(share, why, trust)
    with pytest.raises(RegistryError, match=r"b answers all users \(.* rollout, it does well\); nothing was"):
        registry.rollback("it does badly", trust, only="b", rollout=True)
    for share in (0.1, 0.2):  # which changes no champion
        registry.roll_out(share, "more users", trust)
    registry.promote("c", day(7), "", 2)
    assert registry.require_champion().answers == "c answers 0.2 of the users, a the others"


def test_a_wrong_day_and_an_altered_model_are_not_promoted(registry: Registry, add: AddModel) -> None:
    path = Path(add("a", 5).path) / "item_shopping.onnx"
    with pytest.raises(RegistryError, match="'a' has as_of 2026-01-05; it cannot be promoted for 2026-01-06"):
        registry.promote("a", day(6), "", 0)
    path.write_text("altered")
    with pytest.raises(BundleError, match=r"item_shopping\.onnx"):
        registry.promote("a", day(5), "", 0)
    assert live(registry) is None


@pytest.mark.parametrize("name", ["query_search.onnx", "metrics.json"])
def test_an_altered_or_missing_file_is_named(registry: Registry, add: AddModel, name: str) -> None:
    path = Path(add("a", 5).path) / name
    for damage, found in ((lambda: path.write_text("altered"), "[0-9a-f]{64}"), (path.unlink, "nothing")):
        damage()
        with pytest.raises(BundleError, match=f"{name} of model 'a' is {found}; its manifest says"):
            registry.verify("a")


@pytest.mark.parametrize("name", ["query_search.onnx", "metrics.json", "manifest.json"])
def test_an_altered_model_is_made_again_as_it_was(
    registry: Registry, add: AddModel, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(add("a", 5).path)
    before = file_digests(path)
    (path / name).write_text("altered")
    (path / "foreign").write_text("")
    assert not add("a", 5).reused
    assert file_digests(path) == before
    assert f"{name}" in caplog.text
    assert add("a", 5).reused


def test_of_many_who_saw_the_same_champion_one_wins(registry: Registry, add: AddModel) -> None:
    names = [f"m{number}" for number in range(6)]
    for name in names:
        add(name, 5)

    def go(name: str) -> str:
        try:
            return registry.promote(name, day(5), name, 0).outcome
        except RegistryError:
            return "lost"

    with ThreadPoolExecutor(len(names)) as threads:
        outcomes = list(threads.map(go, names))
    assert sorted(outcomes) == ["lost"] * 5 + ["promoted"]
    assert [line.sequence for line in registry.history()] == [1]


def test_rollback_goes_to_the_champion_before_and_further(registry: Registry, promote: Promote) -> None:
    for number, name in enumerate("abc", start=5):
        assert promote(name, number) == "promoted"
    _, back = registry.rollback("c was bad", trust)
    assert (back.model_id, back.previous, back.sequence, back.rolled_back) == ("b", "a", 4, ("c",))
    with pytest.raises(RegistryError, match=r"'c' is not live \(b is\), so there is nothing to roll back"):
        registry.rollback("c was bad", trust, only="c")  # the same request, sent twice
    _, further = registry.rollback("b too", trust)
    assert (further.model_id, further.previous, further.rolled_back) == ("a", None, ("c", "b"))
    with pytest.raises(RegistryError, match=r"there is no other model before the live one \(a\)"):
        registry.rollback("a too", trust)
    lines = [(line.action, line.model_id, line.previous, line.reason) for line in registry.history()[3:]]
    assert lines == [("rollback", "b", "c", "c was bad"), ("rollback", "a", "b", "b too")]


@pytest.mark.parametrize(
    ("again", "words"),
    [
        ("b", "b was rolled back before; another window or preset gives a model of other content"),
        ("b2", "b2 is b under another id, which was rolled back before; "),
    ],
)
@pytest.mark.parametrize("lost", [(), ("models/b",), ("models/b", "champion.json")])
def test_a_rolled_back_content_does_not_come_back_by_a_re_run(
    registry: Registry,
    add: AddModel,
    promote: Promote,
    taken_down: Champion,
    again: str,
    words: str,
    lost: tuple[str, ...],
) -> None:
    for name in lost:
        remove(registry.root / name)
    add(again, 6)
    refused = registry.promote(again, day(6), "re-run", taken_down.sequence)
    assert (refused.outcome, live(registry)) == ("refused", "a")
    assert refused.words.startswith(words)
    assert '`mtmd reinstate b --reason "…"`, and the day again, lets this one' in refused.words
    assert promote("c", 6) == "promoted"
    assert promote(again, 6) == "refused"


def test_a_reinstatement_lets_a_content_come_back_whatever_its_id(
    registry: Registry, promote: Promote, taken_down: Champion
) -> None:
    promote("b2", 6)
    champion = registry.reinstate("b", "it was the logs")
    assert (champion.model_id, champion.rolled_back, champion.previous) == ("a", (), None)
    line = registry.history()[-1]
    assert (line.action, line.model_id, line.reinstated) == ("reinstate", "a", "b")
    assert line.reason == "it was the logs"
    assert promote("b2", 6) == "promoted"
    assert registry.standing() == ("a", "b2")
    assert registry.rollback("bad after all", trust)[1].model_id == "a"


def test_the_same_content_under_another_id_hands_no_users_to_an_older_model(
    registry: Registry, promote: Promote, add: AddModel
) -> None:
    promote("a", 5)
    promote("b", 6)
    for name, standing in (("c", "abc"), ("b2", ("a", "b", "b2")), ("b3", ("a", "b", "b2", "b3"))):
        add(name, 6)
        registry.promote(name, day(6), "", registry.require_champion().sequence, 0.1)
        assert registry.standing() == tuple(standing)
        assert registry.require_champion().partner == ("b" if name == "c" else None)


def test_one_rollback_is_about_the_champion_its_copies_and_the_model_before_them(
    registry: Registry, promote: Promote
) -> None:
    assert registry.one_rollback() == ()
    expected = [("a",), ("a", "b"), ("a", "b", "b2"), ("b2", "c"), ("c", "b", "b2", "b3")]
    for number, reached in enumerate(expected, start=5):
        promote(reached[-1], number)
        assert registry.one_rollback() == reached
        assert registry.require_champion().previous == (reached[0] if len(reached) > 1 else None)
    (registry.path("b3") / "manifest.json").write_text("{")
    assert registry.one_rollback() == expected[-1]
    assert registry.rollback("b3 was bad", trust)[1].model_id == "c"


def test_a_rollback_to_a_model_that_is_altered_or_does_not_answer_changes_nothing(
    registry: Registry, promote: Promote
) -> None:
    promote("a", 5)
    promote("b", 6)
    asked: list[Path] = []

    def mute(directory: Path) -> None:
        asked.append(directory)
        raise BundleError("no answer")

    with pytest.raises(BundleError, match="no answer"):
        registry.rollback("b was bad", mute)
    (registry.path("a") / "query_search.onnx").write_text("altered")
    with pytest.raises(BundleError, match=r"query_search\.onnx of model 'a'"):
        registry.rollback("b was bad", mute)
    assert asked == [registry.path("a")]
    assert live(registry) == "b"
    assert len(registry.history()) == 2


def test_a_manifest_with_holes_is_refused(registry: Registry, add: AddModel) -> None:
    directory = Path(add("a", 5).path)
    whole = json.loads((directory / "manifest.json").read_text())
    del whole["content_sha256"]

    def refused(words: str, **changed: object) -> None:
        (directory / "manifest.json").write_text(json.dumps(whole | changed))
        with pytest.raises(BundleError, match=words):
            registry.verify("a")

    path = directory / "manifest.json"
    path.write_text(path.read_text().replace("2026-01-05", "2026-01-15"))
    with pytest.raises(BundleError, match="was altered"):
        registry.verify("a")
    refused("of model 'a' is not in its manifest", files={})
    refused("is of model 'b'", model_id="b")
    (directory / "item_other.onnx").write_text("beside")
    refused("item_other.onnx of model 'a' is not in its manifest")
    (directory / "manifest.json").unlink()
    with pytest.raises(BundleError, match="manifest of model 'a' cannot be read"):
        registry.verify("a")


Continue = Callable[[str, int, str], Promotion]


@pytest.fixture
def go_on(registry: Registry, build: Callable[..., None]) -> Continue:
    """`go_on("c", 7, "b")`: register c, whose training went on from b, and promote it as the champion stands."""

    def promote(model_id: str, number: int, start: str) -> Promotion:
        started = StartedFrom(model_id=start, full_model_id="a", full_as_of=day(5))
        manifest = manifest_of(model_id, number).model_copy(update={"started_from": started})
        registry.add(partial(build, model_id=model_id), manifest)
        return registry.promote(model_id, day(number), "gates", registry.require_champion().sequence)

    return promote


def test_what_went_on_from_a_model_that_was_rolled_back_meanwhile_does_not_go_live(
    registry: Registry, taken_down: Champion, go_on: Continue
) -> None:
    """The rollback came while the training of c went on from b."""
    refused = go_on("c", 7, "b")
    assert (refused.outcome, live(registry)) == ("refused", "a")
    assert refused.words.startswith(
        "its training went on from b, which was rolled back since then. Run the day"
    )
    assert go_on("d", 7, "a").outcome == "promoted"
    registry.reinstate("b", "it was the logs")
    assert go_on("c", 7, "b").outcome == "promoted"


def test_what_was_champion_and_is_reinstated_may_come_back_without_the_model_it_went_on_from(
    registry: Registry, promote: Promote, go_on: Continue
) -> None:
    promote("a", 5)
    promote("b", 6)
    assert go_on("c", 7, "b").outcome == "promoted"
    for _ in range(2):
        registry.rollback("bad conversions", trust)
    assert live(registry) == "a"
    assert go_on("c", 7, "b").words.startswith("c was rolled back before")
    registry.reinstate("c", "it was b alone")
    assert go_on("c", 7, "b").outcome == "promoted"


def test_a_reinstatement_takes_the_beginning_of_only_one_id(registry: Registry, promote: Promote) -> None:
    for number, model in enumerate(("a", "bad-x", "cold", "bad-y"), 5):
        promote(model, number)
    registry.rollback("bad", trust)
    with pytest.raises(RegistryError, match="model '' is not rolled back"):
        registry.reinstate("", "the only one")
    registry.rollback("bad", trust)
    with pytest.raises(RegistryError, match="model 'bad' is not rolled back; these are"):
        registry.reinstate("bad", "which?")
    assert registry.reinstate("c", "it was the logs").rolled_back == ("bad-x", "bad-y")
    assert registry.reinstate("bad-x", "it was the logs").rolled_back == ()


def test_a_rollback_and_a_reinstatement_need_a_reason_and_a_model(
    registry: Registry, promote: Promote
) -> None:
    with pytest.raises(RegistryError, match=r"no model is live, so there is nothing to roll back; run a day"):
        registry.rollback("why not", trust)
    with pytest.raises(RegistryError, match=r"model 'a' is not rolled back; these are: \[\]"):
        registry.reinstate("a", "why not")
    promote("a", 5)
    with pytest.raises(RegistryError, match="a rollback needs a reason"):
        registry.rollback(" ", trust)
    with pytest.raises(RegistryError, match="a reinstatement needs a reason"):
        registry.reinstate("a", "")


def test_what_is_live_or_a_rollback_can_reach_is_not_discarded(
    registry: Registry, add: AddModel, promote: Promote
) -> None:
    for number, name in enumerate("abc", start=5):
        promote(name, number)
    registry.rollback("c was bad", trust)
    add("d", 8)
    assert [name for name in "abcd" if registry.discard(name)] == ["c", "d"]
    assert sorted(path.name for path in registry.models.iterdir()) == ["a", "b"]
    assert registry.discard("d")  # once more, by another process


@pytest.mark.parametrize("free_kb", range(0, 33, 4))
def test_a_rollback_that_raises_on_a_full_disk_changed_nothing(
    tmp_path: Path, build: Callable[..., None], free_kb: int
) -> None:
    """Whoever reads an error tries again, and a second rollback goes back further."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        registry = Registry(disk / "line")
        for number, model_id in enumerate("abc", start=1):
            registry.add(partial(build, model_id=model_id), manifest_of(model_id, number))
            registry.promote(model_id, day(number), "first " * (number == 1) * 500, number - 1)
        room = os.statvfs(disk)
        with (disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - (free_kb << 10))
        try:
            registry.rollback("why " * 1000, trust)
        except StorageError:
            assert live(registry) == "c"
        else:
            assert live(registry) == "b"
        (disk / "filler").unlink()
        assert [change.sequence for change in registry.history()] == list(
            range(1, registry.require_champion().sequence + 1)
        )
