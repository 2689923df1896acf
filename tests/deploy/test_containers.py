"""compose.yaml, the dashboard, the pools and the manifests: what can be seen without a container engine or a cluster.

Not seen here: that images build and start, that a cluster takes the manifests. docs/deploy.md says what was tried once.
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import generate_latest

from mtmd.project.commands import create_project
from mtmd.serve.http.app import Metrics
from tests.flows.runs import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OBSERVE = ROOT / "deploy" / "observe"
KUBERNETES = ROOT / "deploy" / "kubernetes"
DASHBOARD = OBSERVE / "grafana" / "dashboards" / "mtmd-service.json"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def manifests() -> list[dict[str, Any]]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    texts = [(KUBERNETES / name).read_text(encoding="utf-8") for name in kustomization["resources"]]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every container of the manifests and of a run's job, with its pod."""
    job = pool("kubernetes")["job_configuration"]["job_manifest"]
    for manifest in (*(one for one in manifests() if one["kind"] == "Deployment"), job):
        pod = manifest["spec"]["template"]["spec"]
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield container, pod


def pool(kind: str) -> dict[str, Any]:
    text = (ROOT / "deploy" / kind / "work-pool.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_the_builder_gets_what_the_images_copy_and_no_more() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    assert {line.removeprefix("!") for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def stage(target: str) -> str:
    return DOCKERFILE.split(f" AS {target}\n")[1].split("\nFROM ")[0]


def of_the_project(target: str) -> set[str]:
    """What an image copies of the project folder: patterns at its top."""
    copies = re.findall(r"^COPY --from=project (.+)$", stage(target), re.MULTILINE)
    return {source.removeprefix("/") for copy in copies for source in copy.split()[:-1]}


def test_images_have_a_projects_files_and_never_its_logs_or_models(tmp_path: Path) -> None:
    """A layer that removes files leaves them in the layer before: they must not be copied at all."""
    folder = tmp_path / "my-ads"
    made = {path.relative_to(folder).parts[0] for path in create_project(folder)}
    patterns = of_the_project("worker")
    taken = {name for name in made if any(fnmatch(name, pattern) for pattern in patterns)}
    assert made - taken == {"README.md", ".gitignore", ".dockerignore"}
    secret = ("", "logs", "artifacts", ".env", ".venv", ".prefect", ".platform", "models")
    assert not [name for name in secret if any(fnmatch(name, pattern) for pattern in patterns)]
    assert of_the_project("service") == {"*.toml"}  # a preset's base is another file
    ignore = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    assert {line.removeprefix("!") for line in ignore if line.startswith("!")} == patterns


def test_no_secret_is_written_down() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    names = {line.removesuffix("=") for line in example if line.endswith("=")}
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == names
    for name in re.findall(r"^ *(\w*(?:PASSWORD|SECRET|KEYS?)\w*): ", text, re.MULTILINE):
        (value,) = re.findall(rf"\b{name}: \"?(\S+)", text)
        assert value.startswith("${") or name == "AWS_ACCESS_KEY_ID", (name, value)
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_what_compose_publishes_is_for_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_dashboard_shows_metrics_that_the_service_has() -> None:
    metrics = Metrics()
    metrics.latency.labels("/rank", 200).observe(0.01)
    served = generate_latest(metrics.registry).decode()
    names = set(re.findall(r"^(mtmd_\w+)", served, re.MULTILINE)) | set(
        re.findall(r"^# TYPE (\w+)", served, re.MULTILINE)
    )
    labels = set(re.findall(r'(\w+)="', served))
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    shown = set()
    for panel in panels:
        for target in panel["targets"]:
            used = re.findall(r"\bmtmd_\w+", target["expr"])
            assert used, panel["title"]
            assert set(used) <= names, panel["title"]
            assert set(re.findall(r"(\w+)=~?\"", target["expr"])) <= labels
            shown |= {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in used}
    all_of_it = {re.sub(r"_total$", "", name) for name in re.findall(r"^# TYPE (\w+)", served, re.MULTILINE)}
    assert {name for name in all_of_it if not name.endswith("_created")} == shown
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_runs_of_a_docker_pool_are_as_the_worker_of_compose() -> None:
    values = {name: one.get("default") for name, one in pool("docker")["variables"]["properties"].items()}
    worker = SERVICES["worker"]
    assert values["networks"] == [f"{COMPOSE['name']}_default"]
    named = {volume for volume in worker["volumes"] if not volume.startswith("./")}
    assert set(values["volumes"]) == {f"{COMPOSE['name']}_{volume}" for volume in named}
    assert f":-{values['image']}}}" in worker["image"]
    own = {"AWS_SECRET_ACCESS_KEY", "MTMD_REPORTS_URL"}
    same = {name: value for name, value in worker["environment"].items() if name not in own}
    assert "PREFECT_API_URL" in same
    assert same.items() <= values["env"].items()
    assert values["env"]["AWS_SECRET_ACCESS_KEY"] == "{{ prefect.blocks.secret.mtmd-store-password }}"


def test_a_pod_has_no_root_and_writes_only_to_volumes() -> None:
    for container, pod in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts <= {volume["name"] for volume in pod["volumes"]}
        paths = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/tmp" in paths
        wanted = "/data/work" if "mtmd-service" in container["image"] else "/data/prefect"
        assert wanted in paths
