"""How KuaiRand's columns map on the log contract.

One clock: `time_ms`, in UTC. The published `date` and `hourmin` are China local time, a few minutes late on
some rows, and not used. The feature `hour` is the local hour (UTC+8), because people's days are local.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.errors import LogsError
from mtmd.extras.kuairand.rows import Bools, Ints
from mtmd.extras.kuairand.source import Source

SURFACES = ("tab_1", "tab_0", "tab_4", "tab_6", "tab_2")
PRODUCTS = ("long_import", "web", "other")
TASKS = ("ctr", "gctr", "octr")
GOOD_CLICK_MS = 30_000

_TABS = (1, 0, 4, 6, 2)
_UPLOAD_TYPES = ("LongImport", "Web")
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_CHINA_HOURS = 8
_USER_BITS = 20  # KuaiRand-Pure has 27,285 users
_TAB_BITS = 4


@dataclass(frozen=True)
class Exposures:
    """Exposures on the surfaces that are kept, in the source's order; all arrays are (N,).

    user, video         rows of the user and video tables
    surface, product    indices into SURFACES and PRODUCTS
    day                 whole UTC days since 1970-01-01          hour  0..23, China local time
    request_id          hour of the epoch, user and tab in one number
    time_ms             milliseconds since 1970-01-01, UTC
    labels (N, 3)       clicked, good_clicked, outbound_clicked; the last two only where clicked
    hidden, liked       is_hate, is_like
    """

    user: Ints
    video: Ints
    surface: Ints
    product: Ints
    day: Ints
    hour: Ints
    request_id: Ints
    time_ms: Ints
    labels: Bools
    hidden: Bools
    liked: Bools

    def __len__(self) -> int:
        return len(self.user)


def map_exposures(source: Source) -> Exposures:
    """Keep the five surfaces, label the rows, and name their requests.

    A video shown twice to one user on one surface in one hour is one candidate: its first exposure stays.
    Raises LogsError naming a user or video that its table lacks, and where no exposure is on these surfaces.
    """
    column = {name: source.exposures[name].to_numpy() for name in source.exposures.column_names}
    kept = np.isin(column["tab"], _TABS)
    if not kept.any():
        raise LogsError(
            f"none of the {len(kept)} exposures is on a tab that is read; at least one must be on {sorted(_TABS)}: "
            "use the standard logs of KuaiRand-Pure"
        )
    column = {name: values[kept] for name, values in column.items()}
    request_id = _request_ids(column["user_id"], column["tab"], column["time_ms"])
    _, first = np.unique(np.stack([request_id, column["video_id"]]), axis=1, return_index=True)
    first.sort()
    column = {name: values[first] for name, values in column.items()}

    video = _rows("video_id", column["video_id"], source.videos)
    clicked = column["is_click"] == 1
    good = clicked & (column["play_time_ms"] > GOOD_CLICK_MS)
    return Exposures(
        user=_rows("user_id", column["user_id"], source.users),
        video=video,
        surface=(column["tab"][:, None] == np.array(_TABS)).argmax(axis=1),
        product=products(source.videos)[video],
        day=column["time_ms"] // _DAY_MS,
        hour=(column["time_ms"] // _HOUR_MS + _CHINA_HOURS) % 24,
        request_id=request_id[first],
        time_ms=column["time_ms"],
        labels=np.stack([clicked, good, clicked & (column["is_profile_enter"] == 1)], axis=1),
        hidden=column["is_hate"] == 1,
        liked=column["is_like"] == 1,
    )


def products(videos: pa.Table) -> Ints:
    """(videos,) index into PRODUCTS: LongImport, Web, or all other upload types."""
    position = pc.index_in(videos["upload_type"], pa.array(_UPLOAD_TYPES))
    return np.asarray(pc.fill_null(position, len(_UPLOAD_TYPES)).to_numpy().astype(np.int64))


def _request_ids(user_id: Ints, tab: Ints, time_ms: Ints) -> Ints:
    """A user's exposures on one tab in one hour; a packed number cannot collide as a hash can."""
    return np.asarray((((time_ms // _HOUR_MS) << _USER_BITS | user_id) << _TAB_BITS) | tab)


def _rows(key: str, values: Ints, table: pa.Table) -> Ints:
    """Row of `table` for each key."""
    position = pc.index_in(pa.array(values), table[key].combine_chunks())
    if position.null_count:
        unknown = values[np.flatnonzero(position.is_null().to_numpy(zero_copy_only=False))[0]]
        raise LogsError(
            f"{position.null_count} exposures have a {key} (first: {unknown}) that its table lacks;"
            " use logs and tables of the same KuaiRand-Pure download"
        )
    return np.asarray(position.to_numpy().astype(np.int64))
