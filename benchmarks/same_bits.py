"""Whether two commits compute the same: every output of a small daily line, as digests that can be compared.

    python -m benchmarks.same_bits record --checkout /path/to/checkout --output before.json
    python -m benchmarks.same_bits compare before.json after.json

`record` runs a checkout's own commands: simulated logs, two days retrained, ads published, the simulated A/B, the
service and a rollback. It reads what they wrote as bytes and JSON, so that any two commits with the same commands
can be compared, however their code is arranged. Names of outputs, clock times and paths are left out: they may differ.
"""

import argparse
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_TIMED = {
    "at", "seconds", "rows_per_s", "path", "paths", "places", "git_commit", "packages", "reused", "key", "trained",
    "window", "held_out", "logs", "fingerprint", "format",
}  # fmt: skip
_NAMES = re.compile(r"\b(\d{8})-[0-9a-f]{10}\b")
_SIZES = ["--requests-per-day", "160", "--users", "200", "--ads", "200"]


def main() -> int:
    """Record one checkout, or compare two records; exit status 1 when they differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bits", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    record = commands.add_parser("record")
    record.add_argument("--checkout", type=Path, required=True)
    record.add_argument(
        "--preset", default="tiny", help="a preset's name, or its path in the checkout; once tests/tiny.toml"
    )
    record.add_argument("--as-of", type=date.fromisoformat, default=date(2026, 1, 21))
    record.add_argument("--demo-size", action="store_true", help="the preset's own logs, and one day only")
    record.add_argument("--output", type=Path, required=True)
    compare = commands.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "compare":
        return _compare(json.loads(options.before.read_text()), json.loads(options.after.read_text()))
    with TemporaryDirectory() as place:
        seen = _record(
            options.checkout.absolute(), options.preset, options.as_of, options.demo_size, Path(place)
        )
    options.output.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    print(f"{len(seen)} outputs recorded in {options.output}")  # noqa: T201 - a command's answer
    return 0


def _compare(before: dict[str, str], after: dict[str, str]) -> int:
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in differing:
        state = "differs" if name in before and name in after else "missing" if name in before else "new"
        print(f"{state:8} {name}")  # noqa: T201
    same = len(before.keys() & after.keys()) - sum(name in before and name in after for name in differing)
    print(f"{same} outputs are equal, {len(differing)} are not")  # noqa: T201
    return 1 if differing else 0


def _record(checkout: Path, preset: str, as_of: date, demo_size: bool, place: Path) -> dict[str, str]:
    days = [as_of] if demo_size else [as_of, as_of + timedelta(days=1)]
    line = ["--preset", preset, "--artifacts", str(place / "artifacts")]
    logs = ["--logs", str(place / "logs")]
    flows = "mtmd_flows" if (checkout / "mtmd_flows").is_dir() else "mtmd.flows"  # their name before
    sizes = [] if demo_size else [*_SIZES, "--days", "22"]
    _run(checkout, "mtmd.cli", "simulate", "--preset", preset, "--until", str(days[-1]), *logs, *sizes)
    for day in days:
        _run(checkout, f"{flows}.daily_retrain", *line, *logs, "--as-of", str(day), "--no-ablations")
    size = [] if demo_size else ["--samples", "5", "--requests", "100"]
    if not demo_size:
        _run(checkout, f"{flows}.ab_test", *line, *logs, "--as-of", str(days[-1]), *size)
    root = next((place / "artifacts").iterdir())
    seen = dict(_answers(checkout, line, root))
    _run(checkout, "mtmd.cli", "export-embeddings", *line, "--output", str(place / "embeddings.parquet"))
    seen["embeddings.parquet"] = _sha(place / "embeddings.parquet")
    if not demo_size:
        _run(checkout, "mtmd.cli", "rollback", *line, *logs, "--reason", "to see that it works")
    seen |= {
        f"logs/{path.relative_to(place / 'logs')}": _sha(path) for path in (place / "logs").rglob("*.parquet")
    }
    return seen | dict(_files(root))


def _run(checkout: Path, module: str, *arguments: str) -> None:
    print(module, *arguments[:1], flush=True)  # noqa: T201 - it takes minutes
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=checkout, env=_environment(checkout), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(
            f"{module} {arguments} ended with {done.returncode}: {done.stderr[-4000:]}{done.stdout[-2000:]}"
        )


def _environment(checkout: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(checkout), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Every output of a line; a directory named by a digest is called by its order among those of its kind."""
    names: dict[str, str] = {}
    groups: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not _is_local(path.relative_to(root)):
            groups.setdefault(_plain(path.relative_to(root)), []).append(path)
    for name, paths in sorted(groups.items()):
        digests = sorted(_content(path) for path in paths)
        for number, digest in enumerate(digests):
            names[f"{name}#{number}"] = digest
    yield from names.items()


def _is_local(path: Path) -> bool:
    """Locks, caches of file times, pages for people, and manifests over files that hold how long a training took."""
    return (
        path.suffix in {".lock", ".html"}
        or "digests" in path.parts
        or (path.parts[0], path.name) == ("trained", "manifest.json")
    )


def _plain(path: Path) -> str:
    parts = [_NAMES.sub(r"\1-MODEL", part) for part in path.parts]
    return "/".join(
        re.sub(r"(?<![0-9a-f])[0-9a-f]{6,64}(?![0-9a-f])", "NAME", part) if "MODEL" not in part else part
        for part in parts
    )


def _content(path: Path) -> str:
    if path.suffix in {".json", ".jsonl"}:
        text = path.read_text()
        values = (
            [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
        )
        return hashlib.sha256(json.dumps(_timeless(values), sort_keys=True).encode()).hexdigest()
    return _sha(path)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {_timeless(key): _timeless(own) for key, own in value.items() if key not in _TIMED}
    if isinstance(value, list):
        return [_timeless(own) for own in value]
    if isinstance(value, str):
        return _NAMES.sub(r"\1-MODEL", value)
    return value


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _answers(checkout: Path, line: list[str], root: Path) -> Iterator[tuple[str, str]]:
    """What the service says of a few requests; the requests name surfaces, and features that every preset has."""
    manifest = json.loads((root / "champion.json").read_text())["model_id"]
    bundle = json.loads((root / "models" / manifest / "bundle.json").read_text())
    surfaces = bundle["declarations"]["domains"]["surfaces"]
    tasks = [task["name"] for task in bundle["declarations"]["domains"]["tasks"]]
    requests = [{"request_id": n, "surface": surfaces[n % len(surfaces)], "user_id": n} for n in range(12)]
    asked = {
        "/rank": [
            {"requests": requests, "rank_by": by, "top_k": 20}
            for by in (*tasks, {tasks[0]: 1.0, tasks[1]: 0.5})
        ],
        "/embed": [{"requests": requests}],
    }
    with _service(checkout, line) as base:
        for path, questions in asked.items():
            for number, question in enumerate(questions):
                answer = _timeless(json.loads(_ask(base + path, question)))
                yield (
                    f"http{path}#{number}",
                    hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest(),
                )


@contextmanager
def _service(checkout: Path, line: list[str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mtmd.cli", "serve", *line, "--port", str(port)]
    process = subprocess.Popen(command, cwd=checkout, env=_environment(checkout), stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ask(url: str, question: dict[str, Any]) -> bytes:
    request = urllib.request.Request(url, json.dumps(question).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content


if __name__ == "__main__":
    sys.exit(main())
