"""A model of a line in Python: raw requests, and frames of raw rows, in; Arrow tables out (docs/library.md).

It is the service's own code that answers, on one thread. Shapes: N rows of a frame, K_t embedding width of task t.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from mtmd.errors import ConfigError, LogsError
from mtmd.features.feature import arrow_type
from mtmd.logs.encoding import encode, table_from_frame
from mtmd.registry.bundle import OUTPUT_PREFIX, TowerSide
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.answers import RankAnswer, answer_rank
from mtmd.serve.http.intake import Bodies, Settings
from mtmd.serve.http.live import Serving
from mtmd.serve.published import open_ads
from mtmd.serve.ranker import Ranker, require_numbers
from mtmd.serve.scorer import Embeddings, Scorer

_MOST = 1_000_000  # ads of an answer
_KEYS: dict[TowerSide, tuple[str, str]] = {"query": ("request_id", "surface"), "item": ("ad_id", "product")}
_SHOWN = 3  # problems of a request


class ServedModel:
    """A registered model, ready to rank and to score without torch.

    `model_id` and `as_of` say which model it is. It stays this one when another model goes live.
    A *frame* is an Arrow table, a pandas or polars frame, or a mapping of columns. It has the raw columns of the logs;
    columns that the model does not read are ignored. A feature may be null, and its column may be left out where none
    of the frame's surfaces or products has the feature.
    """

    def __init__(self, line: Path, model_id: str) -> None:
        """Of a line's directory; raises as `Registry.verify` does, and BundleError for files that can't be loaded."""
        registry = Registry(line)
        self.model_id = model_id
        self._scorer = Scorer.load(registry.verify(model_id))
        self.as_of = registry.manifest(model_id).as_of
        self._catalogue = Catalogue(line)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it scores, a parent before its children."""
        return self._scorer.tasks

    def rank(
        self, request: Mapping[str, Any], *, task: str | Mapping[str, float] | None = None, top: int = 10
    ) -> pa.Table:
        """The `top` published ads of one raw request, best first: `ad_id`, `score`, and a probability for each task.

        `request` has a `surface` and features, as the logs have them; a feature that is left out is missing. `task` is
        what ranks: a task (default: the first), or weights of tasks, for bid × Σ weight × P(task). A probability is
        null where the ad's product lacks the task.

        Raises LogsError for a request that the model does not understand, ConfigError for an unknown task or fewer than
        one ad, BundleError where no ads are published for the model.
        """
        for name in task if isinstance(task, Mapping) else (task or self.tasks[0],):
            if name not in self.tasks:
                raise ConfigError(f"task {name!r} must be one of {list(self.tasks)}")
        if not isinstance(top, int | np.integer) or not 1 <= top <= _MOST:
            raise ConfigError(f"top ({top!r}) must be a whole number between 1 and {_MOST}")
        try:
            fields = dict(request)
        except (TypeError, ValueError) as error:
            raise LogsError(f"the request, {request!r:.80}, must be a mapping of names to values") from error
        body = {"requests": [fields], "top_k": top} | ({} if task is None else {"rank_by": task})
        try:
            answer = answer_rank(self._serving, to_json(body, inf_nan_mode="null", fallback=_plain))
        except ValidationError as error:
            raise LogsError(f"the request can't be ranked: {_problems(error)}; correct it") from error
        except PydanticSerializationError as error:  # text of half a character, pandas' missing time
            raise LogsError(f"the request can't be written as JSON ({error}); correct it") from error
        ads = RankAnswer.model_validate_json(answer).requests[0].ads
        columns = {
            "ad_id": pa.array([ad.ad_id for ad in ads], arrow_type(self._scorer.info.declarations.ids.ad)),
            "score": pa.array([ad.score for ad in ads], pa.float64()),
        }
        for name in self.tasks:
            columns[name] = pa.array([ad.probability[name] for ad in ads], pa.float64())
        return pa.table(columns)

    def score(self, frame: Any) -> pa.Table:
        """P(task) of each row of a frame, in its order, a column for each task; null where the product lacks the task.

        A row is a raw request together with a raw ad: `surface` and `product`, the features of both. `request_id` and
        `ad_id` come back where the frame has them. Raises LogsError naming the column that is missing, or has values
        that are not as declared.
        """
        table = _arrow(frame)
        queries, items = self._embedded("query", table), self._embedded("item", table)
        rows = np.arange(table.num_rows)
        probability = np.exp(self._scorer.score(queries, items, rows, rows))
        columns = {
            name: pa.array(of_task, from_pandas=True)
            for name, of_task in zip(self.tasks, probability.T, strict=True)
        }
        return pa.table(_ids(table, "query") | _ids(table, "item") | columns)

    def embed_ads(self, frame: Any) -> pa.Table:
        """The embedding of each raw ad of a frame: a column `embedding.<task>` (N, K_t) for each task.

        A row needs its `product` and the features; `ad_id` comes back where the frame has it. An embedding is null
        where the product lacks the task. The dot product of a request's and an ad's embedding is the logit of
        P(task | its parent). Embeddings of one model are comparable with each other and with nothing else. Raises
        LogsError as `score` does.
        """
        return self._embeddings("item", _arrow(frame))

    def embed_requests(self, frame: Any) -> pa.Table:
        """The same of each raw request, which needs its `surface` and the features; `request_id` comes back."""
        return self._embeddings("query", _arrow(frame))

    @cached_property
    def _serving(self) -> Serving:
        """With its published ads, which other methods do not need."""
        info, current = self._scorer.info, self._catalogue.current(self.model_id)
        ads = open_ads(self._catalogue.path(self.model_id, current.name), info)
        bodies = Bodies(info.declarations, Settings(top_k=_MOST))
        return Serving(Ranker(self.model_id, self._scorer, ads), bodies, current.name, current.day)

    def _embedded(self, side: TowerSide, table: pa.Table) -> Embeddings:
        declarations = self._scorer.info.declarations
        schema = declarations.query if side == "query" else declarations.item
        domain = _domains(table, _KEYS[side][1], schema.domains)
        present = [schema.domains[index] for index in np.unique(domain)]
        encoded = encode(table_from_frame(table, schema, present), schema, declarations.hash_seed)
        return require_numbers(self._scorer.embed_rows(side, domain, encoded), "row")

    def _embeddings(self, side: TowerSide, table: pa.Table) -> pa.Table:
        made, columns = self._embedded(side, table), _ids(table, side)
        domains = self._scorer.info.declarations.domains
        for task in domains.tasks:
            has = np.array([domains.has_task(product, task) for product in domains.products])
            lacks = ~has[made.domain] if side == "item" else np.zeros(len(made), np.bool_)
            matrix = made.tasks[task.name]
            columns[OUTPUT_PREFIX + task.name] = pa.FixedSizeListArray.from_arrays(
                pa.array(matrix.reshape(-1)), matrix.shape[1], mask=pa.array(lacks)
            )
        return pa.table(columns)


def _arrow(frame: Any) -> pa.Table:
    """Raises LogsError for what is no frame, and for columns of mixed values."""
    try:
        table = frame if isinstance(frame, pa.Table) else pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise LogsError(
            f"the frame, a {type(frame).__name__}, can't be read as an Arrow table ({error}); give a table of Arrow, "
            "pandas or polars whose columns have one type each"
        ) from error
    names = table.column_names
    if twice := {name for name in names if names.count(name) > 1}:
        raise LogsError(f"the frame has columns {sorted(twice)} more than once; drop all but one of each")
    return table


def _domains(table: pa.Table, column: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """(N,) the index of each row's surface or product; raises LogsError naming a value that is none."""
    if column not in table.column_names:
        raise LogsError(f"the frame has no column {column!r}; add it: one of {list(names)} in each row")
    found = table.column(column).to_pylist()
    if unknown := {repr(one) for one in found if one not in names}:
        raise LogsError(f"{column} {min(unknown)} must be one of {list(names)}; correct the frame")
    return np.array([names.index(name) for name in found], np.int64)


def _ids(table: pa.Table, side: TowerSide) -> dict[str, Any]:
    """The column of ids, where the frame has it."""
    name = _KEYS[side][0]
    return {name: table.column(name)} if name in table.column_names else {}


def _plain(value: Any) -> Any:
    """What rows of a frame have of numpy and Arrow, for JSON; pandas' missing value as null; others as their text."""
    plain = getattr(value, "tolist", None) or getattr(value, "as_py", None)
    return plain() if plain else None if str(value) == "<NA>" else str(value)


def _problems(error: ValidationError) -> str:
    """The first problems of a request, each with its place."""
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc'] if part not in ('requests', 0))}: {one['msg']}"
        for one in error.errors(include_url=False)[:_SHOWN]
    )
