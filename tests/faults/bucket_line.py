"""A line whose artifacts are in a bucket; machines with working folders of their own share it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from mtmd.extras.bucket.objects import opened
from mtmd.extras.bucket.outputs import COMPLETE, UPLOAD, Complete
from mtmd.extras.bucket.stores import WORK
from mtmd.store.files import sha256_file
from mtmd.store.stores import FOLDER, artifacts_folder, store_of
from mtmd.store.workspace import file_digests
from tests.buckets import S3
from tests.faults.line import Line
from tests.flows.runs import LINE, NEXT, Run

URL = "s3://art/team"
WARM = "warm"  # the machine that ran both days: it has all files
_OUTPUTS = ("shards/date=*/*", "models/*", "trained/*", "evaluations/*", "ads/*/*")
_NAMES = count(1)


@dataclass(kw_only=True)
class BucketLine(Line):
    """`artifacts` has a folder for each machine."""

    s3: S3
    environment: pytest.MonkeyPatch

    @property
    def places(self) -> tuple[str, str]:
        return str(self.logs), URL

    @property
    def root(self) -> Path:
        return artifacts_folder(URL) / LINE

    @property
    def stored(self) -> Path:
        return self.s3.path(f"{URL}/{LINE}")

    def become(self, machine: str) -> None:
        """Go on as on another machine."""
        self.environment.setenv(WORK, str(self.artifacts / machine))

    def become_new(self) -> None:
        """Go on as on a machine that has nothing yet."""
        self.become(f"new-{next(_NAMES)}")

    def undo_day(self) -> None:
        raise NotImplementedError("no fault of a bucket trains")

    def patience(self, seconds: float) -> None:
        self.environment.setenv("AWS_TIMEOUT", f"{seconds} seconds")
        opened.cache_clear()

    def undo_decision(self) -> None:
        """Be as before the newest day's model was exported, in the bucket and on the machine that ran the day."""
        before = self.day_before / LINE
        for place in (self.stored, self.root):
            for pattern in (f"models/{NEXT:%Y%m%d}-*", f"ads/{NEXT:%Y%m%d}-*", f"runs/{NEXT}-*"):
                shutil.rmtree(next(place.glob(pattern)))
            (place / "history" / "00000002.json").unlink()
        shutil.copy(before / "champion.json", self.stored / "champion.json")

    def undo_publication(self) -> None:
        """Be as before the newest day's ads were published."""
        for place in (self.stored, self.root):
            shutil.rmtree(next(place.glob(f"ads/{NEXT:%Y%m%d}-*")))

    def files(self) -> dict[str, str]:
        """sha256 of every file of the outputs in the bucket, as their `complete.json` says; on a new machine."""
        self.become_new()
        found = {}
        for complete in self.stored.rglob(COMPLETE):
            output = Complete.model_validate_json(complete.read_bytes())
            for name, sha256 in output.files.items():
                path = complete.parent / output.upload / name
                assert sha256_file(path) == sha256, f"{path} is not as {complete} says"
                found[str((complete.parent / name).relative_to(self.stored))] = sha256
        return found

    def live(self) -> str:
        """As on a new machine, which fetches all that it serves."""
        self.become_new()
        return super().live()


def uploaded(
    newest: Run, day_before: Run, place: Path, s3: S3, environment: pytest.MonkeyPatch
) -> BucketLine:
    """A line of its own in the bucket, and a machine that has all of it."""
    line = BucketLine(newest.logs, place / "machines", day_before.artifacts, s3=s3, environment=environment)
    line.become(WARM)
    shutil.copytree(newest.root, line.root)
    for path, content in _objects(line.root):
        target = line.stored / path.relative_to(line.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return line


def _objects(root: Path) -> Iterator[tuple[Path, bytes | Path]]:
    """What a run in a bucket would have written there, by its place below the working folder."""
    outputs = [path for pattern in _OUTPUTS for path in root.glob(pattern) if path.is_dir()]
    for output in outputs:
        complete = Complete(upload=f"{UPLOAD}{0:016}", files=file_digests(output))
        yield output / COMPLETE, complete.model_dump_json().encode()
        for name in complete.files:
            yield output / complete.upload / name, output / name
    for path in root.rglob("*"):
        if (
            path.is_file()
            and store_of(path) is not FOLDER
            and not any(output in path.parents for output in outputs)
        ):
            yield path, path
