"""Each benchmark at its smallest: it ends well, and writes the table that it prints, a row for all that it compares."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import (
    ab_seeds,
    equal_cost,
    extraction,
    false_stops,
    retraining,
    seeds,
    serving,
    train_throughput,
)
from tests.conftest import FIRST_DAY, TINY

LOGS = ["--logs", "{logs}"]
WINDOW = [*LOGS, "--as-of", str(FIRST_DAY + timedelta(days=3)), "--artifacts", "{artifacts}"]
SMALL_DAY = ["--days", "1", "--requests-per-day"]
# What is run, its options, and of cells among a row's first two the number of rows that have them.
BENCHMARKS: dict[str, tuple[Callable[[list[str]], int], list[str], dict[str, int]]] = {
    "A/B over seeds": (
        ab_seeds.main,
        [*WINDOW, "--window-days", "2", "--requests", "60", "--samples", "5", "--seeds", "0", "1", "--keep", "16", "4"],
        {"all": 4, "16": 2, "4": 2},
    ),
    "slices over seeds": (
        seeds.main,
        [*WINDOW, "--window-days", "3", "--seeds", "0", "1"],
        {"home_feed": 5, "search": 5, "related_pin": 5, "all": 3},
    ),
    "retrainings": (
        retraining.main,
        [*WINDOW, "--window-days", "3", "--seeds", "0", "1"],
        {f"{tolerance:.0%}": 1 for tolerance in retraining.TOLERANCES},
    ),
    "equal cost": (
        equal_cost.main,
        [*WINDOW, "--window-days", "3", "--epochs", "2", "1", "--variants", "no_dcn", "--more", "pooled=3"],
        {"pooled": 3, "per_slice": 2},
    ),
    "extraction": (
        extraction.main, [*LOGS, "--rounds", "1"], {"plain COPY": 1, "extraction": 1, "validation": 1}
    ),
    "false stops": (
        false_stops.main, [*SMALL_DAY, "60", "--seeds", "1", "--faulty-days", "0"], {"60": 2}
    ),
    "serving": (serving.main, ["--ads", "300", "--published", "500", "--rounds", "1"], {"reading them, 500 ads": 1}),
    "throughput": (
        train_throughput.main,
        [*SMALL_DAY, "600", "--batch-requests", "512", "--rounds", "1", "--steps", "1"],
        {"float32": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_writes_the_table_that_it_prints(
    name: str, tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, options, rows = BENCHMARKS[name]
    output = tmp_path / "table.md"
    given = [option.format(logs=tiny_logs, artifacts=trained) for option in options]
    status = main(["--preset", TINY, *given, "--output", str(output)])
    assert status == 0 or name == "throughput"  # whether it met its target, which at this size means nothing
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    assert {cell: sum(cell in row[1:3] for row in cells) for cell in rows} == rows
