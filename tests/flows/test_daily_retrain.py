"""The daily flow from end to end: promotion, reuse, the next day, refusals."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import pytest
import torch
from prefect.artifacts import create_markdown_artifact

from mtmd import extension
from mtmd.errors import ValidationError
from mtmd.flows import prefect_artifacts
from mtmd.store.files import sha256_file
from tests.flows.runs import AS_OF, LINE, Run, copied, run_daily


def test_the_first_run_ends_with_a_promoted_champion(first_run: Run) -> None:
    summary = first_run.summary
    champion = first_run.registry.champion()
    assert champion is not None
    assert summary.promoted
    assert summary.words == "promoted"
    assert (champion.model_id, champion.as_of, champion.sequence) == (summary.model_id, AS_OF, 1)


def test_the_run_carries_artifacts_with_stable_keys(first_run: Run) -> None:
    found = first_run.published
    assert set(found) == {"data-quality", "training", "metrics", "parity", "verdict"}
    for key, text in found.items():
        assert str(AS_OF) in text, key
    assert first_run.summary.model_id in found["verdict"]
    assert found["verdict"].startswith("## ✓ Promoted\n\n")
    assert found["training"].count("data:image/svg+xml;base64,") == 1


def test_the_run_leaves_a_page_that_its_verdict_links(first_run: Run) -> None:
    page = Path(first_run.summary.places["report"])
    assert page.parent == Path(first_run.summary.places["run"])
    html = page.read_text()
    assert "<h1>✓ Promoted" in html
    assert "No variants are trained for this run yet" in html
    assert str(page) in first_run.published["verdict"]
    index = (first_run.root / "index.html").read_text()
    assert f'<a href="runs/{page.parent.name}/report.html">{AS_OF}</a>' in index
    assert f'href="{LINE}/index.html"' in (first_run.artifacts / "index.html").read_text()


def test_a_second_run_reuses_everything_and_promotes_nothing_twice(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells nobody what was told before; a server that fails after the decision does not fail the run."""
    emitted: list[dict[str, Any]] = []

    def unreachable(**_: Any) -> None:
        raise httpx.ConnectError("no server")

    def publish(*, key: str, **artifact: Any) -> Any:
        return unreachable() if key == "verdict" else create_markdown_artifact(key=key, **artifact)

    monkeypatch.setattr(prefect_artifacts, "emit_event", lambda **event: emitted.append(event))
    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", publish)
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    before = (artifacts / LINE / "champion.json").read_bytes()
    again = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts)
    assert again.summary.reused == {
        "validated days": "21 of 21",
        "shards": "21 of 21",
        "trained models": "3 of 3",
        "evaluation": "1 of 1",
        "exported model": "1 of 1",
    }
    assert again.state.is_completed()
    assert emitted == []
    assert "verdict" not in again.published
    assert again.summary.words == f"{first_run.summary.model_id} is already champion"
    assert (again.summary.promoted, again.summary.repeated) == (True, True)
    assert (artifacts / LINE / "champion.json").read_bytes() == before
    assert len(again.registry.history()) == 1


def test_the_next_day_is_held_against_the_champion_and_says_so(first_run: Run, next_day: Run) -> None:
    summary = next_day.summary
    assert (summary.reused["shards"], summary.reused["validated days"]) == ("20 of 21", "20 of 21")
    assert summary.verdict.champion == first_run.summary.model_id
    assert "champion" in summary.report.predictors
    assert f"champion {first_run.summary.model_id}" in next_day.published["metrics"]
    history = next_day.registry.history()
    assert [change.model_id for change in history] == [first_run.summary.model_id, summary.model_id]
    assert history[-1].previous == first_run.summary.model_id


def test_side_by_side_trainings_are_the_same_and_one_that_fails_ends_the_others(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two threads each has one; first a file lies where one of them would put its checkpoints."""
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    trained, work = artifacts / LINE / "trained", artifacts / LINE / "work"
    before = {path: sha256_file(path) for path in trained.glob("*/weights.safetensors")}
    (pooled,) = trained.glob("pooled-*")
    for path in (pooled, *trained.glob("per_slice-*")):
        shutil.rmtree(path)
    (work / pooled.name).write_text("in the way")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    run = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts)
    assert run.state.is_failed()
    assert f"{work / pooled.name}" in str(run.state.message)
    (work / pooled.name).unlink()
    again = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts)
    assert again.summary.reused["trained models"] == "1 of 3"
    assert {path: sha256_file(path) for path in before} == before


def test_a_day_with_duplicate_keys_stops_the_run_and_changes_nothing(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTMD_REPORTS_URL", "http://reports")
    logs, artifacts = tmp_path / "logs", copied(first_run.artifacts, tmp_path / "artifacts")
    shutil.copytree(first_run.logs, logs)
    (file,) = (logs / "requests" / f"date={AS_OF}").glob("*.parquet")
    copy = tmp_path / "copy.parquet"
    source = f"read_parquet('{file}', hive_partitioning = false)"
    duckdb.sql(f"copy (from {source} union all (from {source} limit 3)) to '{copy}'")
    shutil.move(copy, file)
    before = _contents(artifacts)
    run = run_daily(as_of=AS_OF, logs=logs, artifacts=artifacts)
    assert run.state.is_failed()
    with pytest.raises(ValidationError, match=rf"{AS_OF}(.|\n)*request_id(.|\n)*unique"):
        run.state.result()
    artifact = run.published
    assert set(artifact) == {"data-quality", "verdict"}
    assert ": stops the run; " in artifact["data-quality"]
    assert "Stopped by the data suites" in artifact["verdict"]
    reason = f"{AS_OF}: requests.request_id_unique, 3 unexpected: request_id "
    page = f"failures/as_of={AS_OF}.html"
    cause, *more = str(run.state.message).splitlines()
    assert cause.startswith(reason)
    assert cause.endswith("have the table delivered again, or correct the expectation, then run again")
    address = f"http://reports/{LINE}/{quote(page)}"
    assert f"Page: {address}" == more[-5]  # before the expectation and three rows
    assert address in artifact["verdict"]
    assert reason in artifact["verdict"].replace("\\_", "_")
    assert _contents(artifacts) == before
    index = (artifacts / LINE / "index.html").read_text()
    assert "✗ stopped</td>" in index  # beside the decision of the first run
    assert reason in index
    assert f'href="{page}">{AS_OF}<' in index
    assert reason in (artifacts / LINE / page).read_text()
    mends = f"What mends it: mtmd check --as-of {AS_OF} --preset tiny --logs {logs}"
    assert extension.module("check", "commands") is None or mends in (artifacts / LINE / page).read_text()


def test_a_day_that_stops_beside_a_server_that_fails_is_listed_with_its_own_error(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: Any) -> None:
        raise httpx.ConnectError("no server")

    artifacts, missing = copied(first_run.artifacts, tmp_path / "artifacts"), AS_OF + timedelta(days=90)
    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", unreachable)
    run = run_daily(as_of=missing, logs=first_run.logs, artifacts=artifacts)
    assert run.state.is_failed()
    assert str(run.state.message).startswith(f"logs '{first_run.logs}' lack 21 of the 21 days")
    assert f"\nPage: {artifacts / LINE}/failures/as_of={missing}.html" in str(run.state.message)
    index = (artifacts / LINE / "index.html").read_text()
    assert f"✗ tiny: failed, {missing}</h1>" in index


def _contents(artifacts: Path) -> dict[str, bytes]:
    """Every file but the digests of sources, a cache by path and time, the record of the run itself, and the index."""
    return {
        str(path.relative_to(artifacts)): path.read_bytes()
        for path in sorted(artifacts.rglob("*"))
        if path.is_file()
        and path.parent.name != "digests"
        and not path.name.startswith("as_of=")
        and path.stem != "index"
    }
