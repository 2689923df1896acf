"""Whom a candidate is up against where the champion that it displaced is gone; tests/promote has the other cases."""

from pathlib import Path

from mtmd.registry.incumbent import incumbent
from mtmd.registry.registry import Registry
from mtmd.store.files import remove
from tests.flows.runs import LINE, NEXT, Run, copied


def test_a_displaced_champion_that_was_cleared_away_is_left_out(
    first_run: Run, next_day: Run, tmp_path: Path
) -> None:
    registry = Registry(copied(next_day.artifacts, tmp_path / "artifacts") / LINE)
    first = first_run.summary.model_id
    remove(registry.path(first))
    found = incumbent(registry, next_day.summary.model_id, NEXT)
    assert found.left_out == (
        f"champion {first}, which it displaced, is not in the registry any more, so it is not compared"
    )
    assert found.compared is None
