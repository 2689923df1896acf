"""What is not the core: each extra is a folder here, and one line of `EXTRAS`.

Deleting an extra's folder and its line takes it away whole; `mtmd.extension` says what an extra can add.
"""

EXTRAS: tuple[str, ...] = (
    "abtest",
    "backtest",
    "bucket",
    "check",
    "clusters",
    "forecast",
    "forget",
    "groups",
    "kuairand",
    "library",
    "messages",
    "platform",
    "probation",
    "proposal",
    "ranks",
    "shadow",
    "tables",
    "warmstart",
)

# After the names: a preset has a table for each extra's settings, which themselves use `mtmd.config`.
import mtmd.config  # noqa: E402, F401
