"""Reads KuaiRand-Pure (Gao et al., CIKM 2022) as published: `log_standard_*_pure`, user and video tables.

Plain or gzipped CSV; the sample and the full download have the same files. The video *statistics* file averages the
whole month, so it leaks the future: it is never read, and neither is the random-exposure log. `duration_band` and
`tag_pair` are video attributes that the published columns only imply.

How rows map on the log contract, too. One clock: `time_ms`, in UTC. The published `date` and `hourmin` are China local
time, a few minutes late on some rows, and not used. The feature `hour` is the local hour (UTC+8), because people's days
are local.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mtmd.errors import LogsError
from mtmd.extras.kuairand.rows import Bools, Ints

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

_LOGS = "log_standard_*_pure.csv"
_USERS = "user_features_pure.csv"
_VIDEOS = "video_features_basic_pure.csv"

_LOG_COLUMNS = (
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment",
    "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time",
    "comment_stay_time", "is_profile_enter", "is_rand", "tab",
)  # fmt: skip
_USER_NUMBERS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
_USER_FLAGS = ("is_lowactive_period", "is_live_streamer", "is_video_author")
_ONE_HOTS = tuple(f"onehot_feat{i}" for i in range(18))
_LOG_TYPES = dict.fromkeys(_LOG_COLUMNS, pa.int64())
_USER_TYPES = (
    {"user_id": pa.int64(), "user_active_degree": pa.string()}
    | dict.fromkeys(_USER_FLAGS, pa.int64())
    | dict.fromkeys(_USER_NUMBERS, pa.float64())
    | {f"{name}_range": pa.string() for name in _USER_NUMBERS}
    | dict.fromkeys(_ONE_HOTS, pa.float64())  # written as 1.0 where the column has gaps
)
_VIDEO_TYPES = {
    "video_id": pa.int64(),
    "author_id": pa.int64(),
    "video_type": pa.string(),
    "upload_dt": pa.date32(),
    "upload_type": pa.string(),
    "video_duration": pa.float64(),
    "server_width": pa.float64(),
    "server_height": pa.float64(),
    "music_id": pa.int64(),
    "music_type": pa.float64(),
    "tag": pa.string(),
}


@dataclass(frozen=True)
class Source:
    """The published tables, untouched but for rows that are equal in every column, of which one stays.

    exposures  one row per exposure, ordered by (time_ms, user_id, video_id, tab, play_time_ms)
    users      one row per user_id; videos likewise per video_id
    """

    exposures: pa.Table
    users: pa.Table
    videos: pa.Table


def kuairand_files(folder: Path) -> list[Path]:
    """The files that an import reads: the logs in name order, the users and the videos.

    Raises LogsError naming the folder and the file that is not there.
    """
    files: list[Path] = []
    for pattern in (_LOGS, _USERS, _VIDEOS):
        # A plain file comes after its gzipped twin here, and stays where both are there.
        found = {
            path.name.removesuffix(".gz"): path for path in sorted(folder.glob(f"{pattern}*"), reverse=True)
        }
        if not found:
            raise LogsError(
                f"{folder} has no {pattern} or {pattern}.gz; point to the folder that holds KuaiRand-Pure's CSV files"
            )
        files += [found[name] for name in sorted(found)]
    return files


def read_source(folder: Path) -> Source:
    """Read every standard log in `folder`, the users and the videos.

    Raises LogsError naming the file, and the column, for whatever is missing or malformed.
    """
    *logs, user_file, video_file = kuairand_files(folder)
    read = pa.concat_tables([_read(path, _LOG_TYPES, nullable=False) for path in logs])
    distinct = read.group_by(read.column_names).aggregate([])
    order = ("time_ms", "user_id", "video_id", "tab", "play_time_ms")
    exposures = distinct.sort_by([(name, "ascending") for name in order])
    users = _read(user_file, _USER_TYPES, nullable=True)
    videos = _read(video_file, _VIDEO_TYPES, nullable=True)
    return Source(exposures, users, videos)


def video_attributes(videos: pa.Table) -> dict[str, pa.Array]:
    """The published columns of videos, with `tag` taken apart into `tag` and `tag_2`, and `duration_band`."""
    tag, tag_2 = tag_pair(videos["tag"])
    published = {name: videos[name].combine_chunks() for name in videos.column_names}
    return published | {"tag": tag, "tag_2": tag_2, "duration_band": duration_band(videos["video_duration"])}


def duration_band(duration_ms: pa.ChunkedArray) -> pa.Array:
    """⌊4 · log2(seconds)⌋ as int32, null where unknown: what counts is length against 30 s."""
    seconds = pc.divide(duration_ms, 1000.0)
    band = pc.floor(pc.multiply(pc.log2(pc.max_element_wise(seconds, 1.0, skip_nulls=False)), 4.0))
    return pc.cast(band, pa.int32()).combine_chunks()


def tag_pair(tag: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """First and second tag of "7,39", null where there is none."""
    parts = pc.extract_regex(tag.combine_chunks(), r"^(?P<first>[^,]*)(?:,(?P<second>[^,]*))?")
    second = pc.struct_field(parts, "second")
    return pc.struct_field(parts, "first"), pc.if_else(pc.equal(second, ""), None, second)


def _read(path: Path, types: dict[str, pa.DataType], *, nullable: bool) -> pa.Table:
    """The named columns of one CSV file; pyarrow unzips a .gz by its name."""
    convert = csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        strings_can_be_null=True,
        null_values=["", "NULL", "nan", "NaN"],
    )
    try:
        table = csv.read_csv(path, convert_options=convert)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise LogsError(
            f"{path} cannot be read as published ({error}); download KuaiRand-Pure again"
        ) from error
    gaps = [name for name in table.column_names if table[name].null_count]
    if gaps and not nullable:
        raise LogsError(
            f"{path}: column {gaps[0]!r} has {table[gaps[0]].null_count} empty values; it must have none"
        )
    return table


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
    # A user's exposures on one tab in one hour; a packed number cannot collide as a hash can.
    hour_of_user = (column["time_ms"] // _HOUR_MS) << _USER_BITS | column["user_id"]
    request_id = (hour_of_user << _TAB_BITS) | column["tab"]
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
