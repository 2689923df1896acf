from pathlib import Path

from mtmd.store.files import locked
from mtmd.train import stage as train_stage
from mtmd.train.stage import window_data
from tests.daily import Done
from tests.flows.runs import half_written


def test_the_same_window_is_trained_once(done: Done) -> None:
    first = done.trained[0]
    again = train_stage.train(done.plan, "mtmd", done.days.window)
    assert again == first
    assert again.reused
    assert again.path == str(done.plan.workspace.trained("mtmd", first.key))
    assert half_written(Path(done.plan.artifacts)) == []  # no checkpoint is left


def test_two_trainings_of_one_kind_do_not_wait_for_each_other(done: Done) -> None:
    """Each has a lock of its own: another recipe's may be held for hours."""
    one = done.trained[0]
    locks = {path.name for path in (done.plan.workspace.root / "work").glob("*.lock")}
    assert {f"{trained.kind}-{trained.key[:16]}.lock" for trained in done.trained} == locks
    with locked(done.plan.workspace.work("mtmd", "f" * 64).with_name("mtmd-ffffffffffffffff.lock")):
        assert train_stage.train(done.plan, "mtmd", done.days.window) == one


def test_every_candidate_of_the_window_is_trained_or_validated_on_and_no_other(done: Done) -> None:
    data = window_data(done.plan, done.days.window)
    pairs = sum(len(batch.candidate) for batch in (*data.epoch(0, 64), *data.validation(64)))
    assert pairs == sum(ref.candidates for ref in done.days.window)
