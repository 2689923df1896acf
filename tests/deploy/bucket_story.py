"""A line of models by commands, on the local disk and in a bucket: `python -m tests.deploy.bucket_story`.

Days of the tests' size are retrained, monitored, rolled back, reinstated, published, backfilled, cleaned up and served:
by deployments of `make up`, and by the command line. First logs and artifacts are in the tests' S3, and another machine
serves the champion; then all is on the disk. Only settings differ, and shards and ONNX files must have the same
digests. It takes some minutes. Exit status 0 when all of it was seen.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deploy.local import Platform, down, up
from mtmd.jobs.simulation import simulate_days
from mtmd.store.pushed import COMPLETE, Complete
from mtmd.store.sha256 import sha256_file
from tests.buckets import serving
from tests.flows.deployed import Deployed, free_port
from tests.flows.runs import AS_OF, LINE, NEXT, ROOT, TINY

_LAST = NEXT + timedelta(days=1)
_DAYS = 23
_PATIENCE_S = 600.0
_REPORTED = re.compile(r"(shards/date.*arrow|models/.*onnx)")


@dataclass(frozen=True)
class Story:
    """Where the logs are, and the environment of every process, which says where artifacts are."""

    name: str
    logs: str
    environment: Mapping[str, str]

    def told(self, folder: Path) -> None:
        """All commands; raises SystemExit where one fails."""
        os.environ.update(self.environment)
        platform = Platform(folder / f"platform-{self.name}", free_port(), free_port(), folder / "pages")
        try:
            up(platform, TINY, schedules=False)
            self._commands(Deployed(platform, Path(self.logs)))
        finally:
            down(platform)

    def _commands(self, deployed: Deployed) -> None:
        line, places = ("--preset", TINY), {"preset": TINY, "logs": self.logs}

        def flow(deployment: str, **parameters: object) -> None:
            pairs = (f"{name}={json.dumps(value)}" for name, value in (places | parameters).items())
            given = [word for pair in pairs for word in ("--param", pair)]
            done = deployed.prefect(
                "deployment", "run", deployment, *given, "--watch", "--watch-interval", "1"
            )
            self._seen(deployment, parameters, done)

        flow("daily-retrain/daily-retrain", as_of=str(AS_OF), ablations=False)
        flow("monitor/monitor", as_of=str(NEXT))
        flow("daily-retrain/daily-retrain", as_of=str(NEXT), ablations=False)
        model = self._champion()
        self._mtmd("rollback", *line, "--reason", "a trial", "--logs", self.logs)
        assert self._champion() != model
        self._mtmd("reinstate", model, *line, "--reason", "it was a trial")
        flow("daily-retrain/daily-retrain", as_of=str(NEXT), ablations=False)
        assert self._champion() == model
        self._mtmd("publish", *line, "--logs", self.logs)
        flow("backfill/backfill", first=str(AS_OF), last=str(_LAST), promote=True)
        assert json.loads(self._mtmd("status", *line, "--json"))["champion"]["as_of"] == str(_LAST)
        assert len(json.loads(self._mtmd("runs", *line, "--json"))) == 3
        cleaned = deployed.prefect(
            "deployment", "run", "clean-up/clean-up", "--param", f'preset="{TINY}"', "--watch"
        )
        self._seen("clean-up/clean-up", {}, cleaned)

    def _champion(self) -> str:
        found: str = json.loads(self._mtmd("status", "--preset", TINY, "--json"))["champion"]["model_id"]
        return found

    def _mtmd(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "mtmd.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        if arguments[0] not in {"status", "runs"} or done.returncode:
            self._seen(f"mtmd {arguments[0]}", {}, done)
        return done.stdout

    def _seen(self, command: str, parameters: object, done: "subprocess.CompletedProcess[str]") -> None:
        say(f"{self.name}: {command} {parameters or ''}: exit status {done.returncode}")
        if done.returncode:
            raise SystemExit(done.stdout[-4000:] + done.stderr[-4000:])

    def served(self) -> str:
        """The model that a service answers with."""
        port = free_port()
        command = [sys.executable, "-m", "mtmd.cli", "serve", "--preset", TINY, "--port", str(port)]
        with _running(command):
            deadline = time.monotonic() + _PATIENCE_S
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                        return str(json.load(answer)["model_id"])
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def say(words: str) -> None:
    """To the terminal, at once."""
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)  # noqa: T201


def main() -> int:
    """Tell the story twice, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mtmd-bucket-") as name:
        folder = Path(name)
        logs = folder / "logs"
        simulate_days(_LAST, TINY, days=_DAYS, logs=str(logs))
        (folder / "s3" / "art").mkdir(parents=True)
        shutil.copytree(logs, folder / "s3" / "logs" / "team")
        with serving(folder / "s3") as s3:
            environment = s3.environment | {
                "MTMD_ARTIFACTS": "s3://art/team",
                "MTMD_WORK": str(folder / "machine"),
                "MTMD_CACHE": str(folder / "cache"),
            }
            there = Story("bucket", "s3://logs/team", environment)
            there.told(folder)
            os.environ["MTMD_WORK"] = str(folder / "another-machine")
            say(f"bucket: another machine serves {there.served()}")
            say(f"{len(s3.asked)} requests")
            here = Story("disk", str(logs), {"MTMD_ARTIFACTS": str(folder / "artifacts")})
            here.told(folder)
        local, stored = _files(folder / "artifacts" / LINE), _objects(folder / "s3" / "art" / "team" / LINE)
        say(f"shards and ONNX files: {len(local)} on the disk, {len(stored)} in the bucket")
        return int(not local or local != stored)


def _files(root: Path) -> dict[str, str]:
    """sha256 of shards and ONNX files."""
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {name: sha256_file(path) for name, path in found.items() if _REPORTED.match(name)}


def _objects(root: Path) -> dict[str, str]:
    """The same, of the outputs in a bucket."""
    found = {
        str((path.parent / name).relative_to(root)): file.sha256
        for path in root.rglob(COMPLETE)
        for name, file in Complete.model_validate_json(path.read_bytes()).files.items()
    }
    return {name: sha256 for name, sha256 in found.items() if _REPORTED.match(name)}


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
