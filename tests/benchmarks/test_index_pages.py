"""The index's cost is measured on a line as large as asked for, made from one real run's records."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import index_pages
from mtmd.config import Preset
from mtmd.store.files import write_json
from mtmd.store.workspace import Workspace
from tests.report.index.conftest import Records, build

__all__ = ["build"]


def test_a_line_of_so_many_runs_is_read_twice_and_written(
    tmp_path: Path,
    tiny_preset: Preset,
    build: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = Records(Workspace(tmp_path / "line"), tiny_preset, build)
    records.run(0)
    (run,) = records.root.glob("runs/*")
    write_json(run / "validation.json", {"days": [], "window": None, "reused": [], "sources": []})
    monkeypatch.setattr("sys.argv", ["index_pages", str(records.root), "--runs", "3"])
    assert index_pages.main() == 0
    told = capsys.readouterr().out
    assert told.startswith("3 runs, 0 MB of summaries and validations")
    for what in ("first reading", "second reading", "writing the pages", "reading each validation"):
        assert f"\n| {what} | " in told
