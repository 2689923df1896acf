"""Parts of flows on a cluster: what comes out is what this machine alone makes; what can't be is refused in words."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.errors import ConfigError
from mtmd.extract.shards import Days
from mtmd.extras.clusters import runner
from mtmd.flows import parameters, steps
from mtmd.store.files import sha256_file
from tests.flows.runs import LINE, NEXT, TINY, Run, copied

STARTED = {"dask": "Creating a new Dask cluster with", "ray": "Using Ray cluster with"}  # what Prefect logs


def without(run: Run, place: Path, *names: str) -> Path:
    """A copy of a run's artifacts that lacks some of its line's folders: a run makes them again."""
    artifacts = copied(run.artifacts, place / "artifacts")
    for name in names:
        shutil.rmtree(artifacts / LINE / name)
    return artifacts


def digests_of(line: Path) -> dict[str, str]:
    """Of the shards' matrices and of the models' ONNX files of a line; path → sha256."""
    files = [*line.glob("shards/**/*.arrow"), *line.glob("models/**/*.onnx")]
    return {str(path.relative_to(line)): sha256_file(path) for path in files}


@flow
def extraction(artifacts: str, logs: str) -> Days:
    return steps.validated_days(steps.plan(NEXT, TINY, None, logs, artifacts))[1]


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_days_are_extracted_by_the_processes_of_a_cluster(
    kind: str,
    next_day: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if find_spec(f"prefect_{kind}") is None:
        pytest.skip(f"pip install -e '.[{kind}]' brings it")
    unmade = without(next_day, tmp_path, "shards", "models")
    monkeypatch.setenv(parameters.RUNNER, kind)
    days = extraction(str(unmade), str(next_day.logs))
    assert days.held_out.day == NEXT
    assert STARTED[kind] in caplog.text
    made, before = digests_of(unmade / LINE), digests_of(next_day.root)
    assert {ref.day.isoformat() for ref in (*days.window, days.held_out)} == {
        name.split("date=")[1][:10] for name in made
    }
    assert {name: before[name] for name in made} == made


def test_a_runner_that_cannot_run_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parameters.RUNNER, "spark")
    with pytest.raises(ConfigError, match=r"MTMD_RUNNER \('spark'\) must be one of threads, dask, ray"):
        parameters.chosen_runner()
    monkeypatch.setenv(parameters.RUNNER, "dask")
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(
            ConfigError, match="needs a Prefect server that all workers reach, and PREFECT_API_URL"
        ),
    ):
        parameters.chosen_runner()
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=re.escape("needs prefect-dask; pip install 'mtmd[dask]' brings it")
    ):
        parameters.chosen_runner()
