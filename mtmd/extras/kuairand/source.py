"""Reads KuaiRand-Pure (Gao et al., CIKM 2022) as published: `log_standard_*_pure`, user and video tables.

Plain or gzipped CSV; the sample and the full download have the same files. The video *statistics* file averages the
whole month, so it leaks the future: it is never read, and neither is the random-exposure log. `duration_band` and
`tag_pair` are video attributes that the published columns only imply.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mtmd.errors import LogsError

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
