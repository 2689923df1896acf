"""A line of models with two days, the second one promoted, which faults strike, and what a fault is."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.plain_job import plain_job
from mtmd.errors import MtmdError
from mtmd.promote.findings import RunSummary
from mtmd.registry.bundle import load_bundle
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan, plan_run
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.published import open_ads
from mtmd.store.files import remove, sha256_file, sweep
from mtmd.validate.stage import day_sources
from tests.flows.runs import LINE, NEXT, TINY, Run, half_written

# What a training, an export and a publication compute; the rest says when and from what they came about.
_RESULTS = re.compile(
    r"(models/.*(onnx|bundle.json|metrics.json)|trained/.*safetensors|ads/.*arrow|shards/date)"
)


@dataclass
class Line:
    """Logs and artifacts that a fault may damage."""

    logs: Path
    artifacts: Path
    day_before: Path  # the artifacts as they were before the newest day was run; read-only
    causes: list[Callable[[], object]] = field(default_factory=list)  # what ends each fault

    @property
    def root(self) -> Path:
        return self.artifacts / LINE

    @property
    def places(self) -> tuple[str, str]:
        return str(self.logs), str(self.artifacts)

    def plan(self) -> RunPlan:
        return planned(*self.places)

    def daily(self) -> RunSummary:
        return run_day(*self.places)

    def look_at_logs(self) -> None:
        """Take the digests of every day's files, which are remembered once the files are two seconds old."""
        newest = max(path.stat().st_ctime for path in self.logs.rglob("*"))
        time.sleep(max(0.0, newest + 2.1 - time.time()))
        for day in self.plan().all_days:
            day_sources(self.plan(), day)

    def newest(self, pattern: str) -> Path:
        """The file of the artifacts that was written last, of those that the pattern names."""
        found = [path for path in self.root.glob(pattern) if path.is_file()]
        return max(found, key=lambda path: (path.stat().st_mtime_ns, str(path)))

    def strike(self, path: Path, how: Callable[[Path], object]) -> None:
        """Damage a file, which `mend` puts back."""
        content = path.read_bytes()
        self.causes.append(lambda: _put_back(path, content))
        how(path)

    def mend(self) -> None:
        """Take away what made a run refuse."""
        for end in self.causes:
            end()

    def undo_day(self) -> None:
        """Be as before the newest day was run."""
        shutil.rmtree(self.artifacts)
        shutil.copytree(self.day_before, self.artifacts)

    def undo_decision(self) -> None:
        """Be as before the newest day's model was exported: what was trained and evaluated stays."""
        for pattern in (f"models/{NEXT:%Y%m%d}-*", f"ads/{NEXT:%Y%m%d}-*", f"runs/{NEXT}-*"):
            shutil.rmtree(next(self.root.glob(pattern)))
        shutil.copy(self.day_before / LINE / "champion.json", self.root / "champion.json")
        (self.root / "history" / "00000002.json").unlink()

    def files(self) -> dict[str, str]:
        """sha256 of every file below the line."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): sha256_file(path) for path in paths}

    def results(self) -> dict[str, str]:
        """sha256 of every file that a run computed, and the live model."""
        found = {name: sha256 for name, sha256 in self.files().items() if _RESULTS.match(name)}
        champion = Registry(self.root).champion()
        return found | {"champion": "none" if champion is None else champion.model_id}

    def live(self) -> str:
        """The live model, after all that serves was compared with its digests; raises what a service would raise."""
        champion = Registry(self.root).require_champion()
        info = load_bundle(Registry(self.root).verify(champion.model_id))
        catalogue = Catalogue(self.root)
        current = catalogue.current(champion.model_id)
        open_ads(catalogue.path(champion.model_id, current.name), info)
        return champion.model_id

    def left_behind(self) -> list[str]:
        """Temporary names, locks that someone holds, and processes."""
        held = [str(path) for path in self.artifacts.rglob("*.lock") if path.is_file() and _is_held(path)]
        children = [_command_of(child) for child in psutil.Process().children(recursive=True)]
        mine = [command for command in children if str(self.artifacts) in command]
        return half_written(self.artifacts) + held + mine


Outcome = Literal["healed", "harmless", "repeated", "refused"]  # docs/reliability.md has what each means


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    strike  makes it happen
    then    what is run afterwards; the daily job where it is left out
    words   a pattern of the error of a fault that is refused
    """

    group: str
    name: str
    outcome: Outcome
    strike: Callable[[Line], object]
    then: Callable[[Line], object] = Line.daily
    words: str = ""
    quick: bool = False  # in every run of the tests, not only in `make faults`
    on: Literal["line", "bucket_line"] = "line"  # the fixture of the line that it strikes


def planned(logs: str, artifacts: str) -> RunPlan:
    return plan_run(NEXT, TINY, logs=logs, artifacts=artifacts)


def run_day(logs: str, artifacts: str) -> RunSummary:
    """The daily job of the newest day as the flow does it, without Prefect."""
    plan = planned(logs, artifacts)
    sweep(plan.workspace.root)
    Registry(plan.workspace.root).refresh()
    return plain_job(plan)[1]


def _command_of(process: psutil.Process) -> str:
    """Empty for one that has ended, also where nobody has asked for its status yet."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one
        return ""


def copied(newest: Run, day_before: Run, place: Path) -> Line:
    shutil.copytree(newest.logs, place / "logs")
    shutil.copytree(newest.artifacts, place / "artifacts")
    return Line(place / "logs", place / "artifacts", day_before.artifacts)


def words_of(job: Callable[[], object]) -> str | None:
    """What the job said when it refused; None when it came to its end. Anything else that it raises is a failure."""
    try:
        job()
    except MtmdError as error:
        return f"{error}"
    return None


def _put_back(path: Path, content: bytes) -> None:
    remove(path)
    path.write_bytes(content)


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
