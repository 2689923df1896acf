"""Events as they are sent; tests/mirrors/test_outbox.py holds them against the client's own classes."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mtmd.extras.mirrors.events import completed, ended, started
from tests.extras.mirrors.conftest import Mirrored

RUN = "0198c1de-0000-7000-8000-000000000001"
AT = datetime(2026, 1, 26, 3, 15, 0, 123456, UTC)


def test_a_run_begins_with_the_tables_and_their_columns(mirrored: Mirrored, tmp_path: Path) -> None:
    event = started(RUN, AT, date(2026, 1, 25), mirrored.preset, str(tmp_path / "logs"))
    assert (event["eventType"], event["eventTime"]) == ("START", "2026-01-26T03:15:00.123+00:00")
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert event["producer"].startswith("urn:mtmd:")
    assert (event["job"]["namespace"], event["job"]["name"]) == ("mtmd", "tiny.daily-retrain")
    assert event["run"]["runId"] == RUN
    nominal = event["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2026-01-25T00:00:00+00:00"
    assert nominal["nominalEndTime"] == "2026-01-26T00:00:00+00:00"
    names = [(one["namespace"], one["name"]) for one in event["inputs"]]
    assert names == [("file", str(tmp_path / "logs" / name)) for name in ("requests", "ads", "candidates")]
    fields = {one["name"]: one["type"] for one in event["inputs"][0]["facets"]["schema"]["fields"]}
    assert fields["request_id"] == "BIGINT"
    assert fields["ts"] == "TIMESTAMP"
    assert event["outputs"] == []


def test_a_run_ends_with_its_days_and_the_model(mirrored: Mirrored, tmp_path: Path) -> None:
    event = _completed(mirrored, 0)
    assert event["eventType"] == "COMPLETE"
    ads = event["inputs"][1]
    days = [one["dimensions"]["date"] for one in ads["inputFacets"]["subset"]["inputCondition"]["partitions"]]
    assert days == ["2026-01-22", "2026-01-23", "2026-01-24", "2026-01-25"]
    root = mirrored.workspace.root
    outputs = {one["name"]: one for one in event["outputs"]}
    assert list(outputs) == [str(root / name) for name in ("shards", "models", "champion.json")]
    assert outputs[str(root / "models")]["facets"]["version"]["datasetVersion"] == "a1"
    shards = outputs[str(root / "shards")]["outputFacets"]
    assert [one["identifier"][-5:] for one in shards["subset"]["outputCondition"]["partitions"]] == [
        "01-22", "01-23", "01-24", "01-25",
    ]  # fmt: skip
    tags = {one["key"]: one["value"] for one in event["run"]["facets"]["tags"]["tags"]}
    assert (tags["promoted"], tags["model_id"], tags["gate parity"]) == ("true", "a1", "pass")


def test_a_model_that_was_kept_writes_no_champion(mirrored: Mirrored) -> None:
    event = _completed(mirrored, 1)
    assert [Path(one["name"]).name for one in event["outputs"]] == ["shards", "models"]


@pytest.mark.parametrize("ending", ["FAIL", "ABORT"])
def test_a_failure_says_why(mirrored: Mirrored, ending: Any) -> None:
    event = ended(ending, RUN, AT, date(2026, 1, 25), mirrored.preset, "x" * 3000)
    assert event["eventType"] == ending
    error = event["run"]["facets"]["errorMessage"]
    assert (error["message"], error["programmingLanguage"]) == ("x" * 2000, "PYTHON")


def test_each_facet_names_its_schema(mirrored: Mirrored) -> None:
    event = _completed(mirrored, 0)
    facets = [event["run"]["facets"], event["job"]["facets"]]
    for one in (*event["inputs"], *event["outputs"]):
        facets += [one["facets"], one.get("inputFacets") or one.get("outputFacets") or {}]
    urls = {name: facet["_schemaURL"] for group in facets for name, facet in group.items()}
    assert urls["schema"] == (
        "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
    )
    assert len(urls) == 7
    assert all(facet["_producer"] == event["producer"] for group in facets for facet in group.values())


def _completed(mirrored: Mirrored, number: int) -> dict[str, Any]:
    return completed(RUN, AT, mirrored.preset, "logs", mirrored.workspace, mirrored.runs[number])
