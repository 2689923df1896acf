"""Run a bundle's towers on the CPU, and score pairs of their embeddings (paper §2.2, §2.3).

`tree_log_probability` is the numpy twin of the torch function in `mtmd.model.ranker`.

Shapes: N rows of one side, P pairs, T tasks, K_t embedding width of task t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mtmd.config import SideSchema
from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedSide, encode, table_from_rows
from mtmd.registry import bundle
from mtmd.registry.bundle import BundleInfo, TowerSide

_PAIRS_AT_ONCE = 1 << 16  # bounds the memory of gathered embeddings: 65,536 pairs × some 400 floats
_ROWS_AT_ONCE = 4096  # bounds the activations of a tower
# The graph of one node, p = MatMulInteger(q, i), as `onnx` writes it, which a service need not have installed.
_PRODUCT = (
    b'\x08\n:>\n\x18\n\x01q\n\x01i\x12\x01p"\rMatMulInteger\x12\x01gZ\t\n\x01q\x12\x04\n\x02\x08\x02Z\t\n\x01i\x12\x04\n\x02\x08\x03'
    b"b\t\n\x01p\x12\x04\n\x02\x08\x06B\x04\n\x00\x10\x14"
)
_LEVELS = 127  # of an item's whole numbers
_AT_ONCE = 256  # items: what is computed of them on the way stays in cache
_TOGETHER = 4  # queries: onnxruntime is slower with two or three together than one after the other
_ERRORS_ONLY = 3  # onnxruntime's log level
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of N rows of one side, by one bundle; they work together with those of the same bundle alone.

    domain   (N,) int64, index of the surface or product of each row
    tasks    task → (N, K_t) float32
    """

    domain: Integers
    tasks: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.domain)


class Scorer:
    """A loaded bundle: raw or encoded rows → embeddings → log-probabilities."""

    def __init__(self, info: BundleInfo, sessions: Mapping[tuple[TowerSide, str], Any]) -> None:
        self.info = info
        self._sessions = sessions
        self._applies = info.declarations.domains.task_mask

    @classmethod
    def load(cls, directory: Path) -> "Scorer":
        """Load a bundle, each tower with one intra-op thread: it is requests and batches that run side by side.

        Raises BundleError when a file is missing, altered, or can't be loaded.
        """
        info = bundle.load_bundle(directory)
        bundle.verify_files(info, directory)
        return cls(
            info, {(tower.side, tower.domain): open_session(directory / tower.file) for tower in info.files}
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.info.declarations.domains.task_names

    def encode(self, rows: Sequence[Mapping[str, Any]], side: TowerSide) -> EncodedSide:
        """Encode raw rows, as the logs have them; raises LogsError for a value not as declared."""
        schema = self._schema(side)
        return encode(table_from_rows(rows, schema), schema, self.info.declarations.hash_seed)

    def embed(self, side: TowerSide, domain: str, rows: EncodedSide) -> Embeddings:
        """Embed N ≥ 1 encoded requests of one surface, or N encoded ads of one product, in one batch.

        The rows must be encoded by the bundle's own declarations. Raises BundleError for an unknown domain.
        """
        self.info.file_of(side, domain)
        schema = self._schema(side)
        names = [bundle.OUTPUT_PREFIX + task for task in self.tasks]
        outputs = self._sessions[side, domain].run(names, _inputs(rows, schema))
        index = np.full(len(rows), schema.domains.index(domain), np.int64)
        return Embeddings(index, dict(zip(self.tasks, outputs, strict=True)))

    def embed_rows(
        self,
        side: TowerSide,
        domain: NDArray[np.integer[Any]],
        rows: EncodedSide,
        at_once: int = _ROWS_AT_ONCE,
    ) -> Embeddings:
        """Embed N encoded rows of any domains, in their order: each runs through its domain's experts alone.

        domain  (N,) index of each row's surface or product
        """
        tasks = {task: np.empty((len(rows), self.info.widths[task]), np.float32) for task in self.tasks}
        for index in np.unique(domain).tolist():
            places = np.flatnonzero(domain == index)
            for start in range(0, len(places), at_once):
                some = places[start : start + at_once]
                made = self.embed(side, self._schema(side).domains[index], rows.take(some))
                for task, values in made.tasks.items():
                    tasks[task][some] = values
        return Embeddings(domain.astype(np.int64), tasks)

    def score(
        self, queries: Embeddings, items: Embeddings, pair_query: Integers, pair_item: Integers
    ) -> Floats:
        """Natural-log probabilities (P, T) of pairs (row of queries, row of items); NaN without the task."""
        logits = np.empty((len(pair_query), len(self.tasks)), np.float32)
        for start in range(0, len(pair_query), _PAIRS_AT_ONCE):
            q, i = pair_query[start : start + _PAIRS_AT_ONCE], pair_item[start : start + _PAIRS_AT_ONCE]
            for t, task in enumerate(self.tasks):
                logits[start : start + len(q), t] = np.einsum(
                    "pk,pk->p", queries.tasks[task][q], items.tasks[task][i]
                )
        log_p = tree_log_probability(logits, self.info.declarations.domains.parents)
        products = len(self.info.declarations.domains.products)
        domain = queries.domain[pair_query] * products + items.domain[pair_item]
        log_p[~self._applies[domain]] = np.nan
        return log_p

    def _schema(self, side: TowerSide) -> SideSchema:
        return self.info.declarations.query if side == "query" else self.info.declarations.item


def tree_log_probability(logits: NDArray[np.float32], parents: Sequence[int | None]) -> NDArray[np.float32]:
    """log P(task) = log sigmoid(logit of task) + log P(parent); a root has no parent.

    logits (…, T), where logit t belongs to P(task t | its parent); parents[t] < t. Returns (…, T) float32,
    finite for finite logits: log sigmoid(x) = −log(1 + e^−x) = min(x, 0) − log1p(e^−|x|).
    """
    logits = logits.astype(np.float32, copy=False)
    joint = np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    for task, parent in enumerate(parents):
        if parent is not None:
            joint[..., task] += joint[..., parent]
    return joint


@dataclass(frozen=True)
class WholeItems:
    """Item embeddings of one task as whole numbers from −127 to 127: those nearest to multiples of a row's scale.

    numbers  (K_t, N) int8, dimension by dimension: one query's product then reads them in a row
    scale    (N,) float32
    """

    numbers: NDArray[np.int8]
    scale: Floats

    @classmethod
    def of(cls, matrix: Floats) -> "WholeItems":
        """From (N, K_t)."""
        numbers, scale = np.empty(matrix.shape[::-1], np.int8), np.empty(len(matrix), np.float32)
        for start in range(0, len(matrix), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            scale[rows], whole = _whole(matrix[rows], _LEVELS)
            numbers[:, rows] = whole.T
        return cls(numbers, scale)

    @cached_property
    def sums(self) -> NDArray[np.int32]:
        """(N,) of each item's numbers."""
        sums: NDArray[np.int32] = self.numbers.sum(axis=0, dtype=np.int32)
        return sums


@dataclass(frozen=True)
class WholeQueries:
    """Query embeddings of one task as whole numbers from 1 to 127, of which 64 is zero.

    They have 7 bits since processors without a product of bytes add two of them in 16 bits, and cap the sum.

    numbers  (R, K_t) uint8
    scale    (R,) float32
    """

    numbers: NDArray[np.uint8]
    scale: Floats
    zero: ClassVar[int] = 64

    @classmethod
    def of(cls, matrix: Floats) -> "WholeQueries":
        """From (R, K_t)."""
        scale, numbers = _whole(matrix, cls.zero - 1)
        return cls((numbers + cls.zero).astype(np.uint8), scale)

    def products(self, items: WholeItems) -> Floats:
        """(R, N) about their dot products with the items."""
        session, rows = _product(), self.numbers
        each = 1 if len(rows) < _TOGETHER else len(rows)
        parts = [rows[start : start + each] for start in range(0, len(rows), each)]
        made = np.concatenate([session.run(None, {"q": part, "i": items.numbers})[0] for part in parts])
        products: Floats = (made - self.zero * items.sums).astype(np.float32)
        products *= items.scale
        products *= self.scale[:, None]
        return products


def _whole(matrix: Floats, most: int) -> tuple[Floats, Floats]:
    """Each row's scale (N,), and of which whole numbers up to `most` the row is nearest to the multiples (N, K_t)."""
    scale: Floats = np.abs(matrix).max(axis=1) / np.float32(most)
    numbers: Floats = np.rint(matrix / np.where(scale > 0, scale, np.float32(1))[:, None])
    return scale, np.clip(numbers, -most, most)


@cache
def _product() -> Any:
    """A session for q (R, K) uint8 times i (K, N) int8: p (R, N) int32."""
    return open_session(_PRODUCT)


def open_session(model: Path | bytes) -> Any:
    """A session of one file, on one thread; raises BundleError for a file that is no model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        given = str(model) if isinstance(model, Path) else model
        return ort.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise BundleError(f"{model!s} cannot be loaded ({error}); export or copy the bundle again") from error


def _inputs(rows: EncodedSide, schema: SideSchema) -> dict[str, NDArray[Any]]:
    matrices: dict[str, NDArray[Any]] = {
        "continuous": np.ascontiguousarray(rows.continuous),
        "categorical": np.ascontiguousarray(rows.categorical, np.int64),
        "embedding": np.ascontiguousarray(rows.embedding),
    }
    for feature, lists in zip(schema.lists, rows.lists, strict=True):
        matrices[bundle.LIST_INPUT + feature.name] = lists.padded()
    return {bundle.INPUT_PREFIX + name: matrix for name, matrix in matrices.items() if matrix.shape[1]}
