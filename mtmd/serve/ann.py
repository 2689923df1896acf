"""Approximate top-k: ads that graphs of neighbours find, ranked exactly among themselves.

Each product's ads have a graph for each of its tasks. A query asks the graphs of the tasks that its ranking reads, and
what they find is ranked by `search`; so scores are exact, and only which ads are found is approximate.

An index is built of one publication, and saved as a directory: a file a graph, which is mapped, and `index.json`.
Shapes: R queries.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, ConfigError, StorageError
from mtmd.serve.graph import Graph
from mtmd.serve.published import PublishedAds
from mtmd.serve.scorer import Embeddings, Integers
from mtmd.serve.search import Ranking, TopAds, check_queries, search
from mtmd.store.files import atomic_directory, read_json, sha256_file, write_json

INDEX_FORMAT = 1
INDEX_FILE = "index.json"
WIDTH = 8  # × k: what each graph is asked for by default (docs/serving.md)


class GraphFile(Frozen):
    """One product's graph by one task."""

    product: str
    task: str
    file: str = Field(
        pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.usearch$", description="name inside the index"
    )
    bid_scale: float = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class IndexInfo(Frozen):
    """What `index.json` says."""

    format: int
    ads: str = Field(
        description="sha256 of what the graphs were built of: the bundle, and ads, features and bids"
    )
    files: tuple[GraphFile, ...]


class AdIndex:
    """The graphs of some published ads; threads may share it, and take turns with the graphs."""

    def __init__(self, ads: PublishedAds, graphs: Sequence[Graph]) -> None:
        """`build` and `open` make one."""
        self._ads, self._graphs = ads, tuple(graphs)
        self._tasks = {block.product: tuple(block.tasks) for block in ads.blocks}
        self._lock = Lock()  # usearch does not promise that searches may run side by side

    @classmethod
    def build(cls, ads: PublishedAds, *, threads: int = 1) -> Self:
        """Index all ads, which takes minutes for a million. One thread makes the same index of the same ads.

        Raises ConfigError where usearch is not installed, or for threads < 1.
        """
        if threads < 1:
            raise ConfigError(f"threads ({threads}) must be at least 1")
        tasks = {block.product: tuple(block.tasks) for block in ads.blocks}
        return cls(ads, [Graph.build(ads, one, task, threads) for one, own in tasks.items() for task in own])

    @classmethod
    def open(cls, directory: Path, ads: PublishedAds) -> Self:
        """Map an index of these ads.

        Raises BundleError when it is of other ads, malformed, or a file is missing or altered; ConfigError where
        usearch is not installed.
        """
        info = _read(directory)
        if info.ads != (own := identity(ads)):
            raise BundleError(
                f"the index in {directory} is of ads {info.ads}, the published ads are {own}; an index works with the "
                "publication that it was built of: build it again"
            )
        return cls(ads, [_map(directory / one.file, one) for one in info.files])

    def save(self, directory: Path) -> None:
        """Write a new directory, all of it or nothing; raises StorageError when it is there already."""
        if directory.exists():
            raise StorageError(f"{directory} exists; save under a new name, or remove it first")
        with atomic_directory(directory) as place:
            files = []
            for graph in self._graphs:
                name = f"{graph.product}.{graph.task}.usearch"
                graph.save(place / name)
                sha256 = sha256_file(place / name)
                files.append(
                    GraphFile(
                        product=graph.product,
                        task=graph.task,
                        file=name,
                        bid_scale=graph.bid_scale,
                        sha256=sha256,
                    )
                )
            info = IndexInfo(format=INDEX_FORMAT, ads=identity(self._ads), files=tuple(files))
            write_json(place / INDEX_FILE, info.model_dump(mode="json"))

    def find(self, queries: Embeddings, ranking: Ranking, k: int, *, width: int | None = None) -> TopAds:
        """About the k best ads of each query, as `search` gives them and with the scores that it gives.

        width  ads that each graph is asked for, k or more: more finds more and takes longer; 8 k by default
        Scores must rise with each task's logit: of others little is found. A query that finds fewer than k ads is
        searched exactly. Raises as `search` does, and ConfigError for a width below k.
        """
        width = WIDTH * k if width is None else width
        if not 1 <= k <= width:
            raise ConfigError(f"k ({k}) must be at least 1, and width ({width}) at least k")
        check_queries(queries, self._ads, ranking)
        ranks = [product for product, tasks in self._tasks.items() if ranking.takes(tasks)]
        count = min(k, sum(len(block) for block in self._ads.blocks if block.product in ranks))
        found: list[list[Integers]] = [[] for _ in range(len(queries))]
        for graph in self._graphs:
            if graph.product in ranks and graph.task in ranking.tasks:
                with self._lock:
                    near = graph.nearest(queries.tasks[graph.task], width, bids=ranking.bids)
                for own, rows in zip(found, near, strict=True):
                    own.append(rows)
        tops = [
            self._best(queries.part(slice(row, row + 1)), own, ranking, k, count)
            for row, own in enumerate(found)
        ]
        rows = np.concatenate([np.empty((0, count), np.int64), *(top.row for top in tops)])
        scores = np.concatenate([np.empty((0, count), np.float32), *(top.score for top in tops)])
        return TopAds(rows, self._ads.ad_id[rows], scores)

    def _best(
        self, query: Embeddings, found: Sequence[Integers], ranking: Ranking, k: int, count: int
    ) -> TopAds:
        """The best of the ads found; of all ads where these are fewer than `count`."""
        rows = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
        if len(rows) < count:
            return search(query, self._ads, ranking, k)
        top = search(query, self._ads.subset(rows), ranking, k)
        return TopAds(rows[top.row], top.ad_id, top.score)


def identity(ads: PublishedAds) -> str:
    """Hex sha256 of what an index depends on: the bundle, and the ads in their order with their features and bids."""
    whole = hashlib.sha256(ads.bundle_id.encode())
    for block in ads.blocks:
        whole.update(f"{block.product} {len(block)}".encode())
        for own in (block.ad_id, block.features, block.bid):
            whole.update(np.ascontiguousarray(own).data)
    return whole.hexdigest()


def _read(directory: Path) -> IndexInfo:
    path = directory / INDEX_FILE
    try:
        info = IndexInfo.model_validate(read_json(path))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"the index in {directory} cannot be read; build it again: {error}") from error
    if info.format != INDEX_FORMAT:
        raise BundleError(
            f"{path} has format {info.format}; this version reads {INDEX_FORMAT}. Build it again"
        )
    return info


def _map(path: Path, expected: GraphFile) -> Graph:
    if not path.is_file():
        raise BundleError(f"{path} is missing; copy the whole directory, or build the index again")
    if (found := sha256_file(path)) != expected.sha256:
        raise BundleError(
            f"{path} has sha256 {found}, not {expected.sha256}; it was altered: build the index again"
        )
    return Graph.map(path, expected.product, expected.task, expected.bid_scale)
