"""Which place in a bucket a path of the working folder stands for."""

from pathlib import Path

import pytest

from mtmd.errors import StorageError
from mtmd.store.durable import home, shared
from mtmd.store.files import artifacts_folder, resolve

URL = "s3://art/team"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("obstore", reason="obstore is not installed: buckets can't be tried")
    monkeypatch.setenv("MTMD_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("MTMD_ARTIFACTS", raising=False)
    return tmp_path / "work"


def test_a_path_of_the_working_folder_has_one_place_in_its_bucket(work: Path) -> None:
    line = artifacts_folder(f"{URL}/") / "tiny"
    assert line == work / "s3%3A%2F%2Fart%2Fteam" / "tiny"
    assert str(home(line)) == f"{URL}/tiny"
    assert str(shared(line / "runs" / "a" / "summary.json")) == f"{URL}/tiny/runs/a/summary.json"
    assert str(shared(line.parent / "index.html")) == f"{URL}/index.html"
    assert shared(line.parent) is None
    assert home(work.parent / "elsewhere") is None
    assert home(Path("relative")) is None


@pytest.mark.parametrize(
    "way",
    [
        "work/mtmd-1/checkpoint.safetensors",
        "spool/ads/2026-01-01/listed.json",
        "shadow/host-8080.jsonl",
        "shards/digests/date=2026-01-01.json",
        "monitoring/profiles/digests/date=2026-01-01.json",
        "mirrors/events/a.json",
        "champion.json",
        "history.jsonl",
        "history.jsonl.damaged-3",
        "champion.lock",
        "ads/model/current.json",
        "models/.tmp-a-1/bundle.json",
        "models/.fetch-a.lock",
    ],
)
def test_what_is_a_machines_own_has_none(way: str) -> None:
    path = artifacts_folder(URL) / "tiny" / way
    assert shared(path) is None
    assert home(path) is not None


def test_the_environment_names_the_usual_artifacts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert artifacts_folder("artifacts") == Path("artifacts").absolute()
    monkeypatch.setenv("MTMD_ARTIFACTS", URL)
    assert artifacts_folder("artifacts") == artifacts_folder(URL)
    assert artifacts_folder(tmp_path) == tmp_path
    monkeypatch.setenv("MTMD_ARTIFACTS", str(tmp_path))
    assert artifacts_folder("artifacts") == tmp_path


def test_what_is_no_artifacts_is_refused_in_a_bucket() -> None:
    with pytest.raises(StorageError, match=r"^s3://art/team is in a bucket, where only logs"):
        resolve(URL)
