"""What the artifacts of a run's stages say; the tables themselves are tested where they are made."""

from datetime import date

import pytest

from mtmd.config import Preset
from mtmd.export.parity import ParityReport
from mtmd.report.markdown import daily as render
from mtmd.report.markdown.metrics import metrics
from mtmd.run import RunPlan, plan_window
from tests.daily import Done


def test_every_artifact_has_its_day_window_and_preset_below_its_heading(done: Done) -> None:
    head = "as_of **2026-01-21**, window 2026-01-01 to 2026-01-20 (20 days), preset tiny, logs `"
    for page in (
        render.data_quality(done.plan, done.quality),
        render.training(done.plan, done.trained),
        metrics(done.plan, done.evaluated),
        render.parity(done.plan, done.proofs),
    ):
        heading, below, _ = page.split("\n\n", 2)
        assert heading.startswith("## ")
        assert below.startswith(head)


@pytest.mark.parametrize("logs", ["s3://bucket/prefix", "file:///logs/of%20us", "logs/tiny"])
def test_the_place_of_the_logs_is_said_as_it_was_given(tiny_preset: Preset, logs: str) -> None:
    day = date(2026, 1, 21)
    days = plan_window(day, 20)
    plan = RunPlan(as_of=day, days=days, preset=tiny_preset, logs=logs, artifacts="artifacts")
    assert render.head(plan).endswith(f", preset tiny, logs `{logs}`")


def test_data_quality_begins_with_what_holds_and_says_what_was_reused(done: Done) -> None:
    page = render.data_quality(done.plan, done.quality)
    assert page.startswith("## ✓ Data quality: 21 of 21 days hold, the window holds, 1 warning\n")
    assert "21 of 21 days were validated by an earlier run." in page
    assert [line[:12] for line in page.splitlines() if line.startswith("| 20")] == ["| 2026-01-13"]


def test_training_has_a_row_and_a_curve_per_model(done: Done) -> None:
    page = render.training(done.plan, done.trained)
    assert page.startswith("## ✓ Training: every model was reused\n")
    for one in done.trained:
        best = one.fit.epochs[one.fit.best_epoch - 1].validation_loss
        kept = f"{one.fit.best_epoch} of {len(one.fit.epochs)}, ran to the end"
        assert f"| {one.kind} | {kept} | {best:.5f} | " in page
        assert f"- {one.kind}: {one.fit.parameters:,} parameters" in page
        assert f"![training curve of {one.kind}](data:image/svg+xml;base64," in page


def test_training_says_what_this_run_trained_and_in_which_time(done: Done) -> None:
    epoch = done.trained[0].fit.epochs[0].model_copy(update={"seconds": 61.0})
    fit = done.trained[0].fit.model_copy(update={"epochs": (epoch,), "best_epoch": 1})
    new = done.trained[0].model_copy(update={"reused": False, "fit": fit})
    page = render.training(done.plan, (new, *done.trained[1:]))
    assert page.startswith("## ✓ Training: 1 of 3 models trained now, in 1 min 1 s\n")
    assert "| 1 min 1 s |" in page
    assert "| trained now |" in page


def test_parity_has_a_row_per_file_and_batch_size(done: Done) -> None:
    page = render.parity(done.plan, done.proofs)
    assert page.startswith("## ✓ Parity holds, fresh process answers\n")
    assert "- ✓ **Parity holds**" in page
    assert page.count("\n| query_") + page.count("\n| item_") == len(done.proofs.parity.files)
    assert "- ✓ **Fresh process answers**" in page


def test_failed_proofs_stand_out(done: Done) -> None:
    parity = done.proofs.parity
    first = parity.files[0].model_copy(update={"score_delta": None})
    broken = parity.model_copy(update={"passed": False, "files": (first, *parity.files[1:])})
    fresh = done.proofs.fresh_process.model_copy(update={"passed": False})
    page = render.parity(done.plan, done.proofs.model_copy(update={"parity": broken, "fresh_process": fresh}))
    assert page.startswith("## ✗ Parity FAILED, fresh process FAILED\n")
    assert "- ✗ **Parity FAILED**" in page
    assert "- ✗ **Fresh process FAILED**" in page
    assert "| not finite |" in page


def test_files_that_could_not_be_compared_have_no_numbers(done: Done) -> None:
    why = "query_search.onnx does not run: [E] got\n# 1 for <x>"
    failed = ParityReport.failed(done.proofs.parity.bundle_id, done.plan.preset.gates, why)
    page = render.parity(done.plan, done.proofs.model_copy(update={"parity": failed}))
    assert "- ✗ **Parity FAILED**: query_search.onnx does not run: \\[E\\] got # 1 for &lt;x>" in page
    assert "- ✓ **Fresh process answers**" in page
    for claim in ("not finite", "rankings", "largest differences"):
        assert claim not in page
