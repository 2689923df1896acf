"""Models as lightweight rankers of the simulated funnel: they see what the logs would show, and nothing else.

R requests, A ads, P pairs, T tasks.
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
from mtmd.sources.simulated.streams import Ints

_REQUESTS_AT_ONCE = 1000  # some 450,000 pairs; the item tower runs once for each


class ModelRanker:
    """A trained model in the place of the lightweight ranker: embeddings once per request and ad, then dot products."""

    def __init__(self, model: RankingModel, declarations: Declarations) -> None:
        self._model, self._declarations = model, declarations

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the model's declarations."""
        query = _side(traffic.request_rows, self._declarations.query, self._declarations.hash_seed)
        item = _side(traffic.ad_rows, self._declarations.item, self._declarations.hash_seed)
        chances = np.empty(traffic.truth.shape, np.float32)
        columns = [self._declarations.domains.task_names.index(task) for task in TASKS]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
                stop = min(start + _REQUESTS_AT_ONCE, len(traffic.requests))
                span = slice(traffic.first[start], traffic.first[stop])
                batch = self._batch(
                    query, item, np.arange(start, stop), traffic.pairs.request[span], traffic.pairs.ad[span]
                )
                chances[span] = self._model(batch).float().exp().numpy()[:, columns]
        return chances

    def _batch(
        self, query: "_Side", item: "_Side", requests: Ints, pair_request: Ints, pair_ad: Ints
    ) -> Batch:
        """The pairs of consecutive requests, whose sides are sorted by domain as the towers want them."""
        queries, query_place = _side_input(query, requests)
        items, item_place = _side_input(item, np.arange(len(item.domain)))
        products, tasks = len(self._declarations.domains.products), len(self._declarations.domains.tasks)
        return Batch(
            query=queries,
            item=items,
            pair_query=torch.from_numpy(query_place[pair_request - requests[0]]),
            pair_item=torch.from_numpy(item_place[pair_ad]),
            pair_domain=torch.from_numpy(query.domain[pair_request] * products + item.domain[pair_ad]),
            teacher=torch.full((len(pair_ad), tasks), torch.nan),
            candidate=torch.arange(len(pair_ad)),
        )


class BundleRanker:
    """An exported model in the place of the lightweight ranker, as it is served."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the bundle's declarations."""
        declarations = self._scorer.info.declarations
        query = _side(traffic.request_rows, declarations.query, declarations.hash_seed)
        item = _side(traffic.ad_rows, declarations.item, declarations.hash_seed)
        queries = self._scorer.embed_rows("query", query.domain, query.rows)
        items = self._scorer.embed_rows("item", item.domain, item.rows)
        log_p = self._scorer.score(queries, items, traffic.pairs.request, traffic.pairs.ad)
        return np.asarray(np.exp(log_p[:, [self._scorer.tasks.index(task) for task in TASKS]]))


@dataclass(frozen=True)
class _Side:
    """Encoded rows of one side, and the domain of each."""

    rows: EncodedSide
    domain: Ints
    domains: int

    def by_domain(self, chosen: Ints) -> tuple[EncodedSide, list[int], Ints]:
        """Some rows in order of their domain, how many each domain has, and where each of the chosen rows went."""
        domain = self.domain[chosen]
        order = np.argsort(domain, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return self.rows.take(chosen[order]), np.bincount(domain, minlength=self.domains).tolist(), place


def _side(table: pa.Table, schema: SideSchema, hash_seed: int) -> _Side:
    names = table.column("surface" if schema.side == "query" else "product").to_numpy(zero_copy_only=False)
    domain = np.array([schema.domains.index(name) for name in names], np.int64)
    return _Side(encode(table, schema, hash_seed), domain, len(schema.domains))


def _side_input(side: _Side, chosen: Ints) -> tuple[SideInput, Ints]:
    """Some rows for a torch model, and where in it each of them went."""
    rows, counts, place = side.by_domain(chosen)
    return SideInput.of(rows, tuple(counts)), place
