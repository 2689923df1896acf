"""Jobs on artifacts that are there already, and the table; training and processes are those of any run."""

import shutil
from pathlib import Path

import pytest
import torch

from benchmarks import bucket
from benchmarks.bucket import Job, Lap, Pair, Place, copy_logs, table, timed, warm
from mtmd.config import load_preset
from tests.buckets import S3
from tests.faults.bucket_line import uploaded
from tests.flows.runs import AS_OF, NEXT, TINY, Run


def test_a_job_in_a_bucket_has_the_digests_of_a_local_one(
    next_day: Run, first_run: Run, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = uploaded(next_day, first_run, tmp_path, s3, monkeypatch)
    job = Job(NEXT, TINY, torch.get_num_threads())
    here = Place(str(next_day.logs), str(shutil.copytree(next_day.artifacts, tmp_path / "local")), {})
    there = Place("s3://art/logs", "s3://art/team", {})
    copy_logs(here.logs, there)
    warm(job, there)
    fetched = s3.count("GET /art/logs")
    line.become_new()
    local, remote = timed(job, here), timed(job, there)
    assert local.digests == remote.digests
    assert len(local.digests) > 21 * 3
    assert {seconds > 0 for lap in (local, remote) for seconds in lap[:2]} == {True}
    assert s3.count("GET /art/logs") == fetched > 21 * 3 - 1  # they are listed, and not fetched again


def test_the_table_has_medians_and_compares_digests() -> None:
    same, other = {"a.onnx": "1"}, {"a.onnx": "2"}
    pairs = [
        Pair("first", [Lap(10.0, 20.0, same)], [Lap(11.0, 30.0, same)]),
        Pair(
            "again",
            [Lap(s, 1.0, same) for s in (1.0, 2.0, 9.0)],
            [Lap(s, 1.0, other) for s in (3.0, 9.0, 1.0)],
        ),
    ]
    first, again = table(Job(AS_OF, TINY, 2), pairs).rows
    assert first == ("first", 1, "10.0", "11.0", "1.10", "20.0", "30.0", "1.50", "yes")
    assert again == ("again", 3, "2.0", "3.0", "1.50", "1.0", "1.0", "1.00", "no")


def test_the_store_is_a_process_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: buckets can't be tried")
    logs = tmp_path / "logs" / "ads"
    logs.mkdir(parents=True)
    (logs / "x").write_bytes(b"1")
    with bucket.own_store(tmp_path / "s3") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        copy_logs(str(logs.parent), Place("s3://benchmark/logs", "", environment))
        assert (tmp_path / "s3" / "benchmark" / "logs" / "ads" / "x").read_bytes() == b"1"


def test_the_command_takes_what_it_says() -> None:
    options = bucket._parser().parse_args(["--as-of", str(AS_OF)])
    assert (options.preset, options.rounds, options.again) == (load_preset("demo").name, 1, 3)
