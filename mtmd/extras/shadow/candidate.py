"""The candidate that answers in the shadow: it runs in a process of its own, whose failures are nobody else's.

Each call that it answers too is a line of the log for each of its requests (`Compared`), or one that says why it could
not (`Failed`). Answers are read as JSON has them, so that whoever reads the log needs no model.
"""

import json
import logging
import multiprocessing
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.extras.shadow import NEWEST, Settings
from mtmd.logs.contract import Id
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.answers import answer_rank
from mtmd.serve.http.intake import Settings as ServiceSettings
from mtmd.serve.http.live import Live, Serving

_KINDER = 10  # on the scale of `nice`: the live answer's threads come first
_FILE_BYTES, _OLDER_FILES = 16 << 20, 3  # of one file of the log, and how many full ones are kept beside it
_process: tuple[Live, logging.Logger] | None = None  # of the candidate's process


class TaskScores(Frozen):
    """Probabilities of one task by both models, of the same ads: those that were answered."""

    ads: int = Field(ge=1, description="that both models gave a probability")
    live: float = Field(description="mean probability by the champion")
    candidate: float = Field(description="mean probability by the candidate")
    absolute: float = Field(description="mean of |candidate − live|")
    largest: float = Field(description="largest |candidate − live|")

    @classmethod
    def pooled(cls, parts: Sequence["TaskScores"]) -> "TaskScores":
        """Means over all ads of several."""
        ads = sum(part.ads for part in parts)
        means = {
            name: sum(getattr(part, name) * part.ads for part in parts) / ads
            for name in ("live", "candidate", "absolute")
        }
        return cls(ads=ads, largest=max(part.largest for part in parts), **means)


class Compared(Frozen):
    """One request."""

    at: datetime
    live: str = Field(description="the champion's model id")
    candidate: str
    request_id: Id | None
    surface: str
    ads: int = Field(description="that the champion answered")
    shared: int = Field(description="of those, how many the candidate would have answered too")
    same_first: bool = Field(description="whether both have the same best ad")
    tasks: dict[str, TaskScores]


class Failed(Frozen):
    """A call that the candidate could not answer."""

    at: datetime
    candidate: str
    error: str


@dataclass(frozen=True)
class Shadowing:
    """What the candidate's process is told."""

    line: Path
    file: Path  # the log, a JSON object a line
    service: ServiceSettings
    settings: Settings


def begin(shadowing: Shadowing) -> None:
    """Begin the candidate's process: it follows the candidate, and has opened its log."""
    global _process  # noqa: PLW0603 - a process of a pool has no other place
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's
    os.nice(_KINDER)
    threading.Thread(target=_end_with_service, name="service", daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s shadow: %(message)s")
    registry, catalogue, model = Registry(shadowing.line), Catalogue(shadowing.line), shadowing.settings.model

    def choose() -> str:
        try:
            return newest_candidate(registry, catalogue) if model == NEWEST else str(model)
        except RegistryError:
            live.serving = None  # what was a candidate until now is none any more
            raise

    live = Live(shadowing.line, shadowing.service, choose=choose)
    live.start()
    _process = live, open_log(shadowing.file)


def _end_with_service() -> None:
    """A service that is killed tells its pool nothing."""
    if (service := multiprocessing.parent_process()) is not None:
        service.join()
        os._exit(1)


def compare(body: bytes, answered: bytes) -> str:
    """Compare a call in the candidate's process; returns its outcome."""
    assert _process is not None, "the process has begun"
    live, log = _process
    return outcome(live.serving, body, answered, log)


def newest_candidate(registry: Registry, catalogue: Catalogue) -> str:
    """The newest model with published ads that is not older than the champion, was not rolled back and is not live.

    Raises RegistryError where there is none.
    """
    champion = registry.require_champion()
    out = {champion.model_id, *champion.rolled_back}
    found = [(_day(registry, model), model) for model in catalogue.models() if model not in out]
    newer = [(day, model) for day, model in found if day is not None and day >= champion.as_of]
    if not newer:
        raise RegistryError(
            f"{registry.root} has no candidate with published ads that is as new as champion {champion.model_id}; "
            "publish the ads of one with `mtmd publish --model MODEL`"
        )
    return max(newer)[1]


def _day(registry: Registry, model: str) -> date | None:
    """A model's day; None for one that is gone or can't be read: its ads may be there still."""
    try:
        return registry.manifest(model).as_of
    except (BundleError, RegistryError):
        return None


def open_log(file: Path) -> logging.Logger:
    """A log of whole lines, each a JSON object, in files that never grow beyond a limit."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = logging.Logger(f"shadow of {file}")
    log.addHandler(RotatingFileHandler(file, "a", _FILE_BYTES, _OLDER_FILES, "utf-8"))
    return log


def outcome(candidate: Serving | None, body: bytes, answered: bytes, log: logging.Logger) -> str:
    """Compare one call and log it; returns `compared`, `failed` or `no_candidate`, and never raises."""
    live: dict[str, Any] = json.loads(answered)
    if candidate is None or candidate.ranker.model_id == live["model_id"]:
        return "no_candidate"
    try:
        lines = [found.model_dump_json() for found in _compared(candidate, json.loads(body), live)]
        result = "compared"
    except Exception as error:  # noqa: BLE001 - whatever a candidate does: the next call is compared again
        said: Any = error
        if isinstance(error, ValidationError):  # which says the values of features too
            said = error.errors(include_input=False, include_url=False, include_context=False)
        failed = Failed(at=datetime.now(UTC), candidate=candidate.ranker.model_id, error=f"{said!r}"[:1000])
        lines, result = [failed.model_dump_json()], "failed"
    for line in lines:
        log.info(line)  # a line that can't be written is said on standard error
    return result


def _compared(candidate: Serving, body: dict[str, Any], live: dict[str, Any]) -> list[Compared]:
    """Each request of a call: the candidate's answer, and its probabilities of the champion's ads."""
    shadowed = _answer(candidate, body)
    found = []
    for request, shown, theirs in zip(body["requests"], live["requests"], shadowed["requests"], strict=True):
        ids, others = ([ad["ad_id"] for ad in one["ads"]] for one in (shown, theirs))
        again = body | {"requests": [request], "ad_ids": ids, "top_k": max(1, len(ids))}
        on_live = _answer(candidate, again)["requests"][0]["ads"] if ids else []
        found.append(
            Compared(
                at=datetime.now(UTC),
                live=shown.get("model_id", live["model_id"]),
                candidate=shadowed["model_id"],
                request_id=shown["request_id"],
                surface=request["surface"],
                ads=len(ids),
                shared=len({*ids} & {*others}),
                same_first=ids[:1] == others[:1],
                tasks=_of_tasks(shown["ads"], on_live),
            )
        )
    return found


def _answer(candidate: Serving, body: dict[str, Any]) -> dict[str, Any]:
    """Raises as `answer_rank` does for a body that the candidate's bundle does not understand."""
    answer: dict[str, Any] = json.loads(answer_rank(candidate, json.dumps(body).encode()))
    return answer


def _of_tasks(live: Sequence[dict[str, Any]], candidate: Sequence[dict[str, Any]]) -> dict[str, TaskScores]:
    """Both models' probabilities of the ads that both scored, by task."""
    theirs = {ad["ad_id"]: ad["probability"] for ad in candidate}
    found: dict[str, list[TaskScores]] = {}
    for ad in live:
        for task, p in ad["probability"].items():
            other = theirs.get(ad["ad_id"], {}).get(task)
            if p is not None and other is not None:
                delta = abs(other - p)
                scores = TaskScores(ads=1, live=p, candidate=other, absolute=delta, largest=delta)
                found.setdefault(task, []).append(scores)
    return {task: TaskScores.pooled(parts) for task, parts in found.items()}


def summed_up(folder: Path) -> Iterator[str]:
    """Some lines of each champion and candidate, of every file in the folder; StorageError where there is none."""
    files = sorted(folder.glob("*.jsonl*"))
    if not files:
        raise StorageError(
            f'{folder} has no log of a candidate; set `model = "newest"` in [extras.shadow] of the preset and start '
            "the service"
        )
    pairs: dict[tuple[str, str], list[Compared]] = defaultdict(list)
    failures: list[Failed] = []
    unreadable = 0
    for line in (line for file in files for line in file.read_text("utf-8", "replace").split("\n") if line):
        try:
            if "error" in json.loads(line):
                failures.append(Failed.model_validate_json(line))
            else:
                compared = Compared.model_validate_json(line)
                pairs[compared.live, compared.candidate].append(compared)
        except (ValueError, TypeError):  # such as a line that was cut off
            unreadable += 1
    for (live, candidate), lines in sorted(pairs.items()):
        yield f"{candidate} beside champion {live}"
        yield from _words(lines)
    if failures:
        last = max(failures, key=lambda failed: failed.at)
        yield f"{len(failures)} calls failed; the last one: {last.candidate}: {last.error}"
    if unreadable:
        yield f"{unreadable} lines cannot be read and were left out"


def _words(lines: Sequence[Compared]) -> Iterator[str]:
    """Of one pair, then a line for each surface and task."""
    slices: dict[str, list[TaskScores]] = defaultdict(list)
    for line in lines:
        for task, scores in line.tasks.items():
            slices[f"{line.surface} × {task}"].append(scores)
    ads, shared = (sum(getattr(line, name) for line in lines) for name in ("ads", "shared"))
    first, last = min(line.at for line in lines), max(line.at for line in lines)
    yield f"{len(lines):,} requests, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    yield f"{shared / max(ads, 1):.1%} of the {ads:,} answered ads are among the candidate's too"
    yield f"{sum(line.same_first for line in lines) / len(lines):.1%} of the requests have the same best ad"
    for name, parts in sorted(slices.items()):
        scores = TaskScores.pooled(parts)
        yield (
            f"{name}, {scores.ads:,} ads: mean probability {scores.live:.4f} live, {scores.candidate:.4f} candidate; "
            f"differences {scores.absolute:.4f} at the mean, {scores.largest:.4f} at most"
        )
