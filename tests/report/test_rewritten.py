"""Which days were rewritten since the champion, what of them is told first, and what can't be known."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.config import Declarations
from mtmd.extract.shards import Days, ShardRef
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.registry.bundle import BUNDLE_FORMAT, BundleInfo, TowerFile
from mtmd.report.rewritten import Found, Rewritten, rewritten
from mtmd.report.shard_changes import ROWS, Change, Values
from mtmd.store.files import write_json
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayProfile, DayValidation
from tests.extract.conftest import Rows, declarations, hand_made_day, write_table

__all__ = ["declarations"]

CHAMPION = "20260310-a1"
LAST = date(2026, 3, 10)


class Line:
    """A line whose champion saw days with the hand-made rows; `deliver` writes a version of a day."""

    def __init__(self, place: Path, declarations: Declarations) -> None:
        self.workspace, self.declarations, self._place = Workspace(place / "line"), declarations, place
        bundle = BundleInfo(
            format=BUNDLE_FORMAT,
            bundle_id="b" * 64,
            weights="0" * 64,
            declarations=declarations,
            widths={"ctr": 1, "octr": 1},
            files=tuple(
                TowerFile(side=side, domain=name, file=f"{side}_{name}.onnx", sha256="0" * 64)
                for side, names in (
                    ("query", declarations.query.domains),
                    ("item", declarations.item.domains),
                )
                for name in names
            ),
        )
        write_json(self.workspace.root / "models" / CHAMPION / "bundle.json", bundle.model_dump(mode="json"))
        self._versions = 0

    def deliver(self, day: date, tables: dict[str, Rows]) -> ShardRef:
        self._versions += 1
        logs = self._place / f"logs-{self._versions}"
        for table, rows in tables.items():
            write_table(logs, table, day, rows)
        return extract_day(LogSource(logs), day, self.declarations, self.workspace.shards)

    def rewritten(
        self, seen: list[ShardRef], now: list[ShardRef], validations: tuple[DayValidation, ...] = ()
    ) -> Rewritten:
        prints = {ref.day: ref.fingerprint for ref in seen}
        days = Days.of([*now, now[-1].model_copy(update={"day": LAST + timedelta(days=1)})])
        return rewritten(self.workspace, CHAMPION, prints, days, self.declarations, validations)


@pytest.fixture
def line(tmp_path: Path, declarations: Declarations) -> Line:
    return Line(tmp_path, declarations)


def _dearer(factor: float) -> dict[str, Rows]:
    """Every shopping ad's bid, and one score, are other ones."""
    day = hand_made_day()
    for row in day["ads"]:
        if row["product"] == "shopping" and row["bid"]:
            row["bid"] *= factor
    day["candidates"][0]["ctr"] = 0.26
    return day


def test_the_change_that_counts_most_is_told_first_with_its_days(line: Line) -> None:
    days = [LAST - timedelta(days=back) for back in (2, 1, 0)]
    before = [line.deliver(day, hand_made_day()) for day in days]
    now = [line.deliver(day, _dearer(100.0)) for day in days[:2]] + before[2:]
    found = line.rewritten(before, now)
    assert found.words == (
        "2 of 3 training days were rewritten since the champion saw them (2026-03-08, 2026-03-09): ads: bid in "
        "shopping, mean 1.5 → 150, 50% of its rows differ; also candidates: teacher score ctr"
    )
    assert found.found[0].days == tuple(days[:2])
    assert found.found[0].change.changed == 2
    assert line.rewritten(before, before).words == ""
    assert line.rewritten(before[:1], now[1:]).words == ""  # the champion saw another day


def test_days_of_which_only_the_name_changed_are_told_as_such(line: Line) -> None:
    before = [line.deliver(LAST, hand_made_day())]
    now = [line.deliver(LAST, {table: rows[::-1] for table, rows in hand_made_day().items()})]
    assert line.rewritten(before, now).words == (
        "1 of 1 training days was rewritten since the champion saw it (2026-03-10): their rows hold the same values "
        "(the SQL or the declarations changed)"
    )


def test_of_many_days_the_newest_are_compared(line: Line) -> None:
    days = [LAST - timedelta(days=back) for back in range(11, -1, -1)]
    seen = [_gone(day, "a") for day in days]
    found = line.rewritten(seen, [_gone(day, "b") for day in days])
    assert found.head.endswith("(2026-02-27 to 2026-03-10)")
    assert len(found.notes) == 11
    assert found.notes[-1] == "2026-02-27, 2026-02-28: not compared, only the newest 10 are"


def test_of_many_days_whose_name_alone_changed_it_is_told_that_they_are_the_same(line: Line) -> None:
    """A new feature renames every shard of the window, and a window has more days than are compared."""
    days = [LAST - timedelta(days=back) for back in range(11, -1, -1)]
    other_order = {table: rows[::-1] for table, rows in hand_made_day().items()}
    before = [line.deliver(day, hand_made_day()) for day in days]
    now = [line.deliver(day, other_order) for day in days]
    assert line.rewritten(before, now).words == (
        "12 of 12 training days were rewritten since the champion saw them (2026-02-27 to 2026-03-10): the rows of 10 "
        "of them hold the same values (the SQL or the declarations changed); 2026-02-27, 2026-02-28: not compared, "
        "only the newest 10 are"
    )


def test_where_the_former_shard_is_gone_validation_says_which_tables_changed(line: Line) -> None:
    seen, now = [_gone(LAST, "a")], [line.deliver(LAST, hand_made_day())]
    unknown = "changed, in which table is not known (the shard that the champion saw is gone)"
    assert line.rewritten(seen, now).notes == (f"2026-03-10 {unknown}",)
    run = line.workspace.run(LAST, "f" * 10, "abcdef")
    write_json(
        run / "validation.json",
        {"days": [_validated("same", "old").model_dump(mode="json")], "window": None},
        seal=True,
    )
    write_json(run / "summary.json", _summary(), seal=True)
    (note,) = line.rewritten(seen, now, (_validated("same", "new"),)).notes
    assert note == "2026-03-10 changed in ads (the shard that the champion saw is gone)"
    (same,) = line.rewritten(seen, now, (_validated("same", "old"),)).notes
    assert same.startswith("2026-03-10 has the same values as before (")
    other = line.declarations.domains.model_copy(update={"tasks": line.declarations.domains.tasks[:1]})
    line.declarations = line.declarations.model_copy(update={"domains": other})
    (note,) = line.rewritten(seen, now).notes
    assert note.endswith("(the champion has other surfaces, products or tasks)")


def test_values_that_are_hashed_in_another_way_are_not_told_as_other_values(line: Line) -> None:
    before = [line.deliver(LAST, hand_made_day())]
    line.declarations = line.declarations.model_copy(update={"hash_seed": 1})
    found = line.rewritten(before, [line.deliver(LAST, hand_made_day())])
    assert found.words == (
        "1 of 1 training days was rewritten since the champion saw it (2026-03-10): 2026-03-10 changed, in which table "
        "is not known (the champion hashes values in another way (hash_seed))"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("ads", ROWS, "shopping", 30, Values(40), Values(10)), "ads: rows in shopping, 40 rows → 10"),
        (
            Change("ads", "price", "shopping", 40, Values(40, 4, 36.0), Values(40, 40, 0.0)),
            "ads: price in shopping, 10.0% missing → 100.0%, 100% of its rows differ",
        ),
        (
            Change("ads", "topic", "shopping", 1, Values(400), Values(400)),
            "ads: topic in shopping, other values, less than 1% of its rows differ",
        ),
        (
            Change("ads", "topic", "shopping", 8, Values(40, 8), Values(40, 0)),
            "ads: topic in shopping, 20.0% missing → 0.0%, 20% of its rows differ",
        ),
    ],
)
def test_a_change_is_said_by_what_tells_most(change: Change, words: str) -> None:
    assert Found(change, (LAST,)).words == words


def _gone(day: date, fingerprint: str) -> ShardRef:
    return ShardRef(
        day=day, fingerprint=fingerprint * 64, path="gone", sources="s", requests=1, ads=1, candidates=1, reused=True
    )  # fmt: skip


def _validated(requests: str, ads: str) -> DayValidation:
    profile = DayProfile(day=LAST, domains=(), null_rates=(), digests={"requests": requests, "ads": ads})
    return DayValidation(day=LAST, results=(), profile=profile)


def _summary() -> dict[str, object]:
    verdict = {"gates": [], "refusal": None, "override": None}
    return {
        "as_of": str(LAST), "model_id": CHAMPION, "promoted": True, "champion": CHAMPION, "words": "promoted",
        "verdict": verdict,
    }  # fmt: skip
