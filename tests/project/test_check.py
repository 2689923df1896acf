"""A whole check: nothing is wrong with the shipped preset, and one run finds all mistakes of a wrong project."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.errors import ConfigError
from mtmd.project.check import check_project
from mtmd.project.findings import Level, Part, ProjectCheck
from tests.project.conftest import Project

WRONG_PRESET = """
base = "tiny"
name = "mine"
sql = "sql"
expectations = "own.py"
windowdays = 21

[data]
min_domain_rows = -1

[gates]
min_requests = "many"

[training]
epoch = 3

[evaluation]
value_weights = { cvr = 1.0 }

[[features]]
name = "user_id"
side = "query"
kind = "categorical"
type = "BIGINT"
buckets = 100

[[features]]
name = "country"
side = "query"
kind = "categorical"
buckets = 0
shallow = true

[[features]]
name = "query_vector"
side = "query"
kind = "embedding"
width = 8
domains = ["serch"]

[[features]]
name = "ad_id"
side = "item"
kind = "category"
type = "BIGINT"
buckets = 20000

[[features]]
name = "format"
side = "item"
kind = "categorical"
buckets = 256
shallow = true

[[features]]
name = "price"
side = "item"
kind = "continuous"

[[features]]
name = "ad_age_days"
side = "item"
kind = "continuous"
"""


FILES = "from read_parquet($paths, hive_partitioning = false)\n"
WANTED = (  # each a piece of one finding
    "preset.toml: windowdays: no such key → write window_days, if that is meant",
    "preset.toml: data.min_domain_rows (-1) must be greater than or equal to 0",
    "preset.toml: gates.min_requests ('many') must be a valid number",
    "preset.toml: training.epoch: no such key → write epochs",
    "evaluation.value_weights names ['cvr'] → it may name ['ctr', 'gctr', 'octr'] only",
    "preset.toml: feature 'country', buckets (0) must be greater than or equal to 1",
    "feature 'query_vector' names domains ['serch'] → declared: ['home_feed', 'search', 'related_pin']",
    "feature 'ad_id', kind ('category') must be 'continuous', 'categorical' or 'embedding'",
    "own.py does not exist → the preset's `expectations` must be a Python file",
    "requests: lacks 1 of the 20 training days before 2026-01-23: 2026-01-09",
    "ads: 1 earlier day, 2026-01-12 first: ",
    "requests.user_id: missing; there is a column uid BIGINT → if that is it: select * exclude (uid), uid as user",
    "ads.price: missing; FLOAT is declared",
    "ads.bid: VARCHAR; FLOAT is declared → select * replace (cast(bid as float) as bid)",
    "ads: undeclared: colour INTEGER → select * exclude (colour)",
    "requests.surface: 'homefeed' is not declared",
    "case surface when 'homefeed' then 'home_feed' else surface end",
    "requests.surface: no row has 'home_feed', which domains.surfaces declares",
    "candidates.gctr: gctr_is_a_probability fails",
    "candidates.gctr: gctr_at_most_ctr fails",
    "candidates.clicked: clicked_exactly_where_defined fails",
    "candidates.request_id: request_exists fails",
    "candidates: request_id_ad_id_unique fails",
    "vectors of length 16; width is 8 → set width = 16 in the preset",
    "ads.ad_age_days: the same number in every row",
    " in 100 buckets: ",
)


def test_one_run_finds_every_mistake_of_a_wrong_project(project: Project) -> None:
    project.say(preset=WRONG_PRESET)
    project.statement(
        "requests", "select request_id, ts, surface, user_id as uid, country, query_vector\n" + FILES
    )
    project.statement(
        "ads",
        "select\n"
        "    ad_id, product, goal, cast(bid as varchar) as bid, format, 1::float as ad_age_days, topic as colour\n"
        + FILES,
    )
    project.damage("requests", "update t set surface = 'homefeed' where surface = 'home_feed'")
    project.damage(
        "candidates",
        "update t set gctr = 1.5 where ad_id % 3 = 0",
        "update t set clicked = null where impressed",
        "update t set request_id = 7 where ad_id % 5 = 0",
        "insert into t select * from t limit 2",
    )
    project.file("ads", date(2026, 1, 12)).unlink()
    (project.logs / "requests" / "date=2026-01-09").rename(project.root / "gone")
    lines = [*project.problems(), *project.hints()]
    assert [words for words in WANTED if not any(words in line for line in lines)] == []


def test_nothing_is_wrong_with_the_tiny_preset(tiny_logs: Path) -> None:
    checked = check_project("tiny", logs=str(tiny_logs))
    assert [f for f in checked.findings if f.level is not Level.FACT] == []
    assert checked.passed
    assert {finding.part for finding in checked.findings} == set(Part) - {Part.PRESET, Part.STATEMENTS}


def test_a_project_whose_statements_select_everything_passes(project: Project) -> None:
    assert project.check().passed


def test_the_day_is_chosen(project: Project) -> None:
    project.damage("candidates", "update t set ctr = 2 where true")
    assert not project.check().passed
    assert project.check(date(2026, 1, 22)).passed


def test_files_that_do_not_fit_each_other_are_named_beside_a_wrong_statement(project: Project) -> None:
    project.statement("ads", "select wrong from read_parquet($paths)")
    first = project.file("ads")
    project.damage("ads", "alter table t alter price type varchar using 'dear'")
    dear = first.read_bytes()
    project.damage("ads", "alter table t alter price type integer[] using [1]")
    first.with_name("part-1.parquet").write_bytes(dear)
    assert [line.split(":")[0] for line in project.problems()] == ["source_ads.sql", "ads"]


def test_a_preset_that_cannot_be_guessed_ends_the_check(project: Project) -> None:
    project.say(preset='name = "mine"')
    assert {finding.part for finding in project.check().findings} == {Part.PRESET}


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preset 'dmeo' not found"):
        check_project("dmeo")
    checked = check_project("tiny", logs=str(tmp_path / "none"))
    assert [finding.text for finding in checked.findings] == ["the folder does not exist"] * 3


def test_a_gate_of_the_simulated_test_needs_a_simulated_world(project: Project) -> None:
    project.say("[ab_test]", "gate = true")
    (project.logs / "world.json").unlink()
    (problem,) = project.problems(Part.PRESET)
    assert problem.startswith(
        "ab_test.gate: ab_test.gate (true) of preset 'mine' needs the logs of a simulated world"
    )


def test_the_command_prints_findings_and_ends_with_a_status(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", "--preset", str(project.preset), "--logs", str(project.logs)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("0 problems, 0 hints\n")
    project.damage("candidates", "update t set ctr = 1 where ad_id % 3 = 0")
    assert main([*command, "--json"]) == 1
    checked = ProjectCheck.model_validate(json.loads(capsys.readouterr().out))
    assert checked.count(Level.ERROR) == 1
    assert main([*command, "--as-of", "2026-01-22"]) == 0


def test_a_check_waits_neither_for_torch_nor_for_great_expectations(tiny_logs: Path) -> None:
    code = (
        "import sys; from mtmd.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(status or bool({'torch', 'prefect', 'great_expectations', 'onnx'} & set(sys.modules)))"
    )
    arguments = ["check", "--preset", "tiny", "--logs", str(tiny_logs)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True)
    assert done.returncode == 0, done
