"""Models as lightweight rankers of the simulated funnel: they see what the logs would show, and nothing else.

P pairs, T tasks.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from mtmd.config import Declarations, SideSchema
from mtmd.extras.abtest.traffic import Chances, Traffic
from mtmd.logs.encoding import EncodedSide, encode
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import RankingModel
from mtmd.serve.scorer import Scorer
from mtmd.sources.simulated.outcomes import TASKS
from mtmd.sources.simulated.population import Ints

_REQUESTS_AT_ONCE = 1000  # some 450,000 pairs; the item tower runs once for each


@dataclass(frozen=True)
class _Side:
    """Encoded rows of one side, and the domain of each."""

    rows: EncodedSide
    domain: Ints
    domains: int

    @classmethod
    def of(cls, table: pa.Table, schema: SideSchema, hash_seed: int) -> "_Side":
        names = table.column("surface" if schema.side == "query" else "product").to_pylist()
        domain = np.array([schema.domains.index(name) for name in names], np.int64)
        return cls(encode(table, schema, hash_seed), domain, len(schema.domains))

    def input(self, chosen: Ints) -> tuple[SideInput, Ints]:
        """Some rows for a torch model, which wants them sorted by domain, and where in it each of them went."""
        domain = self.domain[chosen]
        order = np.argsort(domain, kind="stable")
        counts = np.bincount(domain, minlength=self.domains)
        return SideInput.of(self.rows.take(chosen[order]), tuple(counts.tolist())), np.argsort(order)


def _sides(traffic: Traffic, declarations: Declarations) -> tuple[_Side, _Side]:
    """Raises LogsError where the rows are not as declared."""
    return (
        _Side.of(traffic.request_rows, declarations.query, declarations.hash_seed),
        _Side.of(traffic.ad_rows, declarations.item, declarations.hash_seed),
    )


class ModelRanker:
    """A trained model in the place of the lightweight ranker: embeddings once per request and ad, then dot products."""

    def __init__(self, model: RankingModel, declarations: Declarations) -> None:
        self._model, self._declarations = model, declarations

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the model's declarations."""
        sides = _sides(traffic, self._declarations)
        chances = np.empty(traffic.truth.shape, np.float32)
        columns = [self._declarations.domains.task_names.index(task) for task in TASKS]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
                stop = min(start + _REQUESTS_AT_ONCE, len(traffic.requests))
                batch = self._batch(traffic, *sides, start, stop)
                span = slice(traffic.first[start], traffic.first[stop])
                chances[span] = self._model(batch).float().exp().numpy()[:, columns]
        return chances

    def _batch(self, traffic: Traffic, query: _Side, item: _Side, start: int, stop: int) -> Batch:
        """The pairs of consecutive requests."""
        span = slice(traffic.first[start], traffic.first[stop])
        request, ad = traffic.pairs.request[span], traffic.pairs.ad[span]
        queries, query_place = query.input(np.arange(start, stop))
        items, item_place = item.input(np.arange(len(item.domain)))
        tasks = len(self._declarations.domains.tasks)
        return Batch(
            query=queries,
            item=items,
            pair_query=torch.from_numpy(query_place[request - start]),
            pair_item=torch.from_numpy(item_place[ad]),
            pair_domain=torch.from_numpy(query.domain[request] * item.domains + item.domain[ad]),
            teacher=torch.full((len(ad), tasks), torch.nan),
            candidate=torch.arange(len(ad)),
        )


class BundleRanker:
    """An exported model in the place of the lightweight ranker, as it is served."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the bundle's declarations."""
        query, item = _sides(traffic, self._scorer.info.declarations)
        queries = self._scorer.embed_rows("query", query.domain, query.rows)
        items = self._scorer.embed_rows("item", item.domain, item.rows)
        log_p = self._scorer.score(queries, items, traffic.pairs.request, traffic.pairs.ad)
        return np.asarray(np.exp(log_p[:, [self._scorer.tasks.index(task) for task in TASKS]]))
