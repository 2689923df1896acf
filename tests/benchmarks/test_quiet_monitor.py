"""The benchmark of the monitor: its tables, and that a shuffled join is one."""

from pathlib import Path

import duckdb
import pytest

from benchmarks.quiet_monitor import FAULTS, main


def test_tables_count_ordinary_days_and_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "table.md"
    preset = tmp_path / "quick.toml"
    preset.write_text(
        'base = "tiny"\nname = "quick"\nwindow_days = 7\nmin_window_days = 7\n[training]\nepochs = 1\n'
    )
    arguments = ["--preset", str(preset), "--requests-per-day", "60", "--seeds", "1", "--days", "1"]
    assert main([*arguments, "--faulty-days", "1", "--output", str(output)]) == 0
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| 60 |")
    ]
    assert [row[:3] for row in rows[:2]] == [["60", "1", "1"], ["60", "3", "1"]]
    faulty = dict(zip((fault.name for fault in FAULTS), rows[2][2:], strict=True))
    assert faulty["a drifted category"] == "1"
    assert faulty["ad_vector of other ads"] == "0"  # 60 requests are too few to judge an error by


def test_a_wrong_join_gives_rows_the_values_of_others_of_their_group() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "ad_ctr_7d of other ads")
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as "
            "select i as ad_id, 'p' || i % 3 as product, i::double as ad_ctr_7d from range(30) as _(i)"
        )
        connection.execute(fault.statement)
        rows = connection.execute("select ad_id, ad_ctr_7d from t").fetchall()
    assert sorted(value for _, value in rows) == list(range(30))
    assert all(own != value and own % 3 == value % 3 for own, value in rows)


def test_scaled_scores_leave_a_task_that_a_product_lacks_without_a_score() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "all tasks × 1.3")
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select ctr::float as ctr, gctr::float as gctr, octr::float as octr "
            "from (values (0.1, 0.01, 0.02), (0.9, 0.5, null)) as _(ctr, gctr, octr)"
        )
        connection.execute(fault.statement)
        rows = connection.execute("select ctr, gctr, octr from t order by ctr").fetchall()
    assert rows[0] == pytest.approx((0.13, 0.013, 0.026))
    assert rows[1][:2] == pytest.approx((0.999, 0.65))
    assert rows[1][2] is None
