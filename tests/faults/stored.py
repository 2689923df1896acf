"""Files below artifacts/ that were damaged after they were written: each kind of file, in each way."""

import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mtmd.promote.rollback import rollback
from mtmd.store.workspace import Workspace
from tests.faults.line import Fault, Line, Outcome
from tests.flows.runs import AS_OF, LINE, NEXT

GROUP = "stored files"
_OLD, _NEW = f"{AS_OF:%Y%m%d}", f"{NEXT:%Y%m%d}"
_SOME_DAY = "2026-01-10"  # of both windows

# All kinds of files below artifacts/<line>, and what becomes of the newest one of each that is damaged.
KINDS: dict[str, Outcome] = {
    "models/*/*.onnx": "healed",
    "models/*/bundle.json": "healed",
    "models/*/metrics.json": "healed",
    "models/*/manifest.json": "healed",
    "ads/*/*/*.arrow": "healed",
    "ads/*/*/ads.json": "healed",
    "ads/*/*/manifest.json": "healed",
    "ads/*/current.json": "healed",
    "champion.json": "healed",
    "history/*.json": "healed",
    "evaluations/*/[gr]*.json": "healed",
    "evaluations/*/proofs.json": "healed",
    "evaluations/*/manifest.json": "healed",
    "trained/*/weights.safetensors": "healed",
    "trained/*/fit.json": "healed",
    "trained/*/recipe.json": "healed",
    "trained/*/manifest.json": "healed",
    "shards/date=*/*/candidates.arrow": "healed",
    "shards/date=*/*/requests.arrow": "healed",
    "shards/date=*/*/ads.arrow": "healed",
    "shards/date=*/*/manifest.json": "healed",
    "shards/digests/*.json": "healed",
    "validation/date=*/*.json": "healed",
    "validation/as_of=*.json": "healed",
    "runs/*/summary.json": "harmless",
    "runs/*/validation.json": "harmless",
    "runs/*/origin.json": "harmless",
    "runs/*/report.*": "harmless",
    "index.html": "harmless",
    "index.json": "harmless",
}
_QUICK = ("models/*/*.onnx", "ads/*/*/*.arrow", "champion.json", "shards/date=*/*/requests.arrow")
_ROLLED_BACK = {"query_search.onnx": r"query_search\.onnx", "manifest.json": "manifest of model"}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _exchange(path: Path) -> None:
    is_text = path.suffix in (".json", ".html")
    path.write_bytes(b"{}" if is_text else random.Random(0).randbytes(path.stat().st_size))


WAYS: dict[str, Callable[[Path], object]] = {
    "a bit flipped": _flip,
    "cut in half": _truncate,
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "exchanged for something else": _exchange,
}


def faults() -> Iterator[Fault]:
    """Every kind of file in every way; once more where a rollback, or a training, is the first to read it."""
    for way, damage in WAYS.items():
        for pattern, outcome in KINDS.items():
            quick, strike = damage is _flip and pattern in _QUICK, partial(_strike, pattern, damage)
            yield Fault(GROUP, f"{pattern}: {way}", outcome, strike, Line.daily, "", quick)
        for name, words in _ROLLED_BACK.items():
            strike = partial(_strike, f"models/{_OLD}-*/{name}", damage)
            title = f"{name} of the model before: {way}, then a rollback"
            yield Fault(GROUP, title, "refused", strike, _rolled_back, words)
    for name in ("candidates", "requests", "ads"):
        strike = partial(_strike, f"shards/date={_SOME_DAY}/*/{name}.arrow", _flip)
        yield Fault(
            GROUP, f"a shard's {name}: a bit flipped, then a training", "healed", strike, _trained_anew
        )


def _strike(pattern: str, damage: Callable[[Path], object], line: Line) -> None:
    line.strike(line.newest(pattern), damage)


def _trained_anew(line: Line) -> object:
    """A run trains before it writes anything else that could show the damage."""
    before = line.day_before / LINE
    for path in (*line.root.glob("trained/*"), *line.root.glob("evaluations/*")):
        if not (before / path.relative_to(line.root)).exists():
            shutil.rmtree(path)
    shutil.rmtree(next(line.root.glob(f"models/{_NEW}-*")))
    return line.daily()


def _rolled_back(line: Line) -> object:
    return rollback(Workspace(line.root), "the fault suite takes it down")
