"""The simulated platform's log tables: what a chunk looks like to a logger, missing values included."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa

from mtmd.world.config import WorldConfig
from mtmd.world.day import Bools, Chunk, Counters
from mtmd.world.population import (
    COUNTRIES,
    DEVICES,
    FORMATS,
    GOALS,
    SHOPPING,
    STANDARD,
    STYLES,
    VECTOR_WIDTH,
    Ads,
    Floats,
    Integers,
    Stream,
    population,
    stream,
)
from mtmd.world.truth import HOME, RELATED, SEARCH

SURFACES = ("home_feed", "search", "related_pin")
PRODUCTS = ("standard", "shopping")


def requests_table(config: WorldConfig, day: date, chunk: Chunk) -> pa.Table:
    """The `requests` of a chunk; scales of the shared covariates differ by surface."""
    people, requests = population(config), chunk.requests
    random = stream(config, Stream.REQUESTS_TABLE, config.day_index(day), int(requests.request_id[0]))
    count, surface, user = len(requests.user), requests.surface, requests.user
    start = np.datetime64(datetime.combine(day, datetime.min.time()), "us")
    home, search, related = surface == HOME, surface == SEARCH, surface == RELATED
    activity = people.activity[user] * np.array([1.0, 6.0, 0.2])[surface] * random.lognormal(0.0, 0.2, count)
    ctr = (0.02 + 0.05 / (1.0 + np.exp(-people.novelty[user]))) * np.array([1.0, 0.3, 2.5])[surface]
    lost = np.array([0.02, 0.12, 0.05])[surface]
    columns = {
        "request_id": pa.array(requests.request_id),
        "ts": pa.array(start + requests.second.astype("timedelta64[s]"), pa.timestamp("us")),
        "surface": _names(SURFACES, surface),
        "user_id": pa.array(user.astype(np.int64) + 1),
        "country": _names(COUNTRIES, people.country[user]),
        "device": _names(DEVICES, people.device[user], random.random(count) < 0.01),
        "hour": pa.array((requests.second // 3600).astype(np.int32)),
        "user_activity": _numbers(activity, random.random(count) < lost),
        "user_ctr_30d": _numbers(
            ctr + 0.004 * random.standard_normal(count), random.random(count) < 2 * lost
        ),
        "user_vector": _vectors(
            people.user[user] @ people.views["user"], random, random.random(count) < lost
        ),
        "history_vector": _vectors(
            requests.history @ people.views["history"], random, ~home | (random.random(count) < 0.08)
        ),
        "history_length": _numbers(requests.history_length.astype(np.float64), ~home),
        "history_topic": _integers(requests.history_topic, ~home | (random.random(count) < 0.08)),
        "query_term": pa.array(
            [f"term {term}" for term in requests.term], mask=~search | (random.random(count) < 0.02)
        ),
        "query_vector": _vectors(people.term[requests.term] @ people.views["query"], random, ~search),
        "query_length": _numbers(1.0 + (requests.term % 5).astype(np.float64), ~search),
        "subject_pin_id": pa.array(requests.pin.astype(np.int64) + 1, mask=~related),
        "subject_topic": _integers(people.pin_topic[requests.pin], ~related | (random.random(count) < 0.1)),
        "subject_vector": _vectors(people.pin[requests.pin] @ people.views["subject"], random, ~related),
        "subject_saves": _numbers(people.pin_saves[requests.pin], ~related),
    }
    return pa.table(columns)


def ads_table(config: WorldConfig, day: date, ads: Ads, seen: Counters) -> pa.Table:
    """The day's snapshot of every ad alive; scales of the shared covariates differ by product."""
    people = population(config)
    index = config.day_index(day)
    random = stream(config, Stream.ADS_TABLE, index)
    count, shopping = len(ads.ad_id), ads.product == SHOPPING
    standard, new = ads.product == STANDARD, seen.impressions == 0
    view = ads.latent @ people.views["ad"]
    columns = {
        "ad_id": pa.array(ads.ad_id),
        "product": _names(PRODUCTS, ads.product),
        "goal": _names(GOALS, ads.goal),
        "bid": _numbers(ads.bid * np.where(shopping, 0.4, 1.0), np.zeros(count, dtype=np.bool_)),
        "advertiser_id": pa.array(ads.advertiser),
        "topic": _integers(ads.topic, random.random(count) < 0.03),
        "format": _names(FORMATS, ads.format),
        "ad_vector": _vectors(
            view, stream(config, Stream.AD_VECTORS), random.random(count) < 0.02, ads.ad_id
        ),
        "ad_age_days": _numbers((index - ads.born).astype(np.float64), np.zeros(count, dtype=np.bool_)),
        "ad_impressions_7d": _numbers(
            seen.impressions * np.where(shopping, 12.0, 1.0), random.random(count) < 0.02
        ),
        "ad_ctr_7d": _numbers(seen.ctr * np.where(shopping, 100.0, 1.0), new),
        "landing_quality": _numbers(ads.landing, ~standard | (random.random(count) < 0.15)),
        "creative_style": _names(STYLES, ads.style, ~standard),
        "price": _numbers(np.exp(ads.log_price), ~shopping | (random.random(count) < 0.04)),
        "discount": _numbers(ads.discount, ~shopping),
        "category": _integers(ads.topic * 6 + ads.style % 6, ~shopping),
        "merchant_rating": _numbers(ads.rating, ~shopping | (random.random(count) < 0.2)),
    }
    return pa.table(columns)


def candidates_table(chunk: Chunk, ads: Ads) -> pa.Table:
    """The scored pairs of a chunk and what then happened where they were shown."""
    not_shown = ~chunk.impressed
    standard = ads.product[chunk.ad] == STANDARD
    scores = chunk.scores.astype(np.float32)

    def outcome(values: Bools, mask: Bools) -> pa.Array:
        return pa.array(values, mask=mask)

    return pa.table(
        {
            "request_id": pa.array(chunk.requests.request_id[chunk.row]),
            "ad_id": pa.array(ads.ad_id[chunk.ad]),
            "ctr": pa.array(scores[:, 0]),
            "gctr": pa.array(np.minimum(scores[:, 1], scores[:, 0])),
            "octr": pa.array(np.minimum(scores[:, 2], scores[:, 0]), mask=~standard),
            "impressed": pa.array(chunk.impressed),
            "position": pa.array(chunk.position.astype(np.int32), mask=not_shown),
            "clicked": outcome(chunk.clicked, not_shown),
            "good_clicked": outcome(chunk.good_clicked, not_shown),
            "outbound_clicked": outcome(chunk.outbound_clicked, not_shown | ~standard),
            "hidden": outcome(chunk.hidden, not_shown),
            "repinned": outcome(chunk.repinned, not_shown),
        }
    )


def _names(names: tuple[str, ...], index: Integers, missing: Bools | None = None) -> pa.Array:
    return pa.array(np.asarray(names, dtype=object)[index], pa.string(), mask=missing)


def _numbers(values: Floats, missing: Bools) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=missing)


def _integers(values: Integers, missing: Bools) -> pa.Array:
    return pa.array(values.astype(np.int32), mask=missing)


def _vectors(
    view: Floats, random: np.random.Generator, missing: Bools, rows: Integers | None = None
) -> pa.Array:
    """Squashed, noisy views (N, 16). With `rows`, a row's noise is the same every time it is seen."""
    if rows is None:
        noise = random.standard_normal(view.shape)
    else:
        bank = random.standard_normal((997, VECTOR_WIDTH))
        noise = bank[rows % 997] + bank[(rows // 997) % 997]
    values = np.tanh(view / 1.5) + 0.1 * noise
    flat = pa.array(values.astype(np.float32).ravel())
    offsets = pa.array(np.arange(len(view) + 1, dtype=np.int32) * VECTOR_WIDTH)
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(missing))
