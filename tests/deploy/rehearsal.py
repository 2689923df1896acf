"""The services of compose.yaml as processes of this machine: `python -m tests.deploy.rehearsal`, in a checkout.

Commands, environment, order and health checks are those of compose.yaml. Host names become 127.0.0.1 with free ports,
and volumes become folders. The databases are this machine's PostgreSQL and the tests' S3. A Prometheus on PATH takes
part. Then the pipeline runs at the size of the tests: a day is simulated, its deployment runs on the worker, and the
service answers. Exit status 0 when all of it was seen. Not tried: images, Grafana, MinIO.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from deploy import processes
from deploy.deployments import pause_all
from tests.buckets import S3, serving
from tests.flows.deployed import free_port
from tests.flows.postgresql import PASSWORD, PostgreSQL, installed, running
from tests.flows.runs import AS_OF, ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
KEY = "a-key-of-the-rehearsal"
PATIENCE_S = 900.0
# and the ports of compose.yaml
_HOSTS = {"server": 4200, "service": 8080, "reports": 4201, "prometheus": 9090}
_GIVEN = {"database", "store"}  # stood in for by programs of this machine
_NOT_TRIED = {"grafana", "bucket"}


@dataclass
class Rehearsal:
    """The processes, and what stands for names of compose.yaml."""

    root: Path
    database: PostgreSQL
    store: S3
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _HOSTS})
    started: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """A word of compose.yaml as it is on this machine."""
        secrets = {
            "DATABASE_PASSWORD": quote(PASSWORD, safe=""),
            "STORE_PASSWORD": "test",
            "MTMD_API_KEY": KEY,
        }
        text = re.sub(r"\$\{(\w+):?[-?]?([^}]*)\}", lambda found: secrets.get(found[1], found[2]), text)
        text = text.replace("database:5432", f"127.0.0.1:{self.database.port}")
        text = text.replace("store:9000", f"127.0.0.1:{self.store.port}")
        for name, port in _HOSTS.items():
            text = re.sub(
                rf"\b(?:{name}|127\.0\.0\.1|localhost):{port}\b", f"127.0.0.1:{self.ports[name]}", text
            )
            text = re.sub(rf"^{port}$", str(self.ports[name]), text)
        return text.replace("0.0.0.0", "127.0.0.1").replace("/data/", f"{self.root}/data/")

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MTMD_"))
        }
        programs = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        image = dict(re.findall(r"\b([A-Z_]+)=(\S+)", _of_the_image("common")))
        own = {name: self.here(str(value)) for name, value in (service.get("environment") or {}).items()}
        images = {name: self.here(value) for name, value in image.items()}
        return (
            kept | {"PATH": programs, "PYTHONPATH": str(ROOT)} | images | own | {"AWS_ACCESS_KEY_ID": "test"}
        )

    def command(self, name: str) -> list[str]:
        service = COMPOSE["services"][name]
        command = service.get("command") or json.loads(
            re.findall(r"^CMD (.+)$", _of_the_image(name), re.M)[-1]
        )
        return [self.here(word) for word in command]

    def start(self, name: str) -> None:
        service = COMPOSE["services"][name]
        say(f"{name}: {' '.join(self.command(name))[:150]}")
        processes.start(
            self.root / f"{name}.json",
            self.command(name),
            cwd=self.root / "ads",
            environment=self.environment(service),
        )
        self.started.append(name)
        if "healthcheck" in service:
            _, *test = service["healthcheck"]["test"]
            self.until(name, lambda: self.run(test, service, check=False).returncode == 0)

    def run(
        self, command: list[str], service: Mapping[str, Any], *, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [self.here(word) for word in command],
            cwd=self.root / "ads", env=self.environment(service), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise SystemExit(
                f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done

    def until(self, name: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            log = self.root / f"{name}.log"
            if processes.recorded(self.root / f"{name}.json") is None or time.monotonic() > deadline:
                raise SystemExit(f"{name} ended or did not answer:\n{log.read_text()[-3000:]}")
            time.sleep(1)

    def end(self) -> None:
        for name in reversed(self.started):
            if (process := processes.recorded(self.root / f"{name}.json")) is not None:
                processes.end(process)

    def answers(self, name: str, path: str, key: str = "") -> str | None:
        """The body of a 200, or None."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}{path}")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return None


def say(words: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stdout.flush()


def in_order() -> Iterator[str]:
    """Services of compose.yaml that run here, each after those that it depends on."""
    services, seen = COMPOSE["services"], set(_GIVEN | _NOT_TRIED)
    while waiting := [name for name in services if name not in seen]:
        for name in waiting:
            if set(services[name].get("depends_on", ())) <= seen:
                seen.add(name)
                yield name


def _of_the_image(target: str) -> str:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return text.split(f" AS {target}\n")[1].split("\nFROM ")[0]


def rehearse(rehearsal: Rehearsal) -> None:
    """Start what compose starts, then let a day go through."""
    services = COMPOSE["services"]
    for name in in_order():
        if name == "deployments":
            say(f"{name}: as compose does, then it ends")
            rehearsal.run(services[name]["command"], services[name])
            pause_all(f"http://127.0.0.1:{rehearsal.ports['server']}/api")  # or the clock could start runs
        elif name == "prometheus":
            _prometheus(rehearsal)
        else:
            rehearsal.start(name)
    worker = services["worker"]
    say("the worker's machine simulates logs")
    rehearsal.run(["mtmd", "simulate", "--until", str(AS_OF)], worker)
    say("the deployment daily-retrain runs on the worker")
    ran = rehearsal.run(
        ["prefect", "deployment", "run", "daily-retrain/daily-retrain", "--param", f'as_of="{AS_OF}"', "--param",
         "ablations=false", "--watch"],
        worker,
    )  # fmt: skip
    say(ran.stdout.strip().splitlines()[-1])
    _see(rehearsal)


def _see(rehearsal: Rehearsal) -> None:
    rehearsal.until("service", lambda: rehearsal.answers("service", "/ready", KEY) is not None)
    say(f"service: {rehearsal.answers('service', '/ready', KEY)}")
    if rehearsal.answers("service", "/metrics") is not None:
        raise SystemExit("/metrics must need a key")
    page = rehearsal.answers("reports", "/ads/index.html") or ""
    if str(AS_OF) not in page:
        raise SystemExit(f"the reports port must show the run of {AS_OF}: {page[:300]}")
    say("reports: the index has the run")
    stored = [path for path in (rehearsal.store.root / "mtmd").rglob("*") if path.is_file()]
    say(
        f"bucket: {len(stored)} objects; "
        f"runs in PostgreSQL: {rehearsal.database.query('select count(*) from flow_run')}"
    )
    if "prometheus" in rehearsal.started:
        up = (
            '/api/v1/query?query=up{job="mtmd-service"}'.replace("{", "%7B")
            .replace("}", "%7D")
            .replace('"', "%22")
        )
        rehearsal.until("prometheus", lambda: '"1"]' in (rehearsal.answers("prometheus", up) or ""))
        _ask_the_panels(rehearsal)


def _ask_the_panels(rehearsal: Rehearsal) -> None:
    """Prometheus must understand every expression of the dashboard."""
    file = ROOT / "deploy" / "observe" / "grafana" / "dashboards" / "mtmd-service.json"
    panels = json.loads(file.read_text(encoding="utf-8"))["panels"]
    for target in (one for panel in panels for one in panel["targets"]):
        query = target["expr"].replace("$__rate_interval", "1m")
        answer = rehearsal.answers("prometheus", f"/api/v1/query?query={quote(query, safe='')}")
        if answer is None:
            raise SystemExit(f"Prometheus does not take {query}")
    say(f"prometheus: scrapes the service, and takes the expressions of {len(panels)} panels")


def _prometheus(rehearsal: Rehearsal) -> None:
    program = shutil.which("prometheus")
    if program is None:
        say("prometheus: not on PATH, not tried")
        return
    config = (ROOT / "deploy" / "observe" / "prometheus.yml").read_text(encoding="utf-8")
    (rehearsal.root / "api_key").write_text(KEY)
    config = rehearsal.here(config).replace("/run/secrets/api_key", str(rehearsal.root / "api_key"))
    (rehearsal.root / "prometheus.yml").write_text(config)
    say("prometheus: its configuration, with this machine's addresses")
    processes.start(
        rehearsal.root / "prometheus.json",
        [program, f"--config.file={rehearsal.root}/prometheus.yml", f"--storage.tsdb.path={rehearsal.root}/metrics",
         f"--web.listen-address=127.0.0.1:{rehearsal.ports['prometheus']}"],
        cwd=rehearsal.root,
        environment=dict(os.environ),
    )  # fmt: skip
    rehearsal.started.append("prometheus")


@contextmanager
def stage(root: Path) -> Iterator[Rehearsal]:
    """A project of the tests' size, the databases, and the end of all processes."""
    programs = installed()
    if programs is None:
        raise SystemExit("PostgreSQL must be installed for a rehearsal; apt install postgresql")
    with ExitStack() as stack:
        (root / "s3" / "mtmd").mkdir(parents=True)
        rehearsal = Rehearsal(
            root, stack.enter_context(running(programs)), stack.enter_context(serving(root / "s3"))
        )
        stack.callback(rehearsal.end)
        subprocess.run(
            [sys.executable, "-c", "from mtmd.cli import main; main(['init', 'ads'])"],
            cwd=root, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (root / "ads" / "preset.toml").write_text('base = "tiny"\nname = "ads"\nlogs = "logs"\n')
        for name in ("logs", "work", "cache", "prefect"):
            (root / "data" / name).mkdir(parents=True)
        (root / "ads" / "logs").symlink_to(root / "data" / "logs")
        yield rehearsal


def main() -> int:
    """Rehearse in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mtmd-rehearsal-") as name, stage(Path(name)) as rehearsal:
        began = time.monotonic()
        rehearse(rehearsal)
        say(f"all of it was seen, in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
