"""What each format number stands for: what today's code makes of the tiny preset, in digests that golden.json pins.

    python -m tests.golden     # writes golden.json anew, after a number was raised

What differs between machines is not pinned as bytes: weights are pinned by their names, types and shapes, and by the
losses of their training within a tolerance; numbers that are computed in double precision are rounded to six digits.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.ipc
import pyarrow.parquet as pq
from pydantic import BaseModel
from safetensors import safe_open

from mtmd.config import Preset, load_preset
from mtmd.evaluate.evaluation import METRICS_FORMAT, evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.bundle import EXPORT_FORMAT
from mtmd.extract.shards import SHARD_FORMAT, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.monitor.profiles import PROFILE_FORMAT, profile_features
from mtmd.registry.bundle import BUNDLE_FORMAT
from mtmd.registry.registry import Registry
from mtmd.serve.published import ADS_FORMAT
from mtmd.store.files import digest, read_json, sha256_file, write_json
from mtmd.train.trainer import TRAINING_FORMAT
from mtmd.validate.runner import VALIDATION_FORMAT, validate_day
from tests.flows.runs import AS_OF, LINE, TINY
from tests.worlds import tiny_world

FILE = Path(__file__).with_suffix(".json")
# Relative. Other instructions (no AVX-512) and another number of threads moved a training loss by up to 0.03 %, and a
# figure of the held-out day by up to 0.5 %.
CLOSE = {"loss": 2e-3, "logmae": 2e-2, "calibration": 2e-2}

NUMBERS = {
    "mtmd.extract.shards.SHARD_FORMAT": SHARD_FORMAT,
    "mtmd.monitor.profiles.PROFILE_FORMAT": PROFILE_FORMAT,
    "mtmd.validate.runner.VALIDATION_FORMAT": VALIDATION_FORMAT,
    "mtmd.train.trainer.TRAINING_FORMAT": TRAINING_FORMAT,
    "mtmd.evaluate.evaluation.METRICS_FORMAT": METRICS_FORMAT,
    "mtmd.export.bundle.EXPORT_FORMAT": EXPORT_FORMAT,
    "mtmd.registry.bundle.BUNDLE_FORMAT": BUNDLE_FORMAT,
    "mtmd.serve.published.ADS_FORMAT": ADS_FORMAT,
}


@dataclass(frozen=True)
class Made:
    """The outputs of a run of the tiny preset for AS_OF that was promoted, and what it was made from."""

    logs: Path
    root: Path
    preset: Preset
    scratch: Path


class Pinned(BaseModel):
    """What one number stands for: an exact digest, and figures that are close."""

    number: int
    digest: str
    close: dict[str, float] = {}


def golden(made: Made) -> dict[str, Pinned]:
    """Every format's digest, from the outputs of today's code."""
    makers: dict[str, Callable[[Made], Any]] = {
        "SHARD_FORMAT": _shard,
        "PROFILE_FORMAT": _profile,
        "VALIDATION_FORMAT": _validation,
        "TRAINING_FORMAT": _weights,
        "METRICS_FORMAT": _metrics,
        "EXPORT_FORMAT": _graphs,
        "BUNDLE_FORMAT": _bundle,
        "ADS_FORMAT": _ads,
    }
    return {
        name: Pinned(
            number=number,
            digest=digest(rounded(makers[name.rpartition(".")[2]](made))),
            close=_figures(made) if name.endswith("TRAINING_FORMAT") else {},
        )
        for name, number in NUMBERS.items()
    }


def moved(pinned: dict[str, Pinned], found: dict[str, Pinned]) -> list[str]:
    """What a person must do about each format whose outputs, or whose number, are not as pinned."""
    words = []
    for name, now in found.items():
        before = pinned.get(name)
        same = before is not None and before.digest == now.digest and _is_close(before.close, now.close)
        if before is None or before.number != now.number:
            words.append(f"{name} is {now.number} and not pinned yet: run `python -m tests.golden`")
        elif not same:
            words.append(
                f"what {name} stands for has changed and its number has not: raise it from {now.number} to "
                f"{now.number + 1}, so that stored outputs of the old code are not taken for the new code's, and run "
                "`python -m tests.golden`"
            )
    return words


def read_golden() -> dict[str, Pinned]:
    return {name: Pinned.model_validate(own) for name, own in read_json(FILE).items()}


def _is_close(before: dict[str, float], now: dict[str, float]) -> bool:
    return before.keys() == now.keys() and all(
        abs(now[name] - value) <= CLOSE[name.split()[1]] * abs(value) for name, value in before.items()
    )


def rounded(value: Any) -> Any:
    """Floats to six digits as text; the rest as it is."""
    if isinstance(value, BaseModel):
        return rounded(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): rounded(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(own) for own in value]
    return f"{value:.6g}" if isinstance(value, float) else value


def _shard(made: Made) -> Any:
    shard = Path(
        extract_day(LogSource(made.logs), AS_OF, made.preset.declarations, made.scratch / "shards").path
    )
    return {path.name: sha256_file(path) for path in sorted(shard.glob("*.arrow"))}


def _profile(made: Made) -> Any:
    return pq.read_table(
        profile_features(LogSource(made.logs), AS_OF, made.preset.declarations, made.scratch / "profiles")
    ).to_pydict()


def _validation(made: Made) -> Any:
    earlier = [
        validate_day(LogSource(made.logs), AS_OF - timedelta(days=n), made.preset).profile for n in (2, 1)
    ]
    found = validate_day(
        LogSource(made.logs), AS_OF, made.preset, [one for one in earlier if one is not None]
    )
    return found.model_dump(mode="json")


def _weights(made: Made) -> Any:
    layouts = {}
    for kind in ("mtmd", "per_slice", "pooled"):
        (path,) = made.root.glob(f"trained/{kind}-*/weights.safetensors")
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            layouts[kind] = {name: [own.get_dtype(), own.get_shape()] for name, own in slices.items()}
    return layouts


def _figures(made: Made) -> dict[str, float]:
    """Training losses by epoch, and how good and how high the models' predictions are on the held-out day."""
    found = {}
    for kind in ("mtmd", "per_slice", "pooled"):
        (path,) = made.root.glob(f"trained/{kind}-*/fit.json")
        for number, epoch in enumerate(read_json(path)["epochs"], 1):
            found[f"{kind} loss {number}"] = epoch["train_loss"]
    (path,) = made.root.glob("evaluations/*/report.json")
    report = EvaluationReport.model_validate(read_json(path))
    for kind in ("mtmd", "per_slice", "pooled"):
        for where in report.aggregates:
            own = report.get(kind, where)
            found[f"{kind} logmae {where.task}"] = own.logmae or 0.0
            found[f"{kind} calibration {where.task}"] = own.teacher_calibration or 0.0
    return {name: float(f"{value:.6g}") for name, value in found.items()}


def _day(made: Made) -> tuple[HeldOutDay, dict[str, Any]]:
    """The held-out day, and predictors that no training made: as good as their distance from the teacher."""
    (path,) = made.root.glob(f"shards/date={AS_OF}/*")
    day = HeldOutDay.of(open_shard(path), made.preset.declarations)
    log_p = np.log(np.nan_to_num(day.teacher.astype(np.float64), nan=0.5))
    wave = (np.arange(log_p.size).reshape(log_p.shape) * 7 % 11 - 5) / 10
    return day, {
        name: np.minimum(log_p + scale * wave, -1e-4) for name, scale in (("mtmd", 0.5), ("per_slice", 1.0))
    }


def _metrics(made: Made) -> Any:
    day, predictions = _day(made)
    return evaluate_predictors(AS_OF, made.preset.declarations, day, predictions, made.preset.evaluation)


def _model(made: Made) -> Path:
    champion = Registry(made.root).champion()
    assert champion is not None
    return Registry(made.root).path(champion.model_id)


def _graphs(made: Made) -> Any:
    """Each file's graph: what is computed from what, without the weights."""
    graphs = {}
    for path in sorted(_model(made).glob("*.onnx")):
        proto = onnx.load(path)
        proto.ClearField("metadata_props")  # has the bundle's id, which is the weights'
        for initializer in proto.graph.initializer:
            if initializer.data_type == onnx.TensorProto.FLOAT:
                initializer.ClearField("raw_data")
        graphs[path.name] = digest(proto.SerializeToString(deterministic=True).hex())
    return graphs


def _bundle(made: Made) -> Any:
    info = read_json(_model(made) / "bundle.json")
    return {
        **info,
        "bundle_id": "",
        "weights": "",
        "files": [file | {"sha256": ""} for file in info["files"]],
    }


def _ads(made: Made) -> Any:
    """Layout of every file, and all of it that no tower computed."""
    found = {}
    for path in sorted(made.root.glob("ads/*/*/*.arrow")):
        with pyarrow.memory_map(str(path)) as source:
            table = pyarrow.ipc.open_file(source).read_all()
        own = {name: table[name].to_pylist() for name in ("ad_id", "bid")}
        found[path.name] = [str(table.schema.remove_metadata()), own]
    return found


def main() -> int:
    """Run the tiny preset in a temporary folder, and write golden.json."""
    from mtmd.flows.daily_retrain import daily_retrain  # noqa: PLC0415 - a server, which the tests have already
    from mtmd.sources.simulated.platform import simulate  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        simulate(tiny_world(), AS_OF - timedelta(days=20), AS_OF, folder / "logs")
        daily_retrain(
            as_of=AS_OF,
            preset=TINY,
            logs=str(folder / "logs"),
            artifacts=str(folder / "artifacts"),
            ablations=False,
        )
        made = Made(folder / "logs", folder / "artifacts" / LINE, load_preset(TINY), folder / "scratch")
        found = golden(made)
    write_json(FILE, {name: json.loads(own.model_dump_json()) for name, own in found.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
