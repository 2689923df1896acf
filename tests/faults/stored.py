"""Files below artifacts/ that were damaged after they were written: each kind of file, in each way."""

import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mtmd.monitor.health import MonitorReport
from mtmd.monitor.stage import monitor
from mtmd.promote.rollback import rollback
from mtmd.store.files import sha256_file
from mtmd.store.workspace import Workspace
from tests.faults.line import Fault, Line, Outcome
from tests.flows.runs import AS_OF, LINE, NEXT, TINY

GROUP = "stored files"
_OLD, _NEW = f"{AS_OF:%Y%m%d}", f"{NEXT:%Y%m%d}"
_SOME_DAY = "2026-01-10"  # of both windows


def _daily(line: Line) -> object:
    return line.daily()


def _exported_anew(line: Line) -> object:
    shutil.rmtree(next(line.root.glob(f"models/{_NEW}-*")))
    return line.daily()


def _trained_anew(line: Line) -> object:
    before = line.day_before / LINE
    for path in (*line.root.glob("trained/*"), *line.root.glob("evaluations/*")):
        if not (before / path.relative_to(line.root)).exists():
            shutil.rmtree(path)
    return _exported_anew(line)


def _rolled_back(line: Line) -> object:
    return rollback(Workspace(line.root), "the fault suite takes it down")


def _look(line: Line) -> MonitorReport:
    return monitor(NEXT, TINY, logs=str(line.logs), artifacts=str(line.artifacts))


def _looked_at_again(line: Line) -> object:
    """The profiles of a line whose monitor has looked again are those that are all made anew."""

    def profiles() -> dict[Path, str]:
        return {path: sha256_file(path) for path in line.root.glob("monitoring/profiles/*/*/counts.parquet")}

    report, healed = _look(line), profiles()
    shutil.rmtree(line.root / "monitoring")
    _look(line)
    assert healed == profiles()
    return report


class Kind(NamedTuple):
    """Files of one kind.

    pattern  below artifacts/<line>; the newest of the files is struck
    covers   a pattern of all of them
    """

    what: str
    pattern: str
    covers: str
    outcome: Outcome
    then: Callable[[Line], object] = _daily
    words: str = ""


def _shard(what: str, name: str, day: str = _SOME_DAY) -> Kind:
    return Kind(what, f"shards/date={day}/*/{name}", f"shards/date=*/*/{name}", "healed")


def _record(what: str, day: str, name: str) -> Kind:
    return Kind(what, f"validation/date={day}/{name}", f"validation/date=*/{name}", "healed")


def _watched(what: str, name: str) -> Kind:
    pattern = f"monitoring/profiles/{name}"
    return Kind(what, pattern, pattern, "healed", _looked_at_again)


KINDS = (
    Kind("the live model's item tower", f"models/{_NEW}-*/item_standard.onnx", "models/*/*.onnx", "healed"),
    Kind("the live model's query tower", f"models/{_NEW}-*/query_search.onnx", "models/*/*.onnx", "healed"),
    Kind("the live model's declarations", f"models/{_NEW}-*/bundle.json", "models/*/bundle.json", "healed"),
    Kind("the live model's metrics", f"models/{_NEW}-*/metrics.json", "models/*/metrics.json", "healed"),
    Kind("the live model's manifest", f"models/{_NEW}-*/manifest.json", "models/*/manifest.json", "healed"),
    Kind(
        "a query tower of the model before, then a rollback",
        f"models/{_OLD}-*/query_search.onnx", "models/*/*.onnx", "refused", _rolled_back, r"query_search\.onnx",
    ),
    Kind(
        "the manifest of the model before, then a rollback",
        f"models/{_OLD}-*/manifest.json", "models/*/manifest.json", "refused", _rolled_back, "manifest of model",
    ),
    Kind("published ads", f"ads/{_NEW}-*/*/standard.arrow", "ads/*/*/*.arrow", "healed"),
    Kind("the list of published ads", f"ads/{_NEW}-*/*/ads.json", "ads/*/*/ads.json", "healed"),
    Kind("which publication serves", f"ads/{_NEW}-*/current.json", "ads/*/current.json", "healed"),
    Kind("the champion", "champion.json", "champion.json", "healed"),
    Kind("the history of champions", "history/*.json", "history/*.json", "healed"),
    Kind("an evaluation", "evaluations/*/report.json", "evaluations/*/report.json", "healed"),
    Kind("an evaluation's manifest", "evaluations/*/manifest.json", "evaluations/*/manifest.json", "healed"),
    Kind("proofs", "proofs/*.json", "proofs/*.json", "healed"),
    Kind(
        "a traced graph, then an export",
        "graphs/*/query-*/graph.onnx", "graphs/*/*/graph.onnx", "healed", _exported_anew,
    ),
    Kind(
        "a graph's manifest, then an export",
        "graphs/*/item-*/manifest.json", "graphs/*/*/manifest.json", "healed", _exported_anew,
    ),
    Kind("MTMD's weights", "trained/mtmd-*/weights.safetensors", "trained/*/weights.safetensors", "healed"),
    Kind("a rival's weights", "trained/pooled-*/weights.safetensors", "trained/*/weights.safetensors", "healed"),
    Kind("what a training saw", "trained/mtmd-*/fit.json", "trained/*/fit.json", "healed"),
    Kind("a training's recipe", "trained/mtmd-*/recipe.json", "trained/*/recipe.json", "healed"),
    Kind("a training's manifest", "trained/mtmd-*/manifest.json", "trained/*/manifest.json", "healed"),
    _shard("a shard's candidates", "candidates.arrow"),
    _shard("a shard's requests", "requests.arrow"),
    _shard("a shard's ads", "ads.arrow"),
    _shard("a shard's manifest", "manifest.json"),
    _shard("the held-out day's shard", "candidates.arrow", f"{NEXT}"),
    Kind("remembered digests of files", f"shards/digests/date={_SOME_DAY}.json", "shards/digests/*.json", "healed"),
    _record("a day's validation", _SOME_DAY, "[0-9a-f]*.json"),
    Kind("the latest validation", f"validation/as_of={NEXT}.json", "validation/as_of=*.json", "healed"),
    Kind("a run's summary", f"runs/{NEXT}-*/summary.json", "runs/*/summary.json", "harmless"),
    Kind("an earlier run's summary", f"runs/{AS_OF}-*/summary.json", "runs/*/summary.json", "harmless"),
    Kind("a run's validation", f"runs/{NEXT}-*/validation.json", "runs/*/validation.json", "harmless"),
    Kind("a run's origin", f"runs/{NEXT}-*/origin.json", "runs/*/origin.json", "harmless"),
    Kind("a run's page", f"runs/{NEXT}-*/report.html", "runs/*/report.*", "harmless"),
    Kind("the line's index page", "index.html", "index.html", "harmless"),
    Kind("what the index knows", "index.json", "index.json", "harmless"),
)  # fmt: skip

# What the monitor keeps, which a line without it lacks: it looks at the day before the damage, and again afterwards.
_WATCHED = (
    _watched("a feature profile", f"date={_SOME_DAY}/*/counts.parquet"),
    _watched("a feature profile's manifest", f"date={_SOME_DAY}/*/manifest.json"),
)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _exchange(path: Path) -> None:
    is_text = path.suffix in (".json", ".jsonl", ".html")
    path.write_bytes(b"{}" if is_text else random.Random(0).randbytes(path.stat().st_size))


WAYS: dict[str, Callable[[Path], None]] = {
    "a bit flipped": _flip,
    "cut in half": _truncate,
    "empty": lambda path: path.write_bytes(b"") and None,
    "gone": Path.unlink,
    "exchanged for something else": _exchange,
}
# A run trains before it writes anything else that could show the damage.
_BEFORE_TRAINING = ("a shard's candidates", "a shard's requests", "a shard's ads")
_QUICK = (
    "the live model's query tower",
    "published ads",
    "the champion",
    "proofs",
    "a shard's requests",
)


def faults() -> Iterator[Fault]:
    """Every kind of file in every way; shards once more with nothing left of what was trained on them."""
    for kind in KINDS:
        for way, damage in WAYS.items():
            quick = way == "a bit flipped" and kind.what in _QUICK
            yield _fault(kind, f"{kind.what}: {way}", kind.then, damage, quick)
    for kind in _WATCHED:
        for way, damage in WAYS.items():
            strike = partial(_strike_when_watched, kind.pattern, damage)
            yield Fault(GROUP, f"{kind.what}: {way}", kind.outcome, strike, kind.then)
    for kind in KINDS:
        if kind.what in _BEFORE_TRAINING:
            yield _fault(kind, f"{kind.what}: a bit flipped, then a training", _trained_anew, _flip, False)


def _fault(
    kind: Kind, name: str, then: Callable[[Line], object], damage: Callable[[Path], None], quick: bool
) -> Fault:
    return Fault(GROUP, name, kind.outcome, partial(_strike, kind.pattern, damage), then, kind.words, quick)


def _strike(pattern: str, damage: Callable[[Path], None], line: Line) -> None:
    line.strike(line.newest(pattern), damage)


def _strike_when_watched(pattern: str, damage: Callable[[Path], None], line: Line) -> None:
    _look(line)
    _strike(pattern, damage, line)
