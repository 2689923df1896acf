"""A project in Python: README's example and all that serves without torch, trainings, notebooks, and bad input."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mtmd
from mtmd.errors import MtmdError
from mtmd.extras.library.frames import ServedModel
from mtmd.extras.library.project import Project, _checked
from tests.flows.runs import AS_OF, TINY, Run
from tests.library_page import PAGE, written

ROOT = Path(__file__).parents[3]
DAY = f"{AS_OF}"
_WITHOUT = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "duckdb", "prefect", "great_expectations"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
"""
_REST = """
import pyarrow.parquet as pq
requests, ads = (pq.read_table(f"my-ads/logs/{table}/date=2026-01-21") for table in ("requests", "ads"))
pair = requests.slice(0, 1).to_pandas().merge(ads.slice(0, 1).to_pandas(), how="cross")
assert 0 < champion.score(pair)["ctr"][0].as_py() < 1
assert champion.embed_ads(ads).num_rows == ads.num_rows
assert champion.embed_requests(requests).num_rows == requests.num_rows
assert project.runs()["verdict"].to_pylist() == ["promoted"]
"""


class Capsule:
    """A frame as polars has it: only by the Arrow C stream, texts and lists in its own types."""

    def __init__(self, table: pa.Table) -> None:
        large = {pa.string(): pa.string_view(), pa.list_(pa.float32()): pa.large_list(pa.float32())}
        self.table = table.cast(
            pa.schema([(one.name, large.get(one.type, one.type)) for one in table.schema])
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.fixture(scope="module")
def folder(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("projects") / "my-ads"
    place.mkdir()
    (place / "preset.toml").write_text('base = "tiny"\nname = "tiny"\nlogs = "logs"\n')
    (place / "logs").symlink_to(first_run.logs)
    (place / "artifacts").symlink_to(first_run.artifacts)
    return place


@pytest.fixture(scope="module")
def project(folder: Path) -> Project:
    return mtmd.open(folder)


@pytest.fixture(scope="module")
def champion(project: Project) -> ServedModel:
    return project.champion()


@pytest.fixture(scope="module")
def pairs(first_run: Run) -> pa.Table:
    """The day's candidates, with the raw rows of their requests and ads."""
    read = {
        table: pq.read_table(first_run.logs / table / f"date={DAY}")
        for table in ("requests", "ads", "candidates")
    }
    pairs = read["candidates"].to_pandas().merge(read["requests"].to_pandas(), on="request_id")
    return pa.Table.from_pandas(pairs.merge(read["ads"].to_pandas(), on="ad_id"))


def ran(code: str, cwd: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_readme_and_all_that_serves_need_no_torch(folder: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    first = "import mtmd\nassert [name for name in sys.modules if 'mtmd.' in name] == []\n"  # it stays light
    ran(_WITHOUT + first + example.replace("2026-01-25", DAY) + _REST, folder.parent)


def test_scores_of_a_frame_are_those_of_the_evaluation(
    champion: ServedModel, project: Project, pairs: pa.Table
) -> None:
    scores, rows = champion.score(pairs), project.metrics(DAY).to_pylist()
    for task in champion.tasks:
        teacher = pairs[task].to_numpy()
        off = np.abs(np.log(scores[task].to_numpy(zero_copy_only=False)) - np.log(teacher))
        (found,) = [
            row["logmae"]
            for row in rows
            if (row["predictor"], row["surface"], row["task"], row["bucket"]) == ("mtmd", "all", task, None)
        ]
        assert np.nanmean(off) == pytest.approx(found, rel=1e-4)
        assert (np.isnan(off) == np.isnan(teacher)).all()


def test_arrow_pandas_and_polars_are_read_alike(champion: ServedModel, pairs: pa.Table) -> None:
    few = pairs.slice(0, 30)
    scores = champion.score(few)
    assert champion.score(few.to_pandas()).equals(scores)
    assert champion.score(Capsule(few)).equals(scores)


def test_embeddings_of_both_sides_give_the_scores_and_a_ranking(
    champion: ServedModel, pairs: pa.Table
) -> None:
    request, ads = pairs.slice(0, 1), champion.embed_ads(pairs)
    assert ads["embedding.octr"].null_count == sum(
        product == "shopping" for product in pairs["product"].to_pylist()
    )
    query = champion.embed_requests(request)["embedding.ctr"][0].values.to_numpy()
    vectors = ads["embedding.ctr"].combine_chunks().flatten().to_numpy().reshape(-1, len(query))
    features = champion._scorer.info.declarations.query.columns
    best = champion.rank(request.select(["surface", *features]).to_pylist()[0], task="ctr", top=1_000)
    found = dict(zip(ads["ad_id"].to_pylist(), 1 / (1 + np.exp(-vectors @ query)), strict=True))
    assert best["ctr"].to_pylist() == sorted(best["ctr"].to_pylist(), reverse=True)
    shown = dict(zip(best["ad_id"].to_pylist(), best["ctr"].to_pylist(), strict=True))
    assert [shown[ad] for ad in found] == pytest.approx(list(found.values()), abs=1e-5)


BAD: tuple[tuple[Callable[[Project, pa.Table], Any], str], ...] = (
    (lambda own, _: own.metrics("2026-01-02"), r"2026-01-02 has decided in .*\['2026-01-21'\]"),
    (lambda own, _: own.metrics("2026-1-2"), "day '2026-1-2' must be YYYY-MM-DD"),
    (lambda own, _: own.metrics(None), "day None must be YYYY-MM-DD"),  # type: ignore[arg-type]
    (lambda own, _: own.train(own.preset, []), r"days \(\[\]\) must be a list"),
    (lambda own, _: own.train(own.preset, DAY), rf"days \('{DAY}'\) must be a list"),
    (lambda own, _: own.train(own.preset.model_copy(update={"window_days": 90}), [DAY]), r"window_days \(90\) must be"),
    (lambda own, _: own.train(own.preset, ["2025-12-31"]), "lack 1 of the 1 days"),
    (lambda own, _: own.model("20260121-0"), "'20260121-0' is not in"),
    (lambda _, __: mtmd.open(ROOT / "docs"), r"docs has no preset\.toml; open a folder"),
    (lambda _, __: mtmd.open(preset=TINY, artifacts="none").champion(), "has no champion; run a day"),
    (lambda own, _: own.champion().rank({"surface": "serch"}), "surface: Input should be 'home_feed'"),
    (lambda own, _: own.champion().rank({"surface": "search", "contry": "fr"}), "contry: Extra inputs"),
    (lambda own, _: own.champion().rank({}, task="ctrr"), r"task 'ctrr' must be one of \['ctr', 'gctr', 'octr'\]"),
    (lambda own, _: own.champion().rank({"surface": "search"}, top=0), r"top \(0\) must be .* between 1 and"),
    (lambda own, _: own.champion().rank({}, top=None), r"top \(None\) must be a whole"),  # type: ignore[arg-type]
    (lambda own, _: own.champion().rank({}, task=3), r"task 3 must be one of \['ctr',"),  # type: ignore[arg-type]
    (lambda own, _: own.champion().rank("search"), "request, 'search', must be a mapping"),  # type: ignore[arg-type]
    (lambda own, _: own.champion().rank({"surface": "search", "hour": object()}), "hour: Input should be a valid"),
    (lambda own, _: own.champion().rank({"surface": "\ud800"}), r"can't be written as JSON \(.*; correct it"),
    (lambda own, _: own.champion().score(7), "the frame, a int, can't be read"),
    (lambda own, rows: own.champion().score(rows.drop_columns(["goal"])), r"lacks columns \['goal'\], which item"),
    (lambda own, rows: own.champion().score(rows.drop_columns(["surface"])), "no column 'surface'; add it: one of"),
    (lambda own, rows: own.champion().score(rows.append_column("bid", rows["bid"])), r"\['bid'\] more than once"),
    (lambda own, _: own.champion().embed_ads({"product": ["video"]}), "product 'video' must be one of"),
    (lambda own, _: own.champion().embed_ads({"product": [["video"]]}), r"product \['video'\] must be one of"),
    (lambda own, rows: own.champion().embed_ads(with_column(rows, "format", 3.0)), "VARCHAR .*numbers such as 3"),
    (lambda own, rows: own.champion().embed_ads(with_column(rows, "bid", "dear")), "'bid': a value does not fit"),
)  # fmt: skip


def with_column(rows: pa.Table, name: str, value: str | float) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, pa.array([value] * len(rows)))


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input_is_named(number: int, project: Project, pairs: pa.Table) -> None:
    ask, says = BAD[number]
    with pytest.raises(MtmdError, match=says):
        ask(project, pairs)


def test_a_training_on_chosen_days_gives_a_model_and_its_record(folder: Path, tmp_path: Path) -> None:
    project = mtmd.open(folder, preset=folder / "preset.toml", artifacts=tmp_path)
    training = project.preset.training.model_copy(update={"epochs": 1})
    preset = project.preset.model_copy(update={"training": training})
    model, record = project.train(preset, ["2026-01-02", "2026-01-01"])
    assert (len(record.fit.epochs), record.reused, model.training) == (1, False, False)
    assert set(record.fit.epochs[0].validation_logmae) == {"ctr", "gctr", "octr"}
    assert project.train(preset, [datetime(2026, 1, 1), date(2026, 1, 2)])[1].reused
    assert project.runs().num_rows == 0


def test_a_copy_of_a_preset_declares_what_it_has(project: Project) -> None:
    preset, known = project.preset, project.preset.declarations.features
    assert _checked(preset.model_copy(update={"features": known[1:]})).declarations.features == known[1:]


def test_the_reference_is_that_of_the_docstrings() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "write it anew: .venv/bin/python -m tests.library_page"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["from-logs-to-champion", "an-evaluation"])
def test_a_notebook_runs_in_a_project(name: str, folder: Path, first_run: Run, tmp_path: Path) -> None:
    """Cell by cell in a fresh process, where the last value of a cell is shown as a notebook shows it."""
    cells = json.loads((ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    code = []
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        *body, last = ast.parse("".join(cell["source"]).replace("2026-01-25", DAY)).body
        shown = ast.unparse(last)
        is_value = isinstance(last, ast.Expr)
        code += [*map(ast.unparse, body), f"show({shown})" if is_value else shown]
        assert not cell["outputs"]
    show = "def show(value):\n    (getattr(value, '_repr_mimebundle_', None) or value.__repr__)()\n"
    shutil.copytree(folder, tmp_path / "mine")
    ran(show + "\n".join(code), tmp_path / "mine")
