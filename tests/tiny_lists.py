"""The preset tiny with lists: histories, which the simulated platform writes for it."""

from pathlib import Path

TINY = Path(__file__).parents[1] / "mtmd" / "config" / "presets" / "tiny.toml"
WINDOW = "window_days = 8\nmin_window_days = 8"  # so long are the histories
HISTORIES = ("recent_topics", "recent_ads", "recent_ad_actions", "recent_ad_hours")
LISTS = """
[[features]]
name = "recent_topics"
side = "query"
kind = "multivalued"
type = "INTEGER"
buckets = 2048
max_length = 10
pooling = "sum"
table = "topic"

[[features]]
name = "recent_ads"
side = "query"
kind = "multivalued"
type = "BIGINT"
buckets = 2000
max_length = 5
pooling = "attention"
actions = "recent_ad_actions"
ages = "recent_ad_hours"
table = "ad_id"
"""


def write_preset(folder: Path, base: str = "tiny") -> Path:
    """The preset tiny with the platform's histories, each in the table of what it is a history of.

    `base` is a preset that has the features of tiny.
    """
    features = TINY.read_text().partition("# ---- query side")[2].partition("\n")[2]
    path = folder / "tiny-lists.toml"
    path.write_text(f'base = "{base}"\nname = "tiny-lists"\n{WINDOW}\n{features}\n{LISTS}')
    return path
