"""The candidate that answers in the shadow: it runs in a process of its own, whose failures are nobody else's."""

import json
import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from logging.handlers import RotatingFileHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mtmd.errors import BundleError, MtmdError, RegistryError
from mtmd.extras.shadow.comparison import Compared, Failed, ModelOf, Why, of_tasks, rank_by
from mtmd.extras.shadow.settings import NEWEST, Settings
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.answers import answer_rank
from mtmd.serve.http.intake import Refused
from mtmd.serve.http.intake import Settings as ServiceSettings
from mtmd.serve.http.live import Live, Serving

_KINDER = 10  # on the scale of `nice`: the live answer's threads come first
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shadowing:
    """What the candidate's process is told."""

    line: Path
    file: Path  # the log, a JSON object a line
    service: ServiceSettings
    settings: Settings


def newest_candidate(registry: Registry, catalogue: Catalogue) -> str:
    """The newest model with published ads that is not older than the champion, was not rolled back and is not live.

    Raises RegistryError where there is none.
    """
    champion = registry.require_champion()
    out = {champion.model_id, *champion.rolled_back}
    found = [
        (day, model) for model in catalogue.models() if model not in out and (day := _day(registry, model))
    ]
    newer = [(day, model) for day, model in found if day >= champion.as_of]
    if not newer:
        raise RegistryError(
            f"{registry.root} has no candidate with published ads that is as new as champion {champion.model_id}; "
            "publish the ads of one with `mtmd publish --model MODEL`"
        )
    return max(newer)[1]


def named_candidate(registry: Registry, catalogue: Catalogue, model: str) -> str:
    """The same id. Raises RegistryError for no model's id, and BundleError where the model has no published ads."""
    if catalogue.current(model) is None:
        registry.manifest(model)
        raise BundleError(f"no ads are published for candidate {model}; run `mtmd publish --model {model}`")
    return model


def _day(registry: Registry, model: str) -> date | None:
    """A model's day; None for one that is gone or can't be read: its ads may be there still."""
    try:
        return registry.manifest(model).as_of
    except (BundleError, RegistryError):
        return None


def run(connection: Connection, shadowing: Shadowing) -> None:
    """Send `started`, then compare what comes, until the connection closes: (why, body, live answer) → an outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's
    os.nice(_KINDER)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s shadow: %(message)s")
    line, settings = shadowing.line, shadowing.settings
    registry, catalogue = Registry(line), Catalogue(line)

    def choose() -> str:
        if settings.model not in (None, NEWEST):
            return named_candidate(registry, catalogue, str(settings.model))
        try:
            return newest_candidate(registry, catalogue)
        except RegistryError:
            live.serving = None  # what was a candidate until now is none any more
            raise

    live = Live(line, shadowing.service, choose=choose)
    live.start()
    log = open_log(shadowing.file, settings)
    with suppress(EOFError, OSError):  # the service has gone
        connection.send("started")
        while True:
            why, body, answered = connection.recv()
            connection.send(outcome(live.serving, why, body, answered, log, ids=settings.ids))


def open_log(file: Path, settings: Settings) -> logging.Logger:
    """A log of whole lines, each a JSON object, in files that never grow beyond a limit."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = logging.Logger(f"shadow of {file}")
    log.addHandler(RotatingFileHandler(file, "a", settings.file_bytes, settings.older_files, "utf-8"))
    return log


def outcome(
    candidate: Serving | None,
    why: Why,
    body: bytes,
    answered: bytes,
    log: logging.Logger,
    *,
    ids: bool = False,
) -> str:
    """Compare one call and log it; returns `compared`, `failed` or `no_candidate`, and never raises."""
    live: dict[str, Any] = json.loads(answered)
    if candidate is None or candidate.ranker.model_id == live["model_id"]:
        return "no_candidate"
    try:
        lines = [
            found.model_dump_json() for found in compared(candidate, why, json.loads(body), live, ids=ids)
        ]
        result = "compared"
    except Exception as error:  # noqa: BLE001 - whatever a candidate does: the next call is compared again
        words = error.problem.model_dump_json() if isinstance(error, Refused) else f"{error}"
        if not isinstance(error, Refused | MtmdError):
            _log.exception("the candidate failed")
        failed = Failed(at=_now(), why=why, candidate=candidate.ranker.model_id, error=words[:1000])
        lines, result = [failed.model_dump_json()], "failed"
    for line in lines:
        log.info(line)  # a line that can't be written is said on standard error
    return result


def compared(
    candidate: Serving, why: Why, body: dict[str, Any], live: dict[str, Any], *, ids: bool
) -> list[Compared]:
    """Each request of a call: the candidate's answer, and its probabilities of the champion's ads.

    Raises Refused for a body that the candidate's bundle does not understand.
    """
    began = time.perf_counter()
    shadowed = _answer(candidate, body)
    seconds = time.perf_counter() - began
    first_task = candidate.ranker.scorer.tasks[0]
    found = []
    for request, shown, theirs in zip(body["requests"], live["requests"], shadowed["requests"], strict=True):
        live_ids = [ad["ad_id"] for ad in shown["ads"]]
        candidate_ids = [ad["ad_id"] for ad in theirs["ads"]]
        again = body | {"requests": [request], "ad_ids": live_ids, "top_k": max(1, len(live_ids))}
        on_live = _answer(candidate, again) if live_ids else {"requests": [{"ads": []}], "unpublished": []}
        found.append(
            Compared(
                at=_now(),
                why=why,
                live=_model_of(live),
                candidate=_model_of(shadowed),
                request_id=shown["request_id"],
                surface=request["surface"],
                rank_by=rank_by(body, first_task),
                ads=len(live_ids),
                shared=len({*live_ids} & {*candidate_ids}),
                same_first=live_ids[:1] == candidate_ids[:1],
                missing=len(on_live["unpublished"]),
                tasks=of_tasks(shown["ads"], on_live["requests"][0]["ads"]),
                seconds=seconds,
                live_ads=tuple(live_ids) if ids else None,
                candidate_ads=tuple(candidate_ids) if ids else None,
            )
        )
    return found


def _answer(candidate: Serving, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(answer_rank(candidate, json.dumps(body).encode()))
    return answer


def _model_of(answer: dict[str, Any]) -> ModelOf:
    return ModelOf.model_validate({name: answer[name] for name in ModelOf.model_fields}, strict=False)


def _now() -> datetime:
    return datetime.now(UTC)
