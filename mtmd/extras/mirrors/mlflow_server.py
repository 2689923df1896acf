"""Bring an MLflow server up to date with a line of models: a run per decision, a version per model, two aliases.

The server is asked what it has, and gets what is missing. So a mirroring that was cut off, or is done twice, ends with
the same runs, versions and aliases.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from mtmd.config import Preset
from mtmd.errors import BundleError, RegistryError
from mtmd.extension import library
from mtmd.extras.mirrors.mlflow_values import (
    COMPLETE,
    FORMAT,
    MODEL,
    RUN,
    metrics,
    params,
    tags,
    version_tags,
)
from mtmd.extras.mirrors.records import MirroredRun, newest_first, read_run
from mtmd.extras.mirrors.settings import Settings
from mtmd.extras.mirrors.state import MirrorError
from mtmd.registry.registry import Registry
from mtmd.report.text import report_url
from mtmd.store.workspace import Workspace

CHAMPION, CANDIDATE = "champion", "candidate"
ROLLED_BACK = "mtmd.rolled_back"
_ADDRESS = "MLFLOW_TRACKING_URI"
_MANNERS = {  # of MLflow's client, unless the environment says otherwise
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's pages show what belongs to training
_AT_ONCE = 100  # parameters, metrics or tags of a request
_PAGE = 1000
_BUNDLE, _RECORDS = "bundle", "records"  # folders of a run's artifacts
_Item = TypeVar("_Item")


def mirror(workspace: Workspace, preset: Preset) -> tuple[str, bool]:
    """Tell the server what it lacks; what came of it in words, and whether that is all that can be read.

    The oldest runs first, so that later models have higher versions. Raises MirrorError where the library or the
    address is missing, and MLflow's errors.
    """
    place = _Place.opened(workspace, preset)
    known = {one.data.tags.get(RUN): one for one in place.runs()}
    paths = newest_first(workspace)
    pending = [path for path in reversed(paths) if not _is_complete(known.get(path.name))]
    if pending:
        place.align(paths, all_told=False)  # at once: what is pending may take its time
    done, problems, unreadable = 0, [], []
    for path in pending:
        if (run := read_run(workspace, path)) is None:
            unreadable.append(path)
            continue
        try:
            place.tell(run, known.get(path.name))
            done += 1
        except MirrorError as error:  # of this run's files: the others are told all the same
            problems.append(str(error))
    problems += place.align(paths, all_told=True)
    left = len(pending) - done
    waiting = left - len(unreadable)
    words = [f"{len(paths) - left} of {len(paths)} runs are in MLflow's experiment {place.experiment_name!r}"]
    words += ["the others follow by the next run or `mtmd mirror`"] if waiting else []
    words += [_unreadable(workspace, unreadable, len(paths))] if unreadable else []
    return "; ".join([*words, *problems]), not (waiting or problems)


class _Place:
    """A line's experiment and registered model on a server."""

    def __init__(self, workspace: Workspace, preset: Preset, client: Any, experiment: str) -> None:
        self.workspace, self.registry, self.client = workspace, Registry(workspace.root), client
        self.line, self.experiment = preset.name, experiment
        self.experiment_name = preset.extra(Settings).experiment or f"mtmd-{preset.name}"
        self.model = preset.extra(Settings).model or f"mtmd-{preset.name}"
        self.versions = self._versions()

    @classmethod
    def opened(cls, workspace: Workspace, preset: Preset) -> "_Place":
        """With the experiment made where it is new."""
        if not os.environ.get(_ADDRESS):
            raise MirrorError(
                f"the environment variable {_ADDRESS} is not set; set it to the address of the tracking server"
            )
        for variable, value in _MANNERS.items():
            os.environ.setdefault(variable, value)
        client = _library("mlflow").MlflowClient()
        name = preset.extra(Settings).experiment or f"mtmd-{preset.name}"
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name, tags=_KIND)
        return cls(workspace, preset, client, experiment)

    def runs(self) -> Iterator[Any]:
        """Runs of this line, those too that a person deleted there: they are not told again."""
        where, view = f"tags.`mtmd.line` = '{self.line}'", _library("mlflow.entities").ViewType.ALL
        return _pages(
            lambda token: self.client.search_runs([self.experiment], where, view, _PAGE, page_token=token)
        )

    def _versions(self) -> dict[str, Any]:
        """Model versions by model_id; the first one, where somebody made another."""
        where = f"name = '{self.model}'"
        found = _pages(
            lambda token: self.client.search_model_versions(where, max_results=_PAGE, page_token=token)
        )
        ordered = sorted(found, key=lambda one: int(one.version), reverse=True)
        return {one.tags[MODEL]: one for one in ordered if MODEL in one.tags}

    def tell(self, run: MirroredRun, known: Any) -> None:
        """Make the run, or go on with one that was cut off; its last tag says that it is whole.

        A run whose model is damaged does not get that tag, so it is taken up again: raises MirrorError.
        """
        page = str(run.page or run.directory)
        link = (report_url(self.workspace.root.parent, page) if run.page else None) or page
        own = tags(run, self.line, link)
        at = round(1000 * run.at.timestamp())
        if known is None:
            took = round(1000 * run.origin.training_seconds) if run.origin else 0
            name = f"{run.decision.as_of} {run.name[11:]}"
            known = self.client.create_run(self.experiment, at - took, own, name)
        run_id = known.info.run_id
        self._log(run_id, run, own, at)
        for path in sorted(run.directory.iterdir()):
            if path.is_file():
                self.client.log_artifact(run_id, str(path), _RECORDS)
        if run.damage:
            raise MirrorError(f"model {run.decision.model_id} is not mirrored: {run.damage}")
        if run.manifest is not None and run.decision.model_id not in self.versions:
            self._register(run, run_id)
        self.client.set_terminated(run_id, "FINISHED", at)
        self.client.set_tag(run_id, COMPLETE, FORMAT)

    def align(self, paths: list[Path], *, all_told: bool) -> list[str]:
        """Let aliases and tags of versions say what the registry says; what can't be said, in words.

        After all was told, an alias whose model has no version is removed: rather none than one to another model.
        """
        champion, self.versions = self.registry.champion(), self._versions()
        newest = next((run for path in paths if (run := read_run(self.workspace, path))), None)
        wanted = {
            CHAMPION: champion.model_id if champion else None,
            CANDIDATE: newest.decision.model_id if newest else None,
        }
        if self.versions:
            aliases = self.client.get_registered_model(self.model).aliases
            for alias, model_id in wanted.items():
                version, current = self.versions.get(model_id or ""), aliases.get(alias)
                if version is not None and str(current) != str(version.version):
                    self.client.set_registered_model_alias(self.model, alias, version.version)
                elif version is None and current is not None and all_told:
                    self.client.delete_registered_model_alias(self.model, alias)
            self._mark_rolled_back(frozenset(champion.rolled_back if champion else ()))
        return [
            f"{alias} {name} has no version there"
            for alias, name in wanted.items()
            if name and name not in self.versions
        ]

    def _log(self, run_id: str, run: MirroredRun, own: Mapping[str, str], at: int) -> None:
        entities = _library("mlflow.entities")
        for part in _parts([entities.Param(*one) for one in params(run).items()]):
            self.client.log_batch(run_id, params=part)
        for part in _parts([entities.Metric(*one, at, 0) for one in metrics(run).items()]):
            self.client.log_batch(run_id, metrics=part)
        for part in _parts([entities.RunTag(*one) for one in own.items()]):
            self.client.log_batch(run_id, tags=part)

    def _register(self, run: MirroredRun, run_id: str) -> None:
        """Upload the bundle, after comparing it with its digests, and make it a version."""
        assert run.manifest is not None
        model_id = run.decision.model_id
        try:
            directory = self.registry.verify(model_id)
        except (BundleError, RegistryError) as error:
            raise MirrorError(f"model {model_id} is not mirrored: {error}") from error
        self._make_model()
        self.client.log_artifacts(run_id, str(directory), _BUNDLE)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{_BUNDLE}"
        self.versions[model_id] = self.client.create_model_version(
            self.model, source, run_id, version_tags(run.manifest, self.line),
            description=f"{model_id}, held-out day {run.decision.as_of}: {run.decision.words}",
        )  # fmt: skip

    def _make_model(self) -> None:
        if not self.client.search_registered_models(f"name = '{self.model}'"):
            text = f"Candidates of the line {self.line}. The alias champion is the live model."
            self.client.create_registered_model(self.model, description=text)

    def _mark_rolled_back(self, banned: frozenset[str]) -> None:
        for model_id, version in self.versions.items():
            marked = ROLLED_BACK in version.tags
            if model_id in banned and not marked:
                self.client.set_model_version_tag(self.model, version.version, ROLLED_BACK, "true")
            elif marked and model_id not in banned:
                self.client.delete_model_version_tag(self.model, version.version, ROLLED_BACK)


def _library(name: str) -> Any:
    return library(name, "mlflow", "this mirror needs", MirrorError)


def _unreadable(workspace: Workspace, paths: list[Path], runs: int) -> str:
    """Damaged, or of a version with other fields: that may last, so such runs do not hold a mirror back."""
    newest = paths[-1].relative_to(workspace.root.parent)
    return (
        f"the records of {len(paths)} of {runs} runs can't be read, such as {newest}: run its day again, or remove "
        "this folder"
    )


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


def _parts(items: list[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
