"""What the logs show of a day: noisy views of the latent truth, in the log contract's columns and types."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.logs.contract import CANDIDATE_KEYS, OUTCOMES
from mtmd.logs.encoding import arrow_schema
from mtmd.sources.simulated.ads import FORMATS, STYLES, Ads
from mtmd.sources.simulated.effects import PRODUCTS
from mtmd.sources.simulated.outcomes import TASKS, Actions, Bools, Scores
from mtmd.sources.simulated.population import (
    COUNTRIES,
    DEVICES,
    VECTOR_WIDTH,
    Floats,
    Ints,
    Population,
    View,
    generator,
    normals,
    uniforms,
)
from mtmd.sources.simulated.requests import HOME, RELATED, SEARCH, SURFACES, Pairs, Requests

# How often a value is missing: by surface for query features, by product for item features.
MISSING: Mapping[str, tuple[float, ...]] = {
    "country": (0.01, 0.03, 0.02),
    "device": (0.0, 0.02, 0.0),
    "user_activity": (0.0, 0.05, 0.02),
    "user_ctr_30d": (0.05, 0.15, 0.25),
    "user_vector": (0.02, 0.06, 0.12),
    "history_topic": (0.08, 0.0, 0.0),
    "query_vector": (0.0, 0.04, 0.0),
    "subject_vector": (0.0, 0.0, 0.05),
    "subject_saves": (0.0, 0.0, 0.12),
    "topic": (0.04, 0.01),
    "ad_vector": (0.02, 0.06),
    "landing_quality": (0.15, 0.0),
    "creative_style": (0.06, 0.0),
    "price": (0.0, 0.01),
    "category": (0.0, 0.05),
    "merchant_rating": (0.0, 0.2),
}
# Columns in the order of the files, with DuckDB's names of their types.
_REQUESTS = """
    request_id BIGINT, ts TIMESTAMP, surface VARCHAR, user_id BIGINT, country VARCHAR, device VARCHAR,
    hour INTEGER, weekday INTEGER, user_activity FLOAT, user_ctr_30d FLOAT, user_vector FLOAT[],
    history_vector FLOAT[], history_length FLOAT, history_topic INTEGER,
    query_term VARCHAR, query_vector FLOAT[], query_length FLOAT,
    subject_pin_id BIGINT, subject_topic INTEGER, subject_vector FLOAT[], subject_saves FLOAT
"""
_ADS = """
    ad_id BIGINT, product VARCHAR, goal VARCHAR, bid FLOAT, advertiser_id BIGINT, topic INTEGER, format VARCHAR,
    ad_vector FLOAT[], ad_age_days FLOAT, ad_impressions_7d FLOAT, ad_ctr_7d FLOAT,
    landing_quality FLOAT, creative_style VARCHAR,
    price FLOAT, discount FLOAT, category INTEGER, merchant_rating FLOAT
"""


def _declared(columns: str) -> pa.Schema:
    return arrow_schema(dict(column.split() for column in columns.split(",")))


SCHEMAS = {
    "requests": _declared(_REQUESTS),
    "ads": _declared(_ADS),
    "candidates": arrow_schema(CANDIDATE_KEYS | dict.fromkeys(TASKS, "FLOAT") | OUTCOMES),
}
Columns = Mapping[str, NDArray[Any]]
Nulls = Mapping[str, Bools]  # where a column has no value; a column without an entry has one in every row


class LogBook:
    """Writes down requests, ads and candidates as the logs have them."""

    def __init__(self, population: Population) -> None:
        config = population.config
        self.population = population
        self.seed = config.seed
        self.user_view = View(config, "user", (1.0, 2.5, 0.6), 0.35)
        self.history_view = View(config, "history", (1.0,), 0.3)
        self.query_view = View(config, "query", (3.0,), 0.3)
        self.pin_view = View(config, "pin", (0.3,), 0.35)
        self.ad_view = View(config, "ad", (1.0, 4.0), 0.3)

    def requests(self, requests: Requests, ordinal: int, start: int) -> pa.Table:
        """Rows of `requests`; what a surface doesn't know is null there."""
        rng = generator(self.seed, "request columns", ordinal, start)
        users, surface, count = requests.users, requests.surface, len(requests)
        day_start = np.datetime64("1970-01-01", "us") + np.timedelta64(ordinal - 719_163, "D")
        alone = np.zeros(count, np.int64)
        columns: Columns = {
            "request_id": requests.request_id,
            "ts": day_start + (requests.second * 1e6).astype("timedelta64[us]"),
            "surface": np.array(SURFACES)[surface],
            "user_id": users.user_id + 1,
            "country": np.array(COUNTRIES)[users.country],
            "device": np.array(DEVICES)[users.device],
            "hour": requests.hour,
            "weekday": np.full(count, requests.weekday),
            "user_activity": users.activity * np.array([10.0, 2.0, 4.0])[surface],
            "user_ctr_30d": self._user_ctr(requests, rng),
            "user_vector": self.user_view(users.latent, surface, self._noise("user view", users.user_id)),
            "history_vector": self.history_view(
                requests.context, alone, rng.standard_normal((count, VECTOR_WIDTH))
            ),
            "history_length": requests.history_length,
            "history_topic": requests.topic,
            "query_term": np.char.add("q", requests.term.astype(str)),
            "query_vector": self.query_view(requests.context, alone, self._noise("term view", requests.term)),
            "query_length": requests.query_words,
            "subject_pin_id": requests.pin + 1,
            "subject_topic": requests.topic,
            "subject_vector": self.pin_view(requests.context, alone, self._noise("pin view", requests.pin)),
            "subject_saves": np.floor(np.exp(4.0 + 1.5 * requests.fame)),
        }
        no_home, no_search, no_related = (surface != s for s in (HOME, SEARCH, RELATED))
        no_history = no_home | (requests.history_length < 1)
        nulls = {"history_vector": no_history, "history_length": no_home, "history_topic": no_history}
        nulls |= dict.fromkeys(("query_term", "query_vector", "query_length"), no_search)
        nulls |= {name: no_related for name in columns if name.startswith("subject_")}
        return _table("requests", columns, nulls, surface, lambda _: rng.random(count))

    def ads(self, ads: Ads) -> pa.Table:
        """The snapshot of `ads`, in order of id; whether a value is missing is a trait of the ad."""
        z = normals(self.seed, "ad view", ads.ad_id, VECTOR_WIDTH + 2)
        gaps = uniforms(self.seed, "ad gaps", ads.ad_id, len(SCHEMAS["ads"]))
        columns: Columns = {
            "ad_id": ads.ad_id,
            "product": np.array(PRODUCTS)[ads.product],
            "goal": np.array(["click", "conversion"])[ads.conversion],
            "bid": ads.bid,
            "advertiser_id": ads.advertiser + 1,
            "topic": ads.topic,
            "format": np.array(FORMATS)[ads.format],
            "ad_vector": self.ad_view(ads.latent, ads.product, z[:, :VECTOR_WIDTH]),
            "ad_age_days": ads.age,
            "ad_impressions_7d": ads.impressions_7d,
            "ad_ctr_7d": ads.clicks_7d / np.maximum(ads.impressions_7d, 1),
            "landing_quality": np.clip(5.0 + 2.0 * ads.landing + 0.7 * z[:, -1], 0.0, 10.0),
            "creative_style": np.array(STYLES)[ads.style],
            "price": np.exp(3.3 + 0.9 * ads.price),
            "discount": ads.discount,
            "category": ads.category,
            "merchant_rating": np.clip(3.9 + 0.6 * ads.rating + 0.2 * z[:, -2], 1.0, 5.0),
        }
        no_standard, no_shopping = ads.product != 0, ads.product != 1
        nulls = {"ad_ctr_7d": ads.impressions_7d == 0}
        nulls |= dict.fromkeys(("landing_quality", "creative_style"), no_standard)
        nulls |= dict.fromkeys(("price", "category", "merchant_rating"), no_shopping)
        nulls |= {"discount": no_shopping | (ads.discount == 0)}
        table = _table("ads", columns, nulls, ads.product, lambda index: gaps[:, index])
        return table.take(np.argsort(ads.ad_id, kind="stable"))

    def candidates(
        self, requests: Requests, ads: Ads, pairs: Pairs, scores: Scores, actions: Actions
    ) -> pa.Table:
        """Rows of `candidates`: the teacher's scores, and what happened where the ad was shown."""
        shopping = ads.product[pairs.ad] == 1
        columns: Columns = {
            "request_id": requests.request_id[pairs.request],
            "ad_id": ads.ad_id[pairs.ad],
            **dict(zip(TASKS, _increasing(scores.teacher).T, strict=True)),
            **{name: getattr(actions, name) for name in OUTCOMES},
        }
        nulls = dict.fromkeys(OUTCOMES.keys() - {"impressed"}, ~actions.impressed)
        nulls |= {"octr": shopping, "outbound_clicked": ~actions.impressed | shopping}
        return _table("candidates", columns, nulls, shopping.astype(np.int64), lambda _: None)

    def _noise(self, purpose: str, ids: Ints) -> Floats:
        """(N, 16) what a logged vector differs by from its entity's taste."""
        return normals(self.seed, purpose, ids, VECTOR_WIDTH)

    def _user_ctr(self, requests: Requests, rng: np.random.Generator) -> Floats:
        """A noisy click rate of the user on the surface, whose level differs by surface."""
        noise = rng.standard_normal(len(requests)) * 0.35
        level = np.array([0.02, 0.06, 0.03])[requests.surface]
        return np.asarray(level * np.exp(0.5 * requests.users.propensity + noise))


def _increasing(scores: Floats) -> NDArray[np.float32]:
    """Scores in float32, where rounding could have lifted a child above its parent."""
    rounded = scores.astype(np.float32)
    rounded[:, 1:] = np.minimum(rounded[:, 1:], rounded[:, :1])
    return rounded


def _table(
    name: str, columns: Columns, nulls: Nulls, domain: Ints, draw: Callable[[int], Floats | None]
) -> pa.Table:
    schema = SCHEMAS[name]
    arrays = []
    for index, field in enumerate(schema):
        values = columns[field.name]
        null = nulls.get(field.name, np.zeros(len(values), np.bool_))
        if (rates := MISSING.get(field.name)) is not None and (u := draw(index)) is not None:
            null = null | (u < np.array(rates)[domain])
        arrays.append(
            _vectors(values, null) if pa.types.is_list(field.type) else _column(values, null, field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(values: NDArray[Any], null: Bools, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array(values.astype(object), kind, mask=null)
    return pa.array(values.astype(kind.to_pandas_dtype()), kind, mask=null)


def _vectors(values: Floats, null: Bools) -> pa.Array:
    """(N, 16) as lists; a null row has no elements."""
    offsets = np.concatenate([[0], np.cumsum(np.where(null, 0, values.shape[1]))]).astype(np.int32)
    flat = pa.array(values[~null].astype(np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(null))
