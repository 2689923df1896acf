"""What the heavyweight teacher reads: ids, attributes, and rates from earlier days, cross features included.

A heavyweight ranker sees user and video together, as a two-tower model cannot: how this user took to this
author or tag, how this video does on this surface. Outcomes enter only through `EarlierDays`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.sources.kuairand.mapping import SURFACES, TASKS, Exposures, Ints
from mtmd.sources.kuairand.source import Source, video_attributes
from mtmd.sources.kuairand.tables import EarlierDays, smoothed_rate

Floats = NDArray[np.float64]

_USER_KEYS = ("user_id", "follow_user_num", "fans_user_num", "friend_user_num", "register_days")
_VIDEO_CODES = (
    "author_id", "music_id", "tag", "tag_2", "upload_type", "video_type", "music_type", "duration_band",
)  # fmt: skip
_CROSSES = (
    ("user", "surface"), ("user", "tag"), ("user", "band"), ("user", "author"), ("video", "surface"),
    ("tag", "surface"), ("band", "surface"), ("hour", "surface"), ("activity", "surface"), ("activity", "video"),
)  # fmt: skip
_STRENGTH = 20.0  # rows of prior knowledge in a rate: about one day of a typical video
_FALLBACK = np.array([0.4, 0.45, 0.04])  # click, good | click, profile | click before anything was logged


@dataclass(frozen=True)
class TeacherInputs:
    """Rows of the teacher, in the exposures' order.

    codes   (N, F) int32, 0 = missing, below sizes[f]   ids   fields that name a user, video, author, music
    static  (N, M) float32, no gaps                     past  (N, H) float32, 0 = nothing known
    """

    codes: NDArray[np.int32]
    sizes: tuple[int, ...]
    ids: tuple[int, ...]
    static: NDArray[np.float32]
    past: NDArray[np.float32]


def teacher_inputs(source: Source, exposures: Exposures) -> TeacherInputs:
    """Codes and numbers of every exposure; nothing of its own day's outcomes, nothing later."""
    codes = _codes(source, exposures)
    static = _static_numbers(source, exposures)
    past = _histories(source, exposures)
    names = tuple(codes)
    return TeacherInputs(
        codes=np.stack(list(codes.values()), axis=1, dtype=np.int32, casting="same_kind"),
        sizes=tuple(int(values.max()) + 1 for values in codes.values()),
        ids=tuple(names.index(name) for name in ("user_id", "video_id", "author_id", "music_id")),
        static=np.stack(list(static.values()), axis=1, dtype=np.float32, casting="same_kind"),
        past=np.stack(list(past.values()), axis=1, dtype=np.float32, casting="same_kind"),
    )


def _code(values: pa.Array | pa.ChunkedArray) -> Ints:
    """1 + position among the distinct values, 0 for null."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    indices = flat.dictionary_encode().indices
    return np.asarray(pc.fill_null(pc.add(indices, 1), 0).to_numpy(zero_copy_only=False).astype(np.int64))


def _codes(source: Source, exposures: Exposures) -> dict[str, Ints]:
    users = source.users
    attributes = video_attributes(source.videos)
    of_video = {name: _code(attributes[name]) for name in _VIDEO_CODES}
    of_user = {name: _code(users[name]) for name in users.column_names if name not in _USER_KEYS}
    codes = {"user_id": exposures.user + 1, "video_id": exposures.video + 1}
    codes |= {name: values[exposures.video] for name, values in of_video.items()}
    codes |= {name: values[exposures.user] for name, values in of_user.items()}
    return codes | {
        "surface": exposures.surface + 1,
        "hour": exposures.hour + 1,
        "domain": exposures.product * len(SURFACES) + exposures.surface + 1,
    }


def _static_numbers(source: Source, exposures: Exposures) -> dict[str, Floats]:
    def of(table: pa.Table, name: str, rows: Ints) -> Floats:
        values = pc.fill_null(pc.cast(table[name], pa.float64()), 0.0).to_numpy()
        return np.asarray(np.log1p(np.maximum(values, 0.0))[rows])

    uploaded = source.videos["upload_dt"].cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
    numbers = {name: of(source.users, name, exposures.user) for name in _USER_KEYS[1:]}
    numbers |= {
        name: of(source.videos, name, exposures.video)
        for name in ("video_duration", "server_width", "server_height")
    }
    return numbers | {
        "age": np.log1p(np.maximum(exposures.day - uploaded[exposures.video], 0).astype(np.float64))
    }


def _histories(source: Source, exposures: Exposures) -> dict[str, Floats]:
    """Per key: log count and three smoothed rates as log-odds less those of everybody, all from earlier days.

    Less everybody's, because the level drifts, and because 0 then says "nothing seen" in every column.
    """
    values = np.concatenate([np.ones((len(exposures), 1)), exposures.labels], axis=1)  # (N, 4)
    everybody = np.zeros(len(exposures), np.int64)
    overall = _rates(EarlierDays(everybody, exposures.day, values).sums(everybody, exposures.day), _FALLBACK)
    numbers: dict[str, Floats] = {}
    for name, key in _history_keys(source, exposures):
        past = EarlierDays(key, exposures.day, values).sums(key, exposures.day)
        gain = _log_odds(_rates(past, overall)) - _log_odds(overall)
        numbers[f"{name}_n"] = past[:, 0] / (past[:, 0] + _STRENGTH)  # bounded: counts only grow with days
        numbers |= {f"{name}_{task}": gain[:, i] for i, task in enumerate(TASKS)}
    return numbers


def _rates(past: Floats, prior: Floats) -> Floats:
    """(N, 3): click, good | click and profile | click from (N, 4) sums."""
    return smoothed_rate(past[:, 1:], past[:, [0, 1, 1]], prior, _STRENGTH)


def _log_odds(rate: Floats) -> Floats:
    return np.asarray(np.log(rate / (1 - rate)))


def _history_keys(source: Source, exposures: Exposures) -> Iterable[tuple[str, Ints]]:
    """Single keys, then the pairs that only a heavyweight ranker can read."""
    attributes = video_attributes(source.videos)
    keys = {
        "user": exposures.user,
        "video": exposures.video,
        "author": _code(attributes["author_id"])[exposures.video],
        "tag": _code(attributes["tag"])[exposures.video],
        "band": _code(attributes["duration_band"])[exposures.video],
        "activity": _code(source.users["user_active_degree"])[exposures.user],
        "hour": exposures.hour,
        "surface": exposures.surface,
    }
    for name in ("user", "video", "author", "tag"):
        yield name, keys[name]
    for left, right in _CROSSES:
        yield f"{left}_{right}", keys[left] * (int(keys[right].max()) + 1) + keys[right]
