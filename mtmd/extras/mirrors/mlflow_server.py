"""Bring an MLflow server up to date with a line: a run per decision, a version per model, the alias `champion`.

The server is asked what it has, and gets what is missing. So a mirroring that was cut off, or is done twice, ends with
the same runs, versions and alias.
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from mtmd.config import Preset
from mtmd.errors import BundleError, ConfigError, RegistryError, StorageError
from mtmd.extension import library
from mtmd.extras.mirrors import Settings
from mtmd.extras.mirrors.mlflow_values import (
    COMPLETE,
    FORMAT,
    MODEL,
    RUN,
    Told,
    metrics,
    params,
    tags,
    version_tags,
)
from mtmd.registry.records import SUMMARY, run_paths
from mtmd.registry.registry import Registry
from mtmd.report.tables import report_url
from mtmd.store.files import locked, read_json
from mtmd.store.workspace import Workspace

_ADDRESS, _CHAMPION, _ROLLED_BACK = "MLFLOW_TRACKING_URI", "champion", "mtmd.rolled_back"
_MANNERS = {  # of MLflow's client, unless the environment says otherwise
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_AT_ONCE = 100  # parameters, metrics or tags of a request
_PAGE = 1000
_PATIENCE_S = 600.0  # with another process that mirrors
_Value = TypeVar("_Value")
_BUNDLE, _RECORDS = "bundle", "records"  # folders of a run's artifacts


def mirror(workspace: Workspace, preset: Preset) -> tuple[str, list[str]]:
    """Tell the server what it lacks; what it has now in words, and why a run is not there.

    The oldest runs first, so that later models have higher versions. A run whose records or model can't be read is
    named, and holds up no other. Raises ConfigError where the library or the address is missing, and MLflow's errors.
    """
    Registry(workspace.root).refresh()
    with locked(workspace.root / "mirror.lock", _PATIENCE_S):
        return _mirror(workspace, _Place(workspace, preset))


def _mirror(workspace: Workspace, place: "_Place") -> tuple[str, list[str]]:
    known = {one.data.tags.get(RUN): one for one in place.runs()}
    paths, problems = sorted(run_paths(workspace), key=lambda path: path.name[:10]), []
    place.align()  # at once: what is missing may take its time
    for path in paths:
        try:
            if not _is_complete(run := known.get(path.name)):
                place.tell(path, run)
        except (BundleError, RegistryError, StorageError) as error:
            problems.append(f"{path.name} is not mirrored: {error}")
    place.align()
    words = f"{len(paths) - len(problems)} of {len(paths)} runs are in MLflow's experiment {place.experiment_name!r}"
    return words, problems


class _Place:
    """A line's experiment, which is made where it is new, and registered model on a server."""

    def __init__(self, workspace: Workspace, preset: Preset) -> None:
        if not os.environ.get(_ADDRESS):
            raise ConfigError(
                f"the environment variable {_ADDRESS} is not set; set it to the address of the tracking server"
            )
        for variable, value in _MANNERS.items():
            os.environ.setdefault(variable, value)
        settings = preset.extra(Settings)
        self.workspace, self.registry, self.line = workspace, Registry(workspace.root), preset.name
        self.experiment_name = settings.experiment or f"mtmd-{preset.name}"
        self.model = settings.model or f"mtmd-{preset.name}"
        self.client = _library("mlflow").MlflowClient()
        found = self.client.get_experiment_by_name(self.experiment_name)
        # MLflow's pages show what belongs to training
        kind = {"mlflow.experimentKind": "custom_model_development"}
        self.experiment = (
            found.experiment_id if found else self.client.create_experiment(self.experiment_name, tags=kind)
        )

    def runs(self) -> Iterator[Any]:
        """Runs of this line, those too that a person deleted there: they are not told again."""
        where, view = f"tags.`mtmd.line` = '{self.line}'", _library("mlflow.entities").ViewType.ALL
        return _pages(
            lambda token: self.client.search_runs([self.experiment], where, view, _PAGE, page_token=token)
        )

    def versions(self) -> dict[str, Any]:
        """Model versions by model_id; the first one, where somebody made another."""
        where = f"name = '{self.model}'"
        found = _pages(
            lambda token: self.client.search_model_versions(where, max_results=_PAGE, page_token=token)
        )
        ordered = sorted(found, key=lambda one: int(one.version), reverse=True)
        return {one.tags[MODEL]: one for one in ordered if MODEL in one.tags}

    def tell(self, path: Path, known: Any) -> None:
        """Make the run of a directory, or go on with one that was cut off; its last tag says that it is whole.

        Raises StorageError, BundleError or RegistryError for records and models that can't be read.
        """
        run = self._read(path)
        page = path / "report.html"
        link = str(page if page.is_file() else path)
        own = tags(run, self.line, report_url(self.workspace.root.parent, link) or link)
        at = round(1000 * (path / SUMMARY).stat().st_mtime)
        if known is None:
            took = round(1000 * run.origin.get("training_seconds", 0))
            name = f"{run.summary['as_of']} {run.name[11:]}"
            known = self.client.create_run(self.experiment, at - took, own, name)
        run_id, entities = known.info.run_id, _library("mlflow.entities")
        for part in _parts(params(run)):
            self.client.log_batch(run_id, params=[entities.Param(*one) for one in part])
        for measured in _parts(metrics(run)):
            self.client.log_batch(run_id, metrics=[entities.Metric(*one, at, 0) for one in measured])
        self.client.log_batch(run_id, tags=[entities.RunTag(*one) for one in own.items()])
        for file in sorted(path.iterdir()):
            if file.is_file():
                self.client.log_artifact(run_id, str(file), _RECORDS)
        self._register(run, run_id)
        self.client.set_terminated(run_id, "FINISHED", at)
        self.client.set_tag(run_id, COMPLETE, FORMAT)

    def _read(self, path: Path) -> Told:
        """A run's records, and the manifest of its model."""
        summary, origin = read_json(path / SUMMARY), path / "origin.json"
        told = Told(path.name, summary, read_json(origin) if origin.is_file() else {}, None)
        try:
            return told._replace(manifest=self.registry.manifest(summary["model_id"]))
        except RegistryError:  # the clean-up removed the model
            return told

    def align(self) -> None:
        """Let the alias and the tags of versions say what the registry says.

        A champion without a version has no alias: rather none than one to another model.
        """
        if not (versions := self.versions()):
            return
        champion = self.registry.champion()
        live = versions.get(champion.model_id) if champion else None
        current = self.client.get_registered_model(self.model).aliases.get(_CHAMPION)
        if live is not None and str(current) != str(live.version):
            self.client.set_registered_model_alias(self.model, _CHAMPION, live.version)
        elif live is None and current is not None:
            self.client.delete_registered_model_alias(self.model, _CHAMPION)
        banned = champion.rolled_back if champion else ()
        for model_id, version in versions.items():
            marked = _ROLLED_BACK in version.tags
            if model_id in banned and not marked:
                self.client.set_model_version_tag(self.model, version.version, _ROLLED_BACK, "true")
            elif marked and model_id not in banned:
                self.client.delete_model_version_tag(self.model, version.version, _ROLLED_BACK)

    def _register(self, run: Told, run_id: str) -> None:
        """Upload the run's bundle, after comparing it with its digests, and make it a version, if it is none yet."""
        manifest = run.manifest
        if manifest is None or manifest.model_id in self.versions():
            return
        directory = self.registry.verify(manifest.model_id)
        if not self.client.search_registered_models(f"name = '{self.model}'"):
            text = f"Candidates of the line {self.line}. The alias champion is the live model."
            self.client.create_registered_model(self.model, description=text)
        self.client.log_artifacts(run_id, str(directory), _BUNDLE)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{_BUNDLE}"
        words = f"{manifest.model_id}, held-out day {manifest.as_of}: {run.summary['words']}"
        self.client.create_model_version(
            self.model, source, run_id, version_tags(manifest, self.line), description=words
        )


def _library(name: str) -> Any:
    return library(name, "mlflow", "this mirror needs")


def _is_complete(run: Any) -> bool:
    """Also of a run that a person deleted: it stays deleted."""
    if run is None:
        return False
    return run.info.lifecycle_stage == "deleted" or bool(run.data.tags.get(COMPLETE) == FORMAT)


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """All that a search finds, page by page."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _parts(items: dict[str, _Value]) -> Iterator[list[tuple[str, _Value]]]:
    rest = iter(items.items())
    while part := list(islice(rest, _AT_ONCE)):
        yield part
