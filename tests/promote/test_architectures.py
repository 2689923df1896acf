"""Models of two architectures in one line: each goes live after the other, and back."""

from pathlib import Path

import pytest

from mtmd.config.model import ARCHITECTURE
from mtmd.evaluate.stage import registered_scores
from mtmd.extract.shards import open_shard
from mtmd.promote.rollback import rollback
from mtmd.publish.stage import publish
from mtmd.run import plan_run
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from tests.daily import run_stages
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied
from tests.promote.test_rollback import served

OTHERS = {
    "plain": "widths = [16]\nembedding = 8",
    "mmoe_dcn": "expert_widths = [16, 8]\ngate_widths = [4]\nshallow_widths = [4]\ncross_rank = 4\nemb_deep = 8",
    "split": 'by = "surface"\neach = { architecture = "plain", widths = [16], embedding = 8 }',
}


def preset_of(name: str) -> str:
    return f"""
base = "{TINY}"
name = "{LINE}"
[model]
architecture = "{name}"
{OTHERS[name]}
[rivals]
per_slice.every_days = 0
pooled.every_days = 0
"""


@pytest.mark.parametrize(
    "name", ["plain", *(pytest.param(n, marks=pytest.mark.slow) for n in ("mmoe_dcn", "split"))]
)
def test_another_network_goes_live_after_mtmd_and_a_rollback_brings_that_back(
    first_run: Run, tmp_path: Path, name: str
) -> None:
    preset = tmp_path / "other.toml"
    preset.write_text(preset_of(name))
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    done = run_stages(first_run.logs, artifacts, NEXT, preset=str(preset))
    workspace, registry = done.plan.workspace, done.registry
    service, mtmd = Live(workspace.root, Settings()), first_run.summary.model_id
    assert served(service) == (mtmd, AS_OF)

    summary = done.decide()
    assert (summary.promoted, summary.words) == (True, "promoted")
    assert summary.report.candidate == name
    assert "champion" in summary.report.predictors  # MTMD's files on the same rows
    manifests = [registry.manifest(name) for name in (mtmd, summary.model_id)]
    assert [one.architecture for one in manifests] == [ARCHITECTURE, name]
    assert done.candidate.path.startswith(str(workspace.root / "trained" / f"{name}-"))
    publish(workspace, done.plan.source, NEXT, held_out=done.days.held_out)
    assert served(service) == (summary.model_id, NEXT)

    shard = open_shard(Path(done.days.held_out.path))
    own = registered_scores(
        plan_run(NEXT, TINY, logs=str(first_run.logs), artifacts=str(artifacts)), summary.model_id, shard
    )
    assert own.shape[0] == len(shard.request_row)  # a day of MTMD's has it as its incumbent
    back = rollback(workspace, "worse conversions")
    assert back.champion.model_id == mtmd
    assert served(service) == (mtmd, AS_OF)
    registry.reinstate(summary.model_id, "it was not the model")
    again = run_stages(first_run.logs, artifacts, NEXT, preset=str(preset))
    assert again.decide().promoted
    assert served(service) == (summary.model_id, NEXT)
