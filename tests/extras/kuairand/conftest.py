"""Made-up files in KuaiRand-Pure's official format: small, and with every trap that the real ones have."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

LOG = (
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment",
    "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time",
    "comment_stay_time", "is_profile_enter", "is_rand", "tab",
)  # fmt: skip
RANGES = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
USER = (
    "user_id", "user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author",
    *(column for name in RANGES for column in (name, f"{name}_range")),
    *(f"onehot_feat{i}" for i in range(18)),
)  # fmt: skip
VIDEO = (
    "video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration",
    "server_width", "server_height", "music_id", "music_type", "tag",
)  # fmt: skip

MIDNIGHT = 1_650_240_000_000  # 2022-04-18 00:00 UTC
HOUR = 3_600_000
DAY = 24 * HOUR

Rows = list[dict[str, object]]


def exposure(user: int, video: int, time_ms: int, tab: int = 1, **values: object) -> dict[str, object]:
    """One log row: nothing happened unless said."""
    local = np.datetime64(time_ms + 8 * HOUR, "ms").astype("datetime64[D]")
    quiet: dict[str, object] = dict.fromkeys(LOG, 0)
    row = {"user_id": user, "video_id": video, "time_ms": time_ms, "tab": tab, "duration_ms": 60_000}
    return quiet | row | {"date": str(local).replace("-", ""), "hourmin": 1200} | values


def users(count: int) -> Rows:
    """Users with gaps in onehot_feat4 and 12."""
    return [
        dict.fromkeys(USER, i % 3)
        | {"user_id": i, "user_active_degree": ("full_active", "UNKNOWN")[i % 2], "is_live_streamer": -124}
        | {f"{name}_range": "[10,100)" for name in RANGES}
        | {"onehot_feat4": "" if i == 0 else "1.0", "onehot_feat12": "" if i == 1 else "0.0"}
        for i in range(count)
    ]


def videos(count: int) -> Rows:
    """Videos of three upload types; the first has no duration, no music type and no tag."""
    return [
        {
            "video_id": 100 + i,
            "author_id": 7 + i // 2,
            "video_type": "NORMAL",
            "upload_dt": "2022-04-10",
            "upload_type": ("LongImport", "Web", "Kmovie")[i % 3],
            "visible_status": "0.0",
            "video_duration": "" if i == 0 else f"{20_000.0 + 15_000 * i}",
            "server_width": "720.0",
            "server_height": "1280.0",
            "music_id": 9_155_697_141 + i,
            "music_type": "" if i == 0 else "9.0",
            "tag": ("", "39", "7,42", "20,43,3")[i % 4],
        }
        for i in range(count)
    ]


def _write(path: Path, columns: Iterable[str], rows: Rows) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def random_rows(days: int, per_day: int, seed: int = 0, midnight: int = MIDNIGHT) -> Rows:
    """Exposures in which users differ in how often they click, so that there is something to learn."""
    random = np.random.default_rng(seed)
    rows: Rows = []
    for day in range(days):
        for _ in range(per_day):
            user, video = int(random.integers(30)), 100 + int(random.integers(12))
            clicked = int(random.random() < (0.8 if user % 2 else 0.2))
            rows.append(
                exposure(
                    user,
                    video,
                    midnight + day * DAY + int(random.integers(DAY)),
                    tab=int(random.choice([1, 0, 4, 6, 2])),
                    is_click=clicked,
                    play_time_ms=int(random.integers(60_000)),
                    is_profile_enter=int(clicked and random.random() < 0.2),
                )
            )
    return rows


@dataclass(frozen=True)
class MadeUp:
    folder: Path
    midnight: int = MIDNIGHT
    hour: int = HOUR
    day: int = DAY
    exposure = staticmethod(exposure)
    users = staticmethod(users)
    random_rows = staticmethod(random_rows)

    def write(self, rows: Rows, *, late: Rows | None = None, user_rows: Rows | None = None) -> Path:
        """The source folder: a gzipped first log, a plain second one of `late` rows, and both tables."""
        self.folder.mkdir(exist_ok=True)
        _write(self.folder / "log_standard_4_08_to_4_21_pure.csv.gz", LOG, rows)
        if late is not None:
            _write(self.folder / "log_standard_4_22_to_5_08_pure.csv", LOG, late)
        _write(self.folder / "user_features_pure.csv", USER, users(30) if user_rows is None else user_rows)
        _write(self.folder / "video_features_basic_pure.csv", VIDEO, videos(12))
        return self.folder


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path / "source")
