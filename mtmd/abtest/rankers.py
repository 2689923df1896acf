"""Models as lightweight rankers of the simulated funnel: they see what the logs would show, and nothing else.

R requests, A ads, P pairs, T tasks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.abtest.traffic import Chances, Traffic
from mtmd.config import Declarations, SideSchema
from mtmd.logs.encoding import EncodedSide, encode
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import RankingModel
from mtmd.serve.scorer import Embeddings, Scorer
from mtmd.sources.simulated.teacher import TASKS

_REQUESTS_AT_ONCE = 1000  # some 450,000 pairs; the item tower runs once for each


class ModelRanker:
    """A trained model in the place of the lightweight ranker: embeddings once per request and ad, then dot products."""

    def __init__(self, model: RankingModel, declarations: Declarations) -> None:
        self._model, self._declarations = model, declarations

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the model's declarations."""
        query = _side(traffic.request_rows, self._declarations.query, self._declarations.hash_seed)
        item = _side(traffic.ad_rows, self._declarations.item, self._declarations.hash_seed)
        found = np.empty(traffic.truth.shape, np.float32)
        columns = [self._declarations.domains.task_names.index(task) for task in TASKS]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
                rows = np.arange(start, min(start + _REQUESTS_AT_ONCE, len(traffic.requests)))
                span = slice(traffic.first[rows[0]], traffic.first[rows[-1] + 1])
                batch = self._batch(traffic, query, item, rows)
                found[span] = self._model(batch).float().exp().numpy()[:, columns]
        return found

    def _batch(self, traffic: Traffic, query: "_Side", item: "_Side", rows: NDArray[Any]) -> Batch:
        """The pairs of consecutive requests, whose sides are sorted by domain as the towers want them."""
        span = slice(traffic.first[rows[0]], traffic.first[rows[-1] + 1])
        queries, query_place = query.sorted(rows)
        items, item_place = item.sorted(np.arange(len(traffic.ads.ad_id)))
        pair_query, pair_item = traffic.pairs.request[span] - rows[0], traffic.pairs.ad[span]
        products, tasks = len(self._declarations.domains.products), len(self._declarations.domains.tasks)
        domain = query.domain[pair_query + rows[0]] * products + item.domain[pair_item]
        return Batch(
            query=queries,
            item=items,
            pair_query=torch.from_numpy(query_place[pair_query]),
            pair_item=torch.from_numpy(item_place[pair_item]),
            pair_domain=torch.from_numpy(domain),
            teacher=torch.full((len(pair_query), tasks), torch.nan),
            candidate=torch.arange(len(pair_query)),
        )


class BundleRanker:
    """An exported model in the place of the lightweight ranker, as it is served."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the bundle's declarations."""
        own = self._scorer.info.declarations
        query = _side(traffic.request_rows, own.query, own.hash_seed)
        item = _side(traffic.ad_rows, own.item, own.hash_seed)
        queries = Embeddings.concatenate(
            [
                self._scorer.embed("query", name, rows)
                for name, rows in zip(own.query.domains, query.parts(), strict=True)
            ]
        )
        items = Embeddings.concatenate(
            [
                self._scorer.embed("item", name, rows)
                for name, rows in zip(own.item.domains, item.parts(), strict=True)
            ]
        )
        pair_query, pair_item = query.place()[traffic.pairs.request], item.place()[traffic.pairs.ad]
        log_p = self._scorer.score(queries, items, pair_query, pair_item)
        return np.asarray(np.exp(log_p[:, [self._scorer.tasks.index(task) for task in TASKS]]))


@dataclass(frozen=True)
class _Side:
    """Encoded rows of one side, and the domain of each."""

    rows: EncodedSide
    domain: NDArray[Any]
    domains: int

    def parts(self) -> list[EncodedSide]:
        """The rows of each domain."""
        rows = self.rows
        each = [np.flatnonzero(self.domain == place) for place in range(self.domains)]
        return [EncodedSide(rows.continuous[i], rows.categorical[i], rows.embedding[i]) for i in each]

    def place(self) -> NDArray[np.int64]:
        """Where each row is when the domains' parts follow each other."""
        place = np.empty(len(self.domain), np.int64)
        place[np.argsort(self.domain, kind="stable")] = np.arange(len(self.domain))
        return place

    def sorted(self, chosen: NDArray[Any]) -> tuple[SideInput, NDArray[Any]]:
        """Some rows in order of their domain, and where in it each of them went."""
        domain = self.domain[chosen]
        order = np.argsort(domain, kind="stable")
        rows, place = chosen[order], np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        side = SideInput(
            continuous=_tensor(self.rows.continuous[rows]),
            categorical=_tensor(self.rows.categorical[rows]).long(),
            embedding=_tensor(self.rows.embedding[rows]),
            counts=tuple(np.bincount(domain, minlength=self.domains).tolist()),
        )
        return side, place


def _side(table: pa.Table, schema: SideSchema, hash_seed: int) -> _Side:
    names = table.column("surface" if schema.side == "query" else "product").to_numpy(zero_copy_only=False)
    domain = np.array([schema.domains.index(name) for name in names], np.int64)
    return _Side(encode(table, schema, hash_seed), domain, len(schema.domains))


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
