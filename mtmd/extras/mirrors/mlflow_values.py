"""What MLflow is told of a run and of a model: parameters, metrics and tags, from the stored records alone."""

import json
from collections.abc import Iterator
from math import expm1
from typing import Any, NamedTuple

from mtmd.evaluate.metrics import NAMED
from mtmd.registry.records import ModelManifest

RUN, MODEL = "mtmd.run", "mtmd.model_id"  # the tags by which a run and a version are found again
COMPLETE = "mtmd.mirrored"  # set last: a run without it is taken up again
FORMAT = "2"  # of what is told

_SECTIONS = ("model", "training", "rivals", "evaluation", "gates", "data")  # of a preset
_FIELDS = (*NAMED, "rows", "impressions", "positives")
_LONGEST = 5000  # characters of a value that MLflow takes


class Told(NamedTuple):
    """A decided run: its name, `summary.json` and `origin.json`, empty where it has none, and its model's manifest.

    The manifest is None where the clean-up removed the model.
    """

    name: str
    summary: dict[str, Any]
    origin: dict[str, Any]
    manifest: ModelManifest | None


def params(run: Told) -> dict[str, str]:
    """What the run was made of: its day and window, fingerprints, and the preset's keys that decide a model."""
    values = {"as_of": run.summary["as_of"], "start": run.summary.get("start") or "full retrain"}
    if (manifest := run.manifest) is not None:
        values |= {
            "window.first": str(min(manifest.window, default="none")),
            "window.last": str(max(manifest.window, default="none")),
            "window.days": str(len(manifest.window)),
            "held_out.fingerprint": manifest.held_out or "unknown",
            "training.key": manifest.training or "unknown",
        } | {f"seed.{name}": str(seed) for name, seed in manifest.seeds.items()}
    preset = run.origin.get("preset", {})
    for section in _SECTIONS:
        values |= dict(_flat(section, preset.get(section)))
    return {key: _short(value) for key, value in values.items()}


def metrics(run: Told) -> dict[str, float]:
    """The candidate's figures by slice and task, `logmae/search/standard/ctr`, and what the run itself took.

    `over_<rival>` is the improvement of LogMAE. A gate is 1 where it passed, 0 where it failed, and missing where it
    had nothing to judge.
    """
    gates = run.summary["verdict"]["gates"]
    values: dict[str, Any] = {
        f"gate/{gate['name']}": gate["passed"] for gate in gates if gate.get("applicable", True)
    }
    values["promoted"] = run.summary["promoted"]
    values |= {name: run.origin.get(name) for name in ("window_rows", "training_seconds")}
    report = run.summary.get("report") or {}
    for row in report.get("metrics", ()):
        if row["predictor"] == report["candidate"] and row["bucket"] is None:
            values |= {f"{field}/{_where(row)}": row.get(field) for field in _FIELDS}
    for row in report.get("comparisons", ()):
        if row["bucket"] is None and row["log_ratio"] is not None and row.get("metric", "logmae") == "logmae":
            values[f"over_{row['reference']}/{_where(row)}"] = -expm1(row["log_ratio"])
    return {_key(key): float(value) for key, value in values.items() if value is not None}


def tags(run: Told, line: str, link: str) -> dict[str, str]:
    """What a run is found by, and what came of it; `link` is where its page is."""
    summary = run.summary
    page = f"[Report page]({link})" if "://" in link else f"Report page: `{link}`"
    values = {
        RUN: run.name,
        MODEL: summary["model_id"],
        "mtmd.line": line,
        "mtmd.as_of": summary["as_of"],
        "mtmd.verdict": "promoted" if summary["promoted"] else "kept",
        "mtmd.words": summary["words"],
        "mtmd.champion": summary["champion"] or "none",
        "mtmd.report": link,
        "mlflow.source.type": "JOB",
        "mlflow.source.name": "mtmd daily-retrain",
        "mlflow.source.git.commit": run.origin.get("git_commit") or "",
        "mlflow.note.content": f"**{summary['words']}**\n\n{page}\n",
    }
    return {key: _short(value) for key, value in values.items() if value}


def version_tags(manifest: ModelManifest, line: str) -> dict[str, str]:
    """What a model version is found by, and what its files must be."""
    return {
        MODEL: manifest.model_id,
        "mtmd.bundle_id": manifest.bundle_id,
        "mtmd.line": line,
        "mtmd.as_of": str(manifest.as_of),
    }


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """`model.experts` and so on; lists are one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}", inner)
    elif value is not None:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _where(row: dict[str, Any]) -> str:
    """`search/standard/ctr`, or `all/ctr` of a task over its slices."""
    places = (row["surface"], row["product"], row["task"])
    return f"all/{row['task']}" if places[:2] == ("all", "all") else "/".join(places)


def _key(key: str) -> str:
    """A name that MLflow takes; other signs become underscores."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in key)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
