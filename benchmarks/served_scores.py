"""Is the ranking served the ranking evaluated? `python -m benchmarks.served_scores`, after `make run`.

Requests of the champion's held-out day, raw as the logs have them, are sent to the service over HTTP with the ads that
the heavyweight ranker scored for them. What comes back is held against the scores of the day's shard, which is how a
champion is evaluated: other code encodes the rows, and ads are embedded anew there and published here.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.runs import told
from benchmarks.service_process import Connection, ServiceProcess
from mtmd.config import load_preset
from mtmd.errors import RegistryError
from mtmd.evaluate.predictors import score_shard
from mtmd.export.rows import sample_raw_rows
from mtmd.extract.shards import Shard, open_shard
from mtmd.logs.source import LogSource
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.scorer import Scorer
from mtmd.store.workspace import Workspace

SAME = 1e-5  # largest |Δ| of a probability


@dataclass(frozen=True)
class Compared:
    """What was compared, and the largest |Δ| of a probability."""

    requests: int
    scores: int
    delta: float


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Say how far apart they are; exit status 1 when that is more than 1e-5."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    workspace = Workspace.of(options.artifacts, preset)
    scorer, shard = champion_day(workspace)
    found = compare(
        workspace, options.logs or preset.logs, scorer, shard, score_shard(scorer, shard), options.requests
    )
    Console(soft_wrap=True, highlight=False).print(
        f"{found.scores:,} scores of {found.requests:,} requests of {shard.day}: served and evaluated differ by "
        f"{found.delta:.2g} at most"
    )
    return 0 if found.delta <= SAME else 1


def champion_day(workspace: Workspace) -> tuple[Scorer, Shard]:
    """The champion, and the shard of the day that it was evaluated on; raises RegistryError where none serves."""
    registry = Registry(workspace.root)
    champion = registry.champion()
    if champion is None:
        raise RegistryError(f"{workspace.root} has no champion; `make run` makes one")
    current = Catalogue(workspace.root).current(champion.model_id)
    if current is None or current.day != champion.as_of:
        raise RegistryError(
            f"the ads of {champion.as_of} do not serve {champion.model_id}; run that day again"
        )
    held_out = registry.manifest(champion.model_id).held_out or ""
    path = workspace.shards / f"date={champion.as_of}" / held_out[:16]
    return Scorer.load(registry.verify(champion.model_id)), open_shard(path)


def compare(
    workspace: Workspace,
    logs: str | Path,
    scorer: Scorer,
    shard: Shard,
    log_p: NDArray[np.float32],
    requests: int,
) -> Compared:
    """Ask the service about `requests` requests of each surface; log_p (P, T) is what the day's candidates have.

    Raises RuntimeError for an answer that is not 200, of another bundle, or without some of the ads.
    """
    declarations = scorer.info.declarations
    raw = sample_raw_rows(LogSource(logs), shard, declarations, per_domain=requests).requests
    place = {key: row for row, key in enumerate(shard.request_id.tolist())}
    delta, scores, asked = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        service = ServiceProcess(workspace.root, Path(directory) / "service.log")
        with service:
            service.start()
            with closing(Connection(service.port)) as connection:
                for row in raw:
                    request = place[row["request_id"]]
                    first, count = int(shard.candidate_start[request]), int(shard.candidate_count[request])
                    if count:
                        own = slice(first, first + count)
                        ads = shard.ad_id[shard.ad_row[own].long()].tolist()
                        answer = _ask(connection, row, ads, scorer.info.bundle_id)
                        found = np.array([_numbers(answer[ad], scorer.tasks) for ad in ads])
                        expected = np.exp(log_p[own].astype(np.float64))
                        if not np.array_equal(np.isnan(found), np.isnan(expected)):
                            raise RuntimeError(f"request {row['request_id']} has scores of other tasks")
                        delta = max(delta, float(np.nanmax(np.abs(found - expected))))
                        scores, asked = scores + int(np.isfinite(expected).sum()), asked + 1
    return Compared(asked, scores, delta)


def _ask(connection: Connection, row: dict[str, Any], ads: list[int], bundle_id: str) -> dict[int, Any]:
    """Probabilities of each ad."""
    question = {"requests": [row], "ad_ids": ads, "top_k": len(ads)}
    status, answer = connection.post("/rank", json.dumps(question).encode())
    if status != 200 or answer["bundle_id"] != bundle_id:
        raise RuntimeError(f"request {row['request_id']} was answered with {status}: {str(answer)[:500]}")
    found = {ad["ad_id"]: ad["probability"] for ad in answer["requests"][0]["ads"]}
    if set(found) != set(ads):
        raise RuntimeError(f"request {row['request_id']} got {len(found)} of {len(ads)} ads")
    return found


def _numbers(probability: dict[str, float | None], tasks: Sequence[str]) -> list[float]:
    return [np.nan if probability[task] is None else float(probability[task] or 0.0) for task in tasks]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served_scores", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--logs", help="default: the preset's")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--requests", type=int, default=100, help="of each surface")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
