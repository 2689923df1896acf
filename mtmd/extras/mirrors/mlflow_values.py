"""What MLflow is told of a run and of a model: parameters, metrics, tags and words, from the stored records alone."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mtmd.extras.mirrors.records import MirroredRun, where
from mtmd.registry.records import ModelManifest
from mtmd.store.files import digest

RUN, MODEL = "mtmd.run", "mtmd.model_id"  # the tags by which a run and a version are found again
COMPLETE = "mtmd.mirrored"  # set last: a run without it is taken up again
FORMAT = "1"  # of what is told

_SECTIONS = ("model", "training", "rivals", "evaluation", "gates", "data")  # of a preset
_FIELDS = (
    "logmae", "kl", "mae", "bce", "mean_prediction", "mean_teacher", "calibration", "auc", "log_loss",
    "rows", "impressions", "positives",
)  # fmt: skip
_LONGEST_VALUE, _LONGEST_TAG = 6000, 5000  # characters that MLflow takes
_FINGERPRINT = 16


def params(run: MirroredRun) -> dict[str, str]:
    """What the run was made of: its day and window, fingerprints, and the preset's keys that decide a model."""
    preset = run.origin.preset if run.origin else {}
    values = {**_facts(run), **_declared(preset)}
    for section in _SECTIONS:
        values |= dict(_flat(section, preset.get(section)))
    return {key: _short(value, _LONGEST_VALUE) for key, value in values.items()}


def metrics(run: MirroredRun) -> dict[str, float]:
    """The candidate's figures by slice and task, `logmae/search/standard/ctr`, and what the run itself took.

    `calibration` is mean prediction / mean teacher score, as the gate has it; `over_<rival>` the improvement of LogMAE.
    A gate is 1 where it passed, 0 where it failed, and missing where it had nothing to judge.
    """
    values: dict[str, float | None] = {
        f"gate/{gate.name}": float(gate.passed) for gate in run.decision.verdict.gates if gate.applicable
    }
    values["promoted"] = float(run.decision.promoted)
    if run.origin is not None:
        values |= {"window_rows": run.origin.window_rows, "training_seconds": run.origin.training_seconds}
    if (report := run.decision.report) is not None:
        for own in report.metrics:
            if own.predictor == report.candidate and own.bucket is None:
                values |= {f"{field}/{where(own)}": getattr(own, field) for field in _FIELDS}
        values |= {
            f"over_{one.reference}/{where(one)}": one.improvement
            for one in report.comparisons
            if one.bucket is None
        }
    return {_key(key): float(value) for key, value in values.items() if value is not None}


def tags(run: MirroredRun, line: str, link: str) -> dict[str, str]:
    """What a run is found by, and what came of it; `link` is where its page is."""
    decision = run.decision
    values = {
        RUN: run.name,
        MODEL: decision.model_id,
        "mtmd.line": line,
        "mtmd.as_of": str(decision.as_of),
        "mtmd.verdict": "promoted" if decision.promoted else "kept",
        "mtmd.words": decision.words,
        "mtmd.champion": decision.champion or "none",
        "mtmd.report": link,
        **{f"mtmd.gate.{gate.name}": gate.result for gate in decision.verdict.gates},
        "mlflow.source.type": "JOB",
        "mlflow.source.name": "mtmd daily-retrain",
        "mlflow.note.content": _note(run, link),
    }
    if run.manifest is not None:
        values["mtmd.bundle_id"] = run.manifest.bundle_id
    if run.origin is not None and run.origin.git_commit:
        values["mlflow.source.git.commit"] = run.origin.git_commit
    return {_key(key): _short(value, _LONGEST_TAG) for key, value in values.items()}


def version_tags(manifest: ModelManifest, line: str) -> dict[str, str]:
    """What a model version is found by, and what its files must be."""
    return {
        MODEL: manifest.model_id,
        "mtmd.bundle_id": manifest.bundle_id,
        "mtmd.line": line,
        "mtmd.as_of": str(manifest.as_of),
    }


def _facts(run: MirroredRun) -> dict[str, str]:
    decision, manifest = run.decision, run.manifest
    values: dict[str, str] = {"as_of": str(decision.as_of), "start": decision.start or "full retrain"}
    if manifest is not None:
        window = {str(day): fingerprint for day, fingerprint in manifest.window.items()}
        values |= {
            "window.first": min(window, default="none"),
            "window.last": max(window, default="none"),
            "window.days": str(len(window)),
            "window.fingerprint": digest(window)[:_FINGERPRINT],
            "held_out.fingerprint": (manifest.held_out or "unknown")[:_FINGERPRINT],
            "training.key": (manifest.training or "unknown")[:_FINGERPRINT],
            **{f"seed.{name}": str(seed) for name, seed in manifest.seeds.items()},
        }
    return values


def _declared(preset: Mapping[str, Any]) -> dict[str, str]:
    """What is modelled, by name: the declarations themselves are in origin.json."""
    domains = preset.get("domains") or {}
    lists = {
        "surfaces": domains.get("surfaces"),
        "products": domains.get("products"),
        "tasks": [task.get("name") for task in domains.get("tasks") or ()],
        "features": [feature.get("name") for feature in preset.get("features") or ()],
    }
    return {key: ", ".join(map(str, names)) for key, names in lists.items() if names}


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """`model.experts` and so on; lists are one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}", inner)
    elif value is not None:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _note(run: MirroredRun, link: str) -> str:
    """The description that MLflow's page of a run begins with."""
    decision = run.decision
    page = f"[Report page]({link})" if "://" in link else f"Report page: `{link}`"
    live = f"`{decision.champion}`" if decision.champion else "nothing"
    return (
        f"**{decision.words}**\n\nas_of {decision.as_of} · candidate `{decision.model_id}` · live after the run: {live}"
        f"\n\n{page}\n"
    )


def _key(key: str) -> str:
    """A name that MLflow takes; other signs become underscores."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in key)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
