"""Whom a candidate is up against, in a registry where the first run's model and then the next day's went live."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from mtmd.registry.incumbent import Incumbent, incumbent
from mtmd.registry.registry import Registry
from mtmd.store.files import remove
from tests.flows.runs import AS_OF, LINE, NEXT, Run, copied


@dataclass(frozen=True)
class Line:
    registry: Registry
    first: str
    second: str

    def of(self, candidate: str, as_of: date = NEXT) -> Incumbent:
        return incumbent(self.registry, candidate, as_of)


@pytest.fixture
def line(first_run: Run, next_day: Run, tmp_path: Path) -> Line:
    registry = Registry(copied(next_day.artifacts, tmp_path / "artifacts") / LINE)
    return Line(registry, first_run.summary.model_id, next_day.summary.model_id)


def test_what_was_promoted_meets_the_champion_that_it_displaced(line: Line) -> None:
    assert line.of(line.second) == Incumbent(model_id=line.first, sequence=2, promotion="all gates passed")
    first = "all gates passed; not applicable: champion"
    assert line.of(line.first, AS_OF) == Incumbent(sequence=2, promotion=first)


def test_what_was_rolled_back_meets_the_champion_that_is_live_again(line: Line) -> None:
    line.registry.rollback("a bad day", check=lambda directory: directory)
    assert line.of(line.second) == Incumbent(model_id=line.first, sequence=3)


def test_a_displaced_champion_that_was_cleared_away_is_left_out(line: Line) -> None:
    remove(line.registry.path(line.first))
    found = line.of(line.second)
    assert found.left_out == (
        f"champion {line.first}, which it displaced, is not in the registry any more, so it is not compared"
    )
    assert found.compared is None
