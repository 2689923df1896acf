"""What a run was made with, as it is written beside its decision; nothing is decided by it."""

from collections.abc import Sequence

from mtmd.config import Preset
from mtmd.evaluate.evaluation import METRICS_FORMAT
from mtmd.evaluate.replay import REPLAY_FORMAT
from mtmd.expectations import day_expectations
from mtmd.export.bundle import EXPORT_FORMAT
from mtmd.export.parity import PROOF_FORMAT
from mtmd.export.stage import git_commit, package_versions
from mtmd.extract.shards import SHARD_FORMAT, Days
from mtmd.extract.stage import STATEMENTS
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import statement
from mtmd.registry.bundle import BUNDLE_FORMAT
from mtmd.registry.records import RunOrigin
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.train.stage import Trained
from mtmd.train.trainer import TRAINING_FORMAT
from mtmd.validate.runner import VALIDATION_FORMAT

ORIGIN = "origin.json"
_FORMATS = {
    "validation": VALIDATION_FORMAT,
    "shard": SHARD_FORMAT,
    "training": TRAINING_FORMAT,
    "metrics": METRICS_FORMAT,
    "replay": REPLAY_FORMAT,
    "export": EXPORT_FORMAT,
    "bundle": BUNDLE_FORMAT,
    "proof": PROOF_FORMAT,
}


def origin(plan: RunPlan, days: Days, trained: Sequence[Trained]) -> RunOrigin:
    """Of a run that is about to be written down."""
    return RunOrigin(
        preset=plan.preset.model_dump(mode="json"),
        formats=_FORMATS,
        git_commit=git_commit(),
        packages=package_versions(),
        window_rows=sum(shard.candidates for shard in days.window),
        training_seconds=sum(model.fit.seconds for model in trained if model.last is None),
        sql={
            **{f"source_{table}": plan.source.statement(table) for table in TABLES},
            **{name: sha256 for table in TABLES for name, sha256 in plan.source.named_files(table).items()},
            **{name: statement(name) for name in STATEMENTS},
        },
        expectations=_expectations(plan.preset),
    )


def _expectations(preset: Preset) -> dict[str, str]:
    return {
        f"{table}: {one.name}": f"{one.severity.value} {digest(one.model_dump(mode='json'))[:10]}"
        for table, suite in day_expectations(preset).items()
        for one in suite
    }
