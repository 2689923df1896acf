"""What the heavyweight teacher reads: ids, attributes, and rates from earlier days, cross features included.

A heavyweight ranker sees user and video together, as a two-tower model cannot: how this user took to this
author or tag, how this video does on this surface. Outcomes enter only through `EarlierDays`.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.extras.kuairand.mapping import SURFACES, TASKS, Exposures
from mtmd.extras.kuairand.source import Source, video_attributes
from mtmd.extras.kuairand.teacher.rows import Floats, Ints, TeacherInputs, TeachingRows, coded, past_numbers

_USER_KEYS = ("user_id", "follow_user_num", "fans_user_num", "friend_user_num", "register_days")
_VIDEO_CODES = (
    "author_id", "music_id", "tag", "tag_2", "upload_type", "video_type", "music_type", "duration_band",
)  # fmt: skip
_CROSSES = (
    ("user", "surface"), ("user", "tag"), ("user", "band"), ("user", "author"), ("video", "surface"),
    ("tag", "surface"), ("band", "surface"), ("hour", "surface"), ("activity", "surface"), ("activity", "video"),
)  # fmt: skip
_FALLBACK = np.array([0.4, 0.45, 0.04])  # click, good | click, profile | click before anything was logged


def teaching_rows(exposures: Exposures) -> TeachingRows:
    """Every exposure was shown, so all labels are known; a click teaches what may follow it."""
    known = np.ones_like(exposures.labels)
    return TeachingRows(exposures.day, exposures.labels, known, TASKS, parents=(None, 0, 0))


def teacher_inputs(source: Source, exposures: Exposures) -> TeacherInputs:
    """Codes and numbers of every exposure; nothing of its own day's outcomes, nothing later."""
    past = past_numbers(_history_keys(source, exposures), teaching_rows(exposures), _FALLBACK)
    ids = ("user_id", "video_id", "author_id", "music_id")
    return TeacherInputs.of(_codes(source, exposures), ids, _static_numbers(source, exposures), past)


def _codes(source: Source, exposures: Exposures) -> dict[str, Ints]:
    users = source.users
    attributes = video_attributes(source.videos)
    of_video = {name: coded(attributes[name]) for name in _VIDEO_CODES}
    of_user = {name: coded(users[name]) for name in users.column_names if name not in _USER_KEYS}
    codes = {"user_id": exposures.user + 1, "video_id": exposures.video + 1}
    codes |= {name: values[exposures.video] for name, values in of_video.items()}
    codes |= {name: values[exposures.user] for name, values in of_user.items()}
    return codes | {
        "surface": exposures.surface + 1,
        "hour": exposures.hour + 1,
        "domain": exposures.product * len(SURFACES) + exposures.surface + 1,
    }


def _static_numbers(source: Source, exposures: Exposures) -> Iterator[Floats]:
    def of(table: pa.Table, name: str, rows: Ints) -> Floats:
        values = pc.fill_null(pc.cast(table[name], pa.float64()), 0.0).to_numpy()
        return np.asarray(np.log1p(np.maximum(values, 0.0))[rows])

    uploaded = source.videos["upload_dt"].cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
    for name in _USER_KEYS[1:]:
        yield of(source.users, name, exposures.user)
    for name in ("video_duration", "server_width", "server_height"):
        yield of(source.videos, name, exposures.video)
    yield np.log1p(np.maximum(exposures.day - uploaded[exposures.video], 0).astype(np.float64))


def _history_keys(source: Source, exposures: Exposures) -> Iterator[tuple[str, Ints]]:
    """Single keys, then the pairs that only a heavyweight ranker can read."""
    attributes = video_attributes(source.videos)
    keys = {
        "user": exposures.user,
        "video": exposures.video,
        "author": coded(attributes["author_id"])[exposures.video],
        "tag": coded(attributes["tag"])[exposures.video],
        "band": coded(attributes["duration_band"])[exposures.video],
        "activity": coded(source.users["user_active_degree"])[exposures.user],
        "hour": exposures.hour,
        "surface": exposures.surface,
    }
    for name in ("user", "video", "author", "tag"):
        yield name, keys[name]
    for left, right in _CROSSES:
        yield f"{left}_{right}", keys[left] * (int(keys[right].max()) + 1) + keys[right]
