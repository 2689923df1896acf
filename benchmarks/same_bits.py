"""Whether two commits compute the same: a small daily line's results as digests and numbers that can be compared.

    python -m benchmarks.same_bits record --checkout /path/to/checkout --output before.json
    python -m benchmarks.same_bits compare before.json after.json

`record` runs a checkout's own commands: simulated logs, two days retrained, a service, a rollback, and the first day
once more in a run that is killed while it trains and is then resumed. It records contents, never names: shards'
Arrow files, tensors, ONNX files, `bundle_id`, every number of the evaluation report, every gate's decision, published
ads and HTTP answers. So any two commits can be compared, however they arrange their code and name their files.
"""

import argparse
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.ipc

_DAYS = ("2026-01-21", "2026-01-22")
_NAMES = re.compile(r"\b(\d{8})-[0-9a-f]{10}\b")  # a model's
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KILLED_AT = re.compile(r"(\w+) epoch 2/")
_NO_RESULTS = {"seconds", "rows_per_s", "at", "format"}

Record = dict[str, str]


def main() -> int:
    """Record one checkout, or compare two records; exit status 1 when they differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bits", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    record = commands.add_parser("record")
    record.add_argument("--checkout", type=Path, required=True)
    record.add_argument("--preset", default="tiny", help="a preset's name, or its path in the checkout")
    record.add_argument("--output", type=Path, required=True)
    compare = commands.add_parser("compare")
    compare.add_argument("records", type=Path, nargs=2, metavar="RECORD")
    options = parser.parse_args()
    if options.command == "compare":
        differences = compared(*(json.loads(path.read_text()) for path in options.records))
        print("\n".join(differences) or "every result is equal")  # noqa: T201 - a command's answer
        return 1 if differences else 0
    with TemporaryDirectory() as place:
        results = _record(options.checkout.absolute(), options.preset, Path(place))
    options.output.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print(f"{len(results)} results recorded in {options.output}")  # noqa: T201
    return 0


def compared(before: Record, after: Record) -> list[str]:
    """A line for each group of results that differs; what stands after `#` in a key is a name, which may change."""
    groups: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for place, record in enumerate((before, after)):
        for key, value in record.items():
            groups.setdefault(key.partition("#")[0], (Counter(), Counter()))[place][value] += 1
    lines = []
    for group, (old, new) in sorted(groups.items()):
        gone, added = old - new, new - old
        if gone or added:
            lines.append(f"{group}: {(old & new).total()} equal, {gone.total()} gone, {added.total()} new")
            lines += [f"    gone {name}" for name in _names(before, group, gone)]
            lines += [f"    new  {name}" for name in _names(after, group, added)]
    return lines


def _names(record: Record, group: str, values: Counter[str]) -> list[str]:
    keys = [key for key, value in sorted(record.items()) if key.startswith(f"{group}#") and value in values]
    return [f"{key.partition('#')[2]} = {record[key][:24]}" for key in keys[:12]]


def _record(checkout: Path, preset: str, place: Path) -> Record:
    logs = ["--logs", str(place / "logs")]
    flows = "mtmd_flows" if (checkout / "mtmd_flows").is_dir() else "mtmd.flows"  # their former name

    def line(name: str) -> list[str]:
        return ["--preset", preset, "--artifacts", str(place / name)]

    def retrain(name: str, day: str) -> list[str]:
        asked = [*line(name), *logs, "--as-of", day, "--no-ablations", "--verbose"]  # a line for each epoch
        return [f"{flows}.daily_retrain", *asked]

    _run(checkout, "mtmd.cli", "simulate", "--preset", preset, "--until", _DAYS[-1], *logs, "--days", "22")
    for day in _DAYS:
        _run(checkout, *retrain("line", day))
    root = next((place / "line").glob("*/champion.json")).parent
    results = {"champion#promoted": _bundle(root)} | dict(_answers(checkout, line("line"), root))
    _run(checkout, "mtmd.cli", "rollback", *line("line"), *logs, "--reason", "to see that it works")
    results["champion after a rollback#"] = _bundle(root)
    results |= dict(_contents(root, "")) | dict(_decided(root, ""))
    for kept in ("shards", "validation"):
        shutil.copytree(root / kept, place / "killed" / root.name / kept)
    _kill_and_resume(checkout, retrain("killed", _DAYS[0]), place / "killed.log")
    other, prefix = place / "killed" / root.name, "killed and resumed: "
    resumed = {key: value for key, value in _contents(other, prefix) if f"{prefix}shard" not in key}
    return results | resumed | dict(_decided(other, prefix))


def _run(checkout: Path, module: str, *arguments: str) -> str:
    print(module, *arguments, flush=True)  # noqa: T201 - it takes minutes
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=checkout, env=_environment(checkout),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} ended with {done.returncode}: {done.stdout[-6000:]}")
    return done.stdout


def _kill_and_resume(checkout: Path, arguments: list[str], log: Path) -> None:
    """Kill a run when a model ends its second epoch. The resumed run must not train that model's first one again."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=checkout, env=_environment(checkout), stdout=file, stderr=file,
        )  # fmt: skip
    while (reached := _KILLED_AT.search(log.read_text())) is None and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL or reached is None:
        raise SystemExit(f"the run ended before it could be killed: {log.read_text()[-4000:]}")
    resumed = _run(checkout, *arguments)
    if f"{reached[1]} epoch 1/" in resumed:
        raise SystemExit(f"the resumed run trained {reached[1]} from the start: {resumed[-6000:]}")


def _environment(checkout: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(checkout), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def _bundle(root: Path) -> str:
    champion = json.loads((root / "champion.json").read_text())["model_id"]
    bundle: str = json.loads((root / "models" / champion / "manifest.json").read_text())["bundle_id"]
    return bundle


def _contents(root: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """Digests of a line's outputs; the path from the line's folder is only told in names, after `#`."""
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        where = path.relative_to(root)
        match where.parts[0], path.suffix:
            case "shards", ".arrow":
                day = _DAY.findall(str(where))[0]
                yield f"{prefix}shard {day} {path.stem}#", _sha(path.read_bytes())
            case "ads", ".arrow":
                table = pyarrow.ipc.open_file(path).read_all()
                for name in {"ad_id", "bid", *(n for n in table.column_names if n.startswith("embedding."))}:
                    content = pickle.dumps(table[name].to_pylist(), protocol=5)
                    yield f"{prefix}published ads {name}#{where}", _sha(content)
            case "trained", ".safetensors":
                yield f"{prefix}tensors#{where}", tensors_digest(path)
            case "models", ".onnx":
                yield (
                    f"{prefix}onnx#{where}",
                    _sha(path.read_bytes().replace(_bundle_id(path.parent).encode(), b"")),
                )


def _decided(root: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """What each model's manifest and each run's summary say."""
    for path in sorted(root.glob("models/*/manifest.json")):
        yield f"{prefix}bundles#{path.parent.name}", json.loads(path.read_text())["bundle_id"]
    for path in sorted(root.glob("runs/**/summary.json")):
        summary = json.loads(path.read_text())
        day = str(summary["as_of"])
        yield f"{prefix}promoted {day}#", str(summary["promoted"])
        yield from ((f"{prefix}report {day}#{name}", value) for name, value in numbers(summary["report"]))
        for gate, passed in decisions(summary["verdict"]):
            yield f"{prefix}gate {day} {gate}#", str(passed)


def _bundle_id(model: Path) -> str:
    """A name that each ONNX file and each answer of a model has: it changes where a preset key leaves."""
    return str(json.loads((model / "bundle.json").read_text())["bundle_id"])


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tensors_digest(path: Path) -> str:
    """Digest of a safetensors file's tensors, whatever their names: sorted types, shapes and bytes."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    data = content[8 + size :]
    tensors = [
        (entry["dtype"], entry["shape"], _sha(data[slice(*entry["data_offsets"])]))
        for name, entry in json.loads(content[8 : 8 + size]).items()
        if name != "__metadata__"
    ]
    return _sha(json.dumps(sorted(tensors)).encode())


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every fraction in a report, with its path. Counts are left out: they repeat too often to tell anything."""
    if isinstance(value, Mapping):
        for key in value.keys() - _NO_RESULTS:
            yield from numbers(value[key], f"{name}/{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from numbers(item, f"{name}/{place}")
    elif isinstance(value, float):
        yield name, repr(value)


def decisions(value: Any) -> Iterator[tuple[str, bool]]:
    """The gates of a verdict, wherever they stand in it: what has a label, or a name, and says whether it passed."""
    if isinstance(value, Mapping):
        label = value.get("label", value.get("name"))
        if label and "passed" in value:
            yield str(label), bool(value["passed"])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from decisions(item)


def _answers(checkout: Path, line: list[str], root: Path) -> Iterator[tuple[str, str]]:
    """The service's answers to a few requests, which name surfaces and features that every preset has."""
    champion = json.loads((root / "champion.json").read_text())["model_id"]
    bundle = json.loads((root / "models" / champion / "bundle.json").read_text())
    domains = bundle["declarations"]["domains"]
    surfaces, tasks = domains["surfaces"], [task["name"] for task in domains["tasks"]]
    requests = [{"request_id": n, "surface": surfaces[n % len(surfaces)], "user_id": n} for n in range(12)]
    rankings = [*tasks, {tasks[0]: 1.0, tasks[1]: 0.5}]
    asked = [("/rank", {"requests": requests, "rank_by": by, "top_k": 20}) for by in rankings]
    with _service(checkout, line) as base:
        for number, (path, question) in enumerate([*asked, ("/embed", {"requests": requests})]):
            told = _NAMES.sub(r"\1-MODEL", _ask(base + path, question)).replace(bundle["bundle_id"], "BUNDLE")
            answer = json.loads(told)
            yield f"http {path}#{number}", _sha(json.dumps(answer, sort_keys=True).encode())


@contextmanager
def _service(checkout: Path, line: list[str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mtmd.cli", "serve", *line, "--port", str(port)]
    process = subprocess.Popen(command, cwd=checkout, env=_environment(checkout), stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ask(url: str, question: dict[str, Any]) -> str:
    request = urllib.request.Request(url, json.dumps(question).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read(), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
