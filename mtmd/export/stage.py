"""Export the candidate into the registry, and prove that its files compute what the trained model computes.

The manifest says where the code of a run came from: its commit and the versions of the packages.
"""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from mtmd.config import Frozen, Preset
from mtmd.evaluate.evaluation import METRICS_FORMAT
from mtmd.evaluate.stage import Evaluated
from mtmd.export.bundle import EXPORT_FORMAT, bundle_id, export_bundle
from mtmd.export.fresh_process import check_fresh_process, sample_raw_rows
from mtmd.export.parity import Proof, check_parity
from mtmd.extract.shards import Days, ShardRef, open_shard
from mtmd.model.ranker import TwoTower, build_model
from mtmd.registry.records import ModelManifest, Registered, StartedFrom
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.files import digest, sha256_file, write_json
from mtmd.store.workspace import is_complete, make_once, read_record
from mtmd.train.results import WEIGHTS
from mtmd.train.stage import Trained, load_trained

PROOF_FORMAT = 1  # raise it whenever files that passed could fail
_PROOFS = "proofs.json"
_PACKAGES = ("torch", "numpy", "duckdb", "pyarrow", "onnx", "onnxruntime", "onnxscript", "great-expectations")


class Proofs(Frozen):
    """Whether the files compute what the trained model does, and the bundle alone answers in a process of its own."""

    parity: Proof
    fresh_process: Proof
    reused: bool = False


def export(plan: RunPlan, trained: Trained, evaluated: Evaluated, days: Days) -> Registered:
    """Write the candidate once: an ONNX file per tower domain, declarations, its own metrics and manifest.

    A stored one that was altered is made again. Raises BundleError when the model can't be exported.
    """
    name = model_id(plan, trained, days.held_out)
    model, start, preset = _load(plan, trained), trained.start, plan.preset.led_by(trained.kind)

    def build(directory: Path) -> None:
        export_bundle(model, preset, directory)
        # rivals and champions change, and the model's name does not
        metrics = evaluated.report.of_candidate()
        write_json(directory / "metrics.json", metrics.model_dump(mode="json"))

    manifest = ModelManifest(
        model_id=name,
        as_of=plan.as_of,
        bundle_id=bundle_id(model, preset),
        window={ref.day: ref.fingerprint for ref in days.window},
        held_out=days.held_out.fingerprint,
        training=trained.key,
        architecture=preset.candidate,
        rival=None if trained.kind == plan.preset.candidate else trained.kind,
        started_from=start
        and StartedFrom(
            model_id=start.model_id, full_model_id=start.full_model_id, full_as_of=start.full_as_of
        ),
        git_commit=git_commit(),
        seeds={"training": plan.preset.training.seed, "hash": plan.preset.declarations.hash_seed},
        packages=package_versions(),
    )
    return Registry(plan.workspace.root).add(build, manifest)


def trace(plan: RunPlan) -> None:
    """Trace the candidate's graphs, which needs no weights, for an `export` in this process."""
    preset = plan.preset.led_by(plan.candidate)
    model = build_model(preset.candidate, preset).eval()
    assert isinstance(model, TwoTower), "a candidate is of an architecture that can be served"
    with TemporaryDirectory() as directory:
        export_bundle(model, preset, Path(directory))


def prove(plan: RunPlan, exported: Registered, trained: Trained, held_out: ShardRef) -> Proofs:
    """Compare the files with the trained model on held-out rows, and let a fresh process answer from them alone.

    A proof that held is stored, and taken where the same packages would prove the same files and weights.
    """
    registry = Registry(plan.workspace.root)
    directory, files = registry.verify(exported.model_id), registry.manifest(exported.model_id).files
    weights, shown = sha256_file(Path(trained.path) / WEIGHTS), plan.preset.training.batch_requests
    proved = [files, weights, held_out.fingerprint, shown, plan.preset.publication.int8]
    key = digest([PROOF_FORMAT, proved, platform.platform(), package_versions(), version("mtmd")])
    place = plan.workspace.evaluation(key)
    if is_complete(place) and (stored := read_record(place / _PROOFS, Proofs)):
        return stored.model_copy(update={"reused": True})
    shard = open_shard(Path(held_out.path))
    rows = sample_raw_rows(plan.source, shard, plan.preset.declarations)
    proofs = Proofs(
        parity=check_parity(_load(plan, trained), directory, shard, plan.preset),
        fresh_process=check_fresh_process(directory, shard, rows, plan.preset),
    )
    if proofs.parity.passed and proofs.fresh_process.passed:
        make_once(place, lambda temporary: write_json(temporary / _PROOFS, proofs.model_dump(), seal=True))
    return proofs


def model_id(plan: RunPlan, trained: Trained, held_out: ShardRef) -> str:
    """Name of the candidate: its day, and the digest of all that decides its files and metrics."""
    return f"{plan.as_of:%Y%m%d}-{candidate_key(trained.key, held_out.fingerprint, plan.preset)[:10]}"


def candidate_key(trained: str, held_out: str, preset: Preset) -> str:
    """Name of an exported model: the trained one; the day and buckets of its metrics; what makes its files."""
    return digest(
        {
            "formats": [EXPORT_FORMAT, METRICS_FORMAT],
            "trained": trained,
            "held_out": held_out,
            "buckets": preset.evaluation.buckets,
            "exporter": [version(name) for name in ("torch", "onnx", "onnxscript")],
        }
    )


def _load(plan: RunPlan, trained: Trained) -> TwoTower:
    """The trained candidate."""
    model = load_trained(plan, trained)
    assert isinstance(model, TwoTower), "a candidate is of an architecture that can be served"
    return model


def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` when files differ from it; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match=nothing"]
    try:
        described = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:  # git is not installed where the flow runs
        return None
    return described.stdout.strip() or None


def package_versions() -> dict[str, str]:
    """Versions of what decides the numbers, Python included."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
