"""A whole check: nothing is wrong with the shipped preset, and one run finds the mistakes of a wrong project."""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config.preset_files import PRESETS
from mtmd.errors import ConfigError
from mtmd.extras.check.check import check_preset, check_project
from mtmd.extras.check.findings import Level, ProjectCheck
from tests.extras.check.conftest import AS_OF, Project, said

READ = "from read_parquet($paths, hive_partitioning = false)\n"


def test_nothing_is_wrong_with_the_tiny_preset(tiny_logs: Path) -> None:
    checked = check_project("tiny", logs=str(tiny_logs))
    assert checked.passed
    assert [said(finding) for finding in checked.findings] == [
        "requests: 23 days, 2026-01-01 to 2026-01-23",
        "ads: 23 days, 2026-01-01 to 2026-01-23",
        "candidates: 23 days, 2026-01-01 to 2026-01-23",
        "window: 2026-01-23 is held out, 20 training days from 2026-01-03 on",
        "requests: 80 rows on 2026-01-23",
        "ads: 150 rows on 2026-01-23",
        "candidates: 597 rows on 2026-01-23",
    ]


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preset 'dmeo' not found"):
        check_project("dmeo")
    checked = check_project("tiny", logs=str(tmp_path / "none"))
    assert [finding.text.split(" in ")[0] for finding in checked.findings] == ["no day"] * 3


def test_all_mistakes_of_a_preset_are_found_together_and_its_logs_are_not_read(project: Project) -> None:
    project.say("[training]", "epoch = 3", "seed = -1", "[ids]", 'requests = "VARCHAR"')
    project.file("ads").write_text("no parquet")
    assert project.problems() == [
        "preset.toml: ids.requests: no such key → write request, if that is meant",
        "preset.toml: training.seed (-1) must be greater than or equal to 0",
        "preset.toml: training.epoch: no such key → write epochs, if that is meant",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('label = "clicked" }', 'label = "position" }', "task 'ctr' with label 'position': logs or their checks"),
        ('type = "BIGINT"\nbuckets = 2000\n', "buckets = 2000\n",
         "feature 'user_id' has type VARCHAR, and the contract's requests.user_id is BIGINT; set its type to BIGINT"),
        ('name = "tiny"', "name = ", "preset "),
        ("epochs = 4", "epochs = 4\n[domains]", "preset "),
    ],
)  # fmt: skip
def test_a_preset_that_a_run_could_not_read_is_one_line(
    tmp_path: Path, old: str, new: str, line: str
) -> None:
    path = tmp_path / "preset.toml"
    path.write_text((PRESETS / "tiny.toml").read_text().replace(old, new, 1))
    (found,) = check_preset(str(path))[1]
    assert found.text.startswith(line)


def test_one_run_finds_the_mistakes_of_all_tables_and_days(project: Project) -> None:
    project.statement(
        "requests", "select request_id, ts, surface, user_id as uid, country, query_vector\n" + READ
    )
    project.damage("ads", "alter table t alter bid type varchar", "alter table t add column colour varchar")
    project.damage("candidates", "alter table t drop gctr", day=date(2026, 1, 12))
    project.file("ads", date(2026, 1, 13)).unlink()
    (project.logs / "requests" / "date=2026-01-09").rename(project.root / "gone")
    lines = project.problems()
    for words in (
        "requests: requests lack 1 of the 21 days from 2026-01-03 to as_of 2026-01-23: 2026-01-09",
        "requests.user_id: missing",
        "ads.bid: is VARCHAR, such as ",
        "ads.colour: not declared",
        "candidates.gctr (1 earlier day, 2026-01-12 first): missing",
    ):
        assert any(line.startswith(words) for line in lines), words
    assert not any("rows" in line for line in lines)


def gone(project: Project, table: str, *days: int) -> None:
    for day in days:
        shutil.rmtree(project.logs / table / f"date=2026-01-{day:02}")


def test_days_that_are_left_out_are_not_missing(project: Project) -> None:
    project.say("[left_out]", '2026-01-12 = "lost"')
    gone(project, "ads", 1, 12)
    gone(project, "candidates", 23)
    assert any("2026-01-23 is held out" in fact for fact in project.facts())
    assert not any("ads lack" in problem for problem in project.problems())
    (problem,) = project.problems(date(2026, 1, 23))
    assert problem.startswith(
        "candidates: candidates lack 1 of the 20 days from 2026-01-03 to as_of 2026-01-23"
    )


@pytest.mark.parametrize(
    ("table", "days", "problem"),
    [
        ("ads", range(1, 23), "logs: no day that all tables have → deliver a day's three tables"),
        ("ads", range(1, 24), "ads: no day in "),
    ],
)
def test_tables_without_a_day_in_common_are_named(
    project: Project, table: str, days: range, problem: str
) -> None:
    gone(project, table, *days)
    gone(project, "requests", 23)
    (found,) = project.problems()
    assert found.startswith(problem)


def test_a_folder_without_files_and_a_date_that_is_none_are_named(project: Project) -> None:
    project.file("ads").unlink()
    (problem,) = project.problems()
    assert "date=2026-01-23/*.parquet does not exist → write the day's files there" in problem
    (project.logs / "ads" / "date=2026-02-30").mkdir()
    (problem,) = project.problems()
    assert "date=2026-02-30 is named after no day of the calendar" in problem


def test_a_table_without_the_newest_day_of_the_others_is_named(project: Project) -> None:
    gone(project, "candidates", 23)
    (problem,) = project.problems()  # the tables that have it are not accused
    assert f"→ deliver candidates of 2026-01-23 to {project.logs}/candidates/date=2026-01-23/" in problem
    (hint,) = (one.text for one in project.check(date(2026, 1, 22)).findings if one.level is Level.HINT)
    assert hint == "no 2026-01-23, which another table has"
    assert not any("2026-01-23" in line for line in project.problems(as_of=date(2026, 1, 22)))
    assert "candidates lack 1 of " in project.problems(as_of=AS_OF)[0]


def test_an_as_of_that_is_left_out_is_refused(project: Project) -> None:
    project.say("[left_out]", '2026-01-23 = "lost"')
    (line,) = project.problems()
    assert line.startswith("logs: as_of 2026-01-23 is left out by preset 'mine' (lost) → choose another day")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"select *,\n    prize as cost\n{READ}", 'Binder Error: Referenced column "prize" not found'),
        (f"select *\n{READ[:-1]};\n\nselect 1;\n", "source_ads.sql, line 4: a second statement begins here"),
        ("select 1 as ad_id -- $paths\n", "source_ads.sql does not read $paths, the day's files"),
        ("select content as ad_id from read_text('/etc/passwd') where len($paths) > 0", "disabled by configuration"),
        ("from read_parquet('s3://bucket/x.parquet') where len($paths) > 0", "disabled by configuration"),
        (f"select * replace (cast(format as integer) as format)\n{READ}", "ads.format: is INTEGER; must be VARCHAR"),
    ],
)  # fmt: skip
def test_a_statement_that_does_not_run_or_reaches_outside_is_named(
    project: Project, sql: str, words: str
) -> None:
    project.statement("ads", sql)
    (problem,) = project.problems()
    assert words in problem
    assert "\n" not in problem


def test_files_of_another_format_need_another_statement(project: Project) -> None:
    project.say("[sources.ads]", 'files = "ads/{day}.csv"')
    (project.logs / "ads" / f"{AS_OF}.csv").write_text("ad_id\n1\n")
    assert any(
        "write the file again; or have " in one and "read_csv($paths)" in one for one in project.problems()
    )


def test_a_lack_of_memory_is_no_fault_of_the_logs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMD_DUCKDB_MEMORY", "1MB")
    (problem,) = project.problems()
    assert "Out of Memory Error: " in problem
    assert "let DuckDB have more memory (MTMD_DUCKDB_MEMORY in the environment), or write files of" in problem


@pytest.mark.parametrize(
    ("table", "damages", "beginnings"),
    [
        ("requests",
         ("insert into t select * from t limit 1", "update t set user_vector = [1] where request_id % 3 = 0"),
         ["requests.request_id: request_id_unique fails: 1 row, such as request_id 7",
          "requests: vectors_whole fails: "]),
        ("candidates",
         ("update t set ad_id = -1 where ad_id % 7 = 0", "update t set gctr = ctr * 1.01"),
         ["candidates.ad_id: ad_exists fails: ", "candidates: gctr_at_most_ctr fails: "]),
        ("ads", ("delete from t",),
         ["ads: has_rows fails: ", "candidates.ad_id: ad_exists fails: 597 rows"]),
    ],
)  # fmt: skip
def test_rows_that_validation_would_stop_at_are_found(
    project: Project, table: str, damages: tuple[str, ...], beginnings: list[str]
) -> None:
    project.damage(table, *damages)
    problems = project.problems()
    assert [one for one in beginnings if not any(line.startswith(one) for line in problems)] == []
    if table == "ads":
        assert (" → mend ads.ad_id first: " in problems[1], project.hints()) == (True, [])


OWN = """
from mtmd.expectations import Expect, Severity

def expectations(preset):
    return {"ads": [
        Expect(name="cheap", description="Dear ads are not sold.", query="select ad_id from {batch} where bid > 0",
               severity=Severity.WARNING),
        Expect(name="broken", description="Never.", query="select nothing from {batch}"),
    ]}
"""


def test_a_teams_own_expectations_are_asked_too(project: Project) -> None:
    project.say('expectations = "own.py"')
    own = project.root / "own.py"
    own.write_text(OWN)
    (problem,), (hint,) = project.problems(), project.hints()
    assert problem.startswith("ads: broken can't be run: Binder Error: ")
    assert problem.endswith(" → correct the expectation")
    assert hint.startswith("ads: cheap fails: 150 rows, such as ad_id ")
    own.write_text("def expectations(preset):\n    return [1]\n")
    (problem,) = project.problems()
    assert "gave [1]; it must give lists of Expect by table" in problem


def test_features_that_say_nothing_and_crowded_buckets_are_hints(project: Project) -> None:
    # A constant category costs nothing.
    project.damage("ads", "update t set bid = 2, topic = 1, ad_vector = null")
    project.say("[change_features.ad_id]", "buckets = 300", "[gates]", "min_requests = 40")
    slices, bid, ad_id, vector = project.hints()
    assert "no surface and product has more than 38 requests: gates can judge none of them →" in slices
    assert bid == "ads.bid: all rows have one value → it says nothing: deliver it, or take it out"
    assert ad_id.startswith("ads.ad_id: about 15")
    assert ad_id.endswith(
        " share one with another → set buckets = 1520 or more: other days have further values"
    )
    assert vector == "ads.ad_vector: no row has a value → deliver it, or take it out of the preset"


def test_an_action_that_nobody_took_is_a_hint_where_it_is_learned(project: Project) -> None:
    project.damage("candidates", "update t set outbound_clicked = false where outbound_clicked")
    assert project.hints() == []
    project.say("[training]", 'learn_from = "actions"')
    (hint,) = project.hints()
    assert hint.startswith(
        "candidates.outbound_clicked: true in no row of a shown ad: task octr learns nothing"
    )
    project.damage("candidates", "update t set clicked = true where impressed")
    assert project.hints()[0].startswith(
        "candidates.clicked: true in every row of a shown ad: task ctr learns"
    )


def test_the_command_prints_findings_and_ends_with_a_status(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", "--preset", str(project.preset), "--logs", str(project.logs)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith(
        f"0 problems, 0 hints\nnext: mtmd run --newest --no-ablations --preset {project.preset} --logs {project.logs}\n"
    )
    project.damage("candidates", "update t set ctr = 1 where ad_id % 3 = 0")
    assert main([*command, "--json"]) == 1
    checked = ProjectCheck.model_validate(json.loads(capsys.readouterr().out))
    assert checked.count(Level.PROBLEM) == 1
    assert main(command) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("problem candidates.ctr: ctr_is_a_probability fails") for line in lines)
    assert any(line.startswith("        → deliver candidates of 2026-01-23 to ") for line in lines)
    assert main([*command, "--as-of", "2026-01-22"]) == 0


def test_the_config_command_prints_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--preset", "scale"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["name"], printed["window_days"], printed["gates"]["min_requests"]) == ("scale", 24, 100)


def test_a_check_waits_neither_for_torch_nor_for_great_expectations(tiny_logs: Path) -> None:
    code = (
        "import sys; from mtmd.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(status or bool({'torch', 'prefect', 'great_expectations', 'onnx'} & set(sys.modules)))"
    )
    arguments = ["check", "--preset", "tiny", "--logs", str(tiny_logs)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True)
    assert done.returncode == 0, done
