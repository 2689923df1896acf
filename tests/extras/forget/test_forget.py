"""Nothing below a line has a forgotten user's id or bucket, and what was made of the user's rows is made anew."""

import json
import re
import shutil
from datetime import date, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mtmd.cli import main
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.stage import extract_day
from mtmd.extras.forget.forget import Forgotten, forget_users, pattern, read_users
from mtmd.features.categorical import hash_bucket
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.files import read_json, write_json, write_text
from mtmd.train.stage import train
from tests.registry.conftest import fill_bundle, manifest_of
from tests.test_ids import DAYS, PRESET, _write_logs

FIRST, SECOND = DAYS
FAST = PRESET.model_copy(update={"training": PRESET.training.model_copy(update={"epochs": 1})})


class Line:
    """Of two days with ids of texts; models `old` and `live` learned from both, `early` from the second alone."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.places = {"logs": f"{self.logs}", "artifacts": f"{folder}/artifacts"}
        self.plan = RunPlan(as_of=SECOND + timedelta(days=1), days=DAYS, preset=FAST, **self.places)
        self.root = self.plan.workspace.root

    def shards(self) -> list[ShardRef]:
        return [extract_day(self.plan.source, day, PRESET.declarations, self.root / "shards") for day in DAYS]

    def forget(self, user: str, *, dry_run: bool = False) -> Forgotten:
        return forget_users(FAST, frozenset([user]), dry_run=dry_run, **self.places)

    def file(self, table: str, day: date) -> Path:
        return self.logs / table / f"date={day}" / "a.parquet"

    def users(self, day: date) -> list[str]:
        found: list[str] = pq.read_table(self.file("requests", day), partitioning=None)["user_id"].to_pylist()
        return found

    @cached_property
    def user(self) -> str:
        """Of the first day alone, and alone in their bucket."""
        everybody = {*self.users(FIRST), *self.users(SECOND)}
        buckets = [bucket(one) for one in everybody]
        return min(one for one in everybody - {*self.users(SECOND)} if buckets.count(bucket(one)) == 1)

    def fill(self, directory: Path, name: str) -> None:
        fill_bundle(load_preset("tiny"), directory, model_id=name)
        write_text(directory / "notes.json", json.dumps({"words": f"user_id {self.user}"}))

    def deliver_without(self, user: str) -> None:
        requests, candidates = self.file("requests", FIRST), self.file("candidates", FIRST)
        kept = pq.read_table(requests, partitioning=None).filter(pc.field("user_id") != user)
        pairs = pq.read_table(candidates, partitioning=None)
        known = pc.is_in(pairs["request_id"], kept["request_id"].combine_chunks())
        pq.write_table(kept, requests)
        pq.write_table(pairs.filter(known), candidates)


@pytest.fixture(scope="module")
def made(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forget")
    _write_logs(tiny_logs, folder / "logs")
    line = Line(folder)
    shards = {ref.day: ref.fingerprint for ref in line.shards()}
    training, registry = train(line.plan, "mtmd", line.shards()), Registry(line.root)
    for number, (name, days) in enumerate((("old", DAYS), ("live", DAYS), ("early", DAYS[1:]))):
        changes = {"window": {day: shards[day] for day in days}, "training": training.key}
        manifest = manifest_of(name, 3 + number).model_copy(update=changes)
        registry.add(partial(line.fill, name=name), manifest)
        write_text(line.root / "ads" / name / "current.json", "{}")
    registry.promote("live", manifest_of("live", 4).as_of, "good", 0)
    return folder


@pytest.fixture
def line(made: Path, tmp_path: Path) -> Line:
    return Line(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def user(line: Line) -> str:
    """Their id stands in records, a page, a log, every model, a folder that nobody knows, and the spool."""
    found, record = line.user, {"samples": [{"user_id": line.user}]}
    write_json(line.root / "validation" / f"as_of={SECOND}.json", record, seal=True)
    write_text(line.root / "runs" / "a" / "report.md", f"first row: request_id req/7, user_id {found}")
    write_text(line.root / "shadow" / "a.jsonl", json.dumps({"user_id": found}))
    for place in (f"monitoring/date={SECOND}.json", "evaluations/a/report.json", "any/folder.txt"):
        write_text(line.root / place, json.dumps({"words": f"user_id {found}"}))
    write_text(line.root / "work" / "mtmd-0" / "checkpoint.safetensors", "half")
    spool = line.root / f"spool/requests/{FIRST}/0123456789abcdef"
    shutil.copytree(line.file("requests", FIRST).parent, spool)
    return found


def bucket(user: str) -> int:
    return hash_bucket(PRESET.declarations.hash_seed, "user_id", user, 500)


def left_of(user: str, line: Line) -> list[Path]:
    """Files below the line with the id's bytes in any form, or with its bucket in a row."""
    forms, found = {user.encode(), json.dumps(user)[1:-1].encode()}, []
    for path in (path for path in line.root.parent.rglob("*") if path.is_file()):
        rows = f"{pq.read_table(path, partitioning=None).to_pylist()}" if path.suffix == ".parquet" else ""
        in_rows = path.name == "requests.arrow" and bucket(user) in open_shard(path.parent).query.categorical
        found += [path] * (in_rows or user in rows or any(form in path.read_bytes() for form in forms))
    return found


def test_nothing_is_left_of_a_user_and_what_follows_is_made_anew(line: Line, user: str) -> None:
    before = {path: path.read_bytes() for path in line.root.rglob("*") if path.is_file()}
    said = line.forget(user, dry_run=True)
    assert {path: path.read_bytes() for path in line.root.rglob("*") if path.is_file()} == before
    assert len(left_of(user, line)) == 11
    done = line.forget(user)
    assert done == said.model_copy(update={"dry_run": False, "unfinished": None})
    assert (done.days, done.kept) == ((FIRST,), ("live",))
    assert {path.split("/")[0] for path in done.removed} == {"models", "trained", "work", "spool", "shards"}
    assert left_of(user, line) == []
    for place in ("models", "ads"):
        assert sorted(path.name for path in (line.root / place).glob("*[!k]")) == ["early", "live"]
    assert Registry(line.root).require_champion().model_id == "live"
    assert read_json(Registry(line.root).verify("live") / "notes.json") == {"words": "user_id 0"}
    assert read_json(line.root / "validation" / f"as_of={SECOND}.json") == {"samples": [{"user_id": "0"}]}
    (record,) = (line.root / "forgotten").iterdir()
    assert read_json(record)["days"] == [f"{FIRST}"]

    line.deliver_without(user)
    (words,) = line.forget(user).lines()
    assert words == "the logs have no request of these users, and nothing that was made of one was found"
    assert not train(line.plan, "mtmd", line.shards()).reused
    assert left_of(user, line) == []


def test_a_shard_whose_logs_were_delivered_again_is_told_by_the_bucket(line: Line, user: str) -> None:
    line.deliver_without(user)
    done = line.forget(user)
    assert (done.days, left_of(user, line)) == ((), [])
    assert [path.split("/")[1] for path in done.removed if path.startswith("shards/")] == [f"date={FIRST}"]


@pytest.mark.parametrize("number", range(1, 15, 3))
def test_an_interrupted_removal_is_done_by_the_next_one(
    line: Line, user: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended at the number-th tree that is removed; a file that is written has one, too."""
    rmtree, calls = shutil.rmtree, iter(range(1, 1000))

    def ended(path: Any, *given: Any, **named: Any) -> None:
        if str(line.root) in str(path) and next(calls) == number:
            raise KeyboardInterrupt
        rmtree(path, *given, **named)

    with monkeypatch.context() as fault:
        fault.setattr(shutil, "rmtree", ended)
        with pytest.raises(KeyboardInterrupt):
            line.forget(user)
    (record,) = (line.root / "forgotten").glob("*.json")
    begun = read_json(record)
    line.forget("another", dry_run=False)  # finishes nothing of it
    assert read_json(record) == begun
    line.forget(user)
    assert left_of(user, line) == []
    assert read_json(record) == begun | {"unfinished": None}
    left = [*line.root.glob("*/old"), *line.root.glob("trained/*"), *line.root.rglob(".tmp-*")]
    assert left == []


def test_an_id_is_found_in_texts_and_a_count_is_none() -> None:
    def left(user: str, text: str) -> str:
        return re.sub(pattern(user), "0", text)

    assert left("100000", '{"rows": 100000, "user_id": 100000}') == '{"rows": 100000, "user_id": 0}'
    assert left("2", "| new user_id | 2,345 | user_id 2") == "| new user_id | 2,345 | user_id 0"
    assert left("100000", "such as '100000'") == "such as '0'"
    assert left("u1234567", "of u1234567. And user-u1234567-8") == "of 0. And user-0-8"
    assert left("20260123", '{"model_id": "20260123-d6d9e5b520"}') == '{"model_id": "20260123-d6d9e5b520"}'
    assert (
        left("promote", '{"action": "promote", "user_id": "promote"}')
        == '{"action": "promote", "user_id": "0"}'
    )
    assert left("o'brien|7", "o&#39;brien|7, o&#x27;brien|7, o'brien\\|7") == "0, 0, 0"
    assert left("a.b@x.org", '["a.b@x.org", "aa.b@x.org"]') == '["0", "aa.b@x.org"]'


@pytest.mark.parametrize(
    ("kind", "users", "words"),
    [
        ("BIGINT", ["seven"], "user 'seven' must be a whole number"),
        ("VARCHAR", ["u" * 129], "must have at most 128 characters"),
        ("VARCHAR", [], "none can't be read"),
    ],
)
def test_what_is_no_user_is_refused(tmp_path: Path, kind: Any, users: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_users(kind, users, None if users else tmp_path / "none")
    with pytest.raises(ConfigError, match="no user is named; say --user ID, or --users FILE"):
        read_users(kind, [], None)


def test_the_command_reads_a_file_of_users(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ids").write_text("\ufeff987654321\n\n")
    places = ["--logs", str(tiny_logs), "--artifacts", str(tmp_path)]
    assert main(["forget", "--preset", "tiny", "--users", str(tmp_path / "ids"), *places]) == 0
    assert capsys.readouterr().out.startswith("the logs have no request of these users")
