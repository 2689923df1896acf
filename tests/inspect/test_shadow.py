"""The shadow log, summed up for a person."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mtmd.cli import main
from mtmd.inspect.shadow import summed_up
from mtmd.serve.http.comparison import Compared, ModelOf, TaskScores
from mtmd.store.rotated import RotatedLines

LIVE = ModelOf(model_id="20260121-aaaaaaaaaa", bundle_id="a" * 64, day=date(2026, 1, 22))
CANDIDATE = ModelOf(model_id="20260122-bbbbbbbbbb", bundle_id="b" * 64, day=date(2026, 1, 22))


def line(hour: int, surface: str, ads: int, live: float, candidate: float) -> str:
    scores = TaskScores(ads=ads, live=live, candidate=candidate, absolute=0.02 * hour, largest=0.1 * hour)
    return Compared(
        at=datetime(2026, 1, 23, hour, tzinfo=UTC), why="share", live=LIVE, candidate=CANDIDATE, request_id=hour,
        surface=surface, rank_by="ctr", ads=ads, shared=ads - 1, same_first=hour == 1, missing=0,
        tasks={"ctr": scores}, seconds=0.01,
    ).model_dump_json()  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        line(1, "search", 1, 0.1, 0.2),
        line(2, "search", 3, 0.3, 0.2),
        line(3, "home_feed", 2, 0.5, 0.5),
    ]
    (tmp_path / "a-8080.jsonl.1").write_text(f"{lines[0]}\n")
    failed = {
        "at": "2026-01-23T04:00:00Z",
        "why": "asked",
        "candidate": "20260122-bbbbbbbbbb",
        "error": "no task",
    }
    (tmp_path / "a-8080.jsonl").write_text(f"{lines[1]}\n{json.dumps(failed)}\n{lines[2]}\n[1]\n")
    return tmp_path


def test_requests_without_an_ad_have_no_same_best_ad(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = json.loads(line(1, "search", 1, 0.1, 0.2)) | {"ads": 0, "shared": 0, "tasks": {}}
    (folder / "b-8080.jsonl").write_text(f"{json.dumps(empty)}\n" * 2)
    assert main(["shadow", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "5 requests, 2026-01-23 01:00 to 2026-01-23 03:00 UTC" in said
    assert "33.3% of the answered requests have the same best ad" in said
    assert "2 requests were answered without an ad" in said


def test_a_service_that_begins_a_new_file_meanwhile_hides_no_line_and_doubles_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, real = folder / "a-8080.jsonl", Path.open
    rotated = RotatedLines(newest, limit=1, older=2)

    def opened(path: Path, *arguments: Any, **named: Any) -> Any:
        """The service begins a new file once the newest is open."""
        monkeypatch.setattr(Path, "open", real)
        file = path.open(*arguments, **named)
        rotated.append([line(5, "search", 1, 0.1, 0.2)])
        return file

    before = summed_up(folder)
    monkeypatch.setattr(Path, "open", opened)
    after = summed_up(folder)
    assert (before.pairs[0].requests, after.pairs[0].requests) == (3, 4)
    assert (after.failed, after.unreadable) == (before.failed, before.unreadable)
    assert summed_up(folder) == after


def test_the_log_is_summed_up_by_surface_and_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    for words in (
        "20260122-bbbbbbbbbb beside champion 20260121-aaaaaaaaaa",
        "3 requests, 2026-01-23 01:00 to 2026-01-23 03:00 UTC",
        "50.0% of the 6 answered ads are among the candidate's too",
        "33.3% of the requests have the same best ad",
    ):
        assert words in said.splitlines()
    rows = {row.split()[0]: row.split()[1:] for row in said.splitlines() if " ctr " in row}
    # search: live (0.1 + 3 × 0.3) / 4, candidate (0.2 + 3 × 0.2) / 4, |difference| (0.02 + 3 × 0.04) / 4
    assert rows["search"] == ["ctr", "2", "4", "0.2500", "0.2000", "0.0350", "0.2000", "−20.00%"]
    assert rows["home_feed"] == ["ctr", "1", "2", "0.5000", "0.5000", "0.0600", "0.3000", "+0.00%"]
    assert "1 calls failed; the last one: 20260122-bbbbbbbbbb: no task" in said
    assert "1 lines cannot be read and were left out" in said
    assert main(["shadow", "--folder", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["shared"] == 3


def test_without_a_log_it_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", "--folder", str(tmp_path)]) == 1
    assert "start the service with `mtmd serve --shadow newest`" in " ".join(capsys.readouterr().err.split())
