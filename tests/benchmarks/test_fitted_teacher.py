"""The benchmark of fitted teachers, and that they know more than a constant where ads were shown."""

from pathlib import Path

import pytest

from benchmarks.fitted_teacher import main

FIVE = Path(__file__).parents[1] / "tiny-five.toml"


def test_fitted_scores_are_nearer_to_the_truth_than_the_mean_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.md"
    arguments = ["--preset", "tiny", "--requests-per-day", "150", "--days", "7", "--members", "1"]
    assert main([*arguments, "--output", str(output)]) == 0
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if " shown |" in line
    ]
    assert [row[:3] for row in rows] == [
        [task, days, ads]
        for task in ("ctr", "gctr", "octr")
        for days in ("cross-fitted", "newest")
        for ads in ("shown", "not shown")
    ]
    for task, days, ads, _, error, of_constant, correlation, _ in rows:
        if (days, ads) == ("cross-fitted", "shown") and task != "octr":
            assert float(error) < float(of_constant)
            assert float(correlation) > 0.2


def test_a_preset_with_further_tasks_has_a_platform_that_writes_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--preset", str(FIVE), "--requests-per-day", "150", "--days", "5", "--members", "1"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"| {task} | newest | shown | " in said for task in ("ctr", "cvr", "relevance"))
