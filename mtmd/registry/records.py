"""What the registry stores and returns; and what it refuses: a wrong name, a stale decision, a damaged model."""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mtmd.config import Frozen
from mtmd.config.model import ARCHITECTURE
from mtmd.errors import RegistryError
from mtmd.features.categorical import hash_bucket
from mtmd.store.workspace import Workspace, read_record

SUMMARY, ORIGIN = "summary.json", "origin.json"  # of a decided run
REGISTRY_FORMAT = 2  # of the champion's records
REASON_LENGTH = 4000  # characters of a change's reason
_STANDING = 100  # champions that rollbacks can reach
ARMS = 10_000  # hash buckets of users: a share is a number of them

MODEL_ID, MODEL_ID_LENGTH = r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 200  # a name that stays below models/
ModelId = Annotated[str, Field(pattern=MODEL_ID, max_length=MODEL_ID_LENGTH)]
BundleId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StartedFrom(Frozen):
    """What the training of a model went on from."""

    model_id: str
    full_model_id: str = Field(description="the last full retrain before it")
    full_as_of: date


class ModelManifest(Frozen):
    """What a model was made from, and what its files must be: `manifest.json`."""

    model_id: ModelId
    as_of: date
    bundle_id: BundleId
    window: dict[date, str] = Field(description="fingerprint of each training day's shard")
    held_out: str | None = Field(None, description="fingerprint of the held-out day's shard")
    training: str | None = Field(None, description="key of its training; None in older manifests")
    architecture: str = Field(
        ARCHITECTURE, exclude_if=lambda name: name == ARCHITECTURE, description="which network it is"
    )
    rival: str | None = Field(
        None, exclude_if=lambda name: name is None, description="the preset's rival; None: its own model"
    )
    started_from: StartedFrom | None = Field(
        None, exclude_if=lambda start: start is None, description="None for a model that was fully retrained"
    )
    git_commit: str | None = Field(description="commit of the code; None outside a repository")
    seeds: dict[str, int]
    packages: dict[str, str] = Field(description="versions of the packages that decide the numbers")
    files: dict[str, str] = Field({}, description="sha256 of every other file; `add` fills it")

    @property
    def kind(self) -> str:
        """What its training is named by: the rival's name, or the architecture."""
        return self.rival or self.architecture


class RunOrigin(Frozen):
    """What a decided run was made with, for people who compare two runs: `origin.json` beside its summary."""

    preset: dict[str, Any] = Field(description="every key of the preset, resolved, as that version wrote it")
    git_commit: str | None
    packages: dict[str, str]
    window_rows: int = Field(description="candidate rows of the training window")
    training_seconds: float = Field(description="what the trainings took, now or when they were first made")
    sql: dict[str, str] = Field(description="text of each statement that reads logs")


class Registered(Frozen):
    """A model in the registry."""

    model_id: str
    path: str
    reused: bool = Field(description="whether it was there before, complete")
    repaired: bool = Field(False, description="whether it was there before, damaged")


class ChampionChange(Frozen):
    """One change of the champion. Changes are ordered by `sequence`."""

    sequence: int = Field(ge=1)
    action: Literal["promote", "rollback", "reinstate", "rollout"]
    model_id: ModelId = Field(description="champion after the change; a reinstatement leaves it as it is")
    as_of: date
    previous: ModelId | None = Field(description="champion before the change")
    reason: str = Field(max_length=REASON_LENGTH)
    at: datetime = Field(description="wall clock, for people; nothing is decided by it")
    reinstated: ModelId | None = Field(
        None, description="model that was rolled back and may be promoted again"
    )

    @property
    def about(self) -> str | None:
        """The model that was promoted, rolled out, taken down or reinstated."""
        return {"rollback": self.previous, "reinstate": self.reinstated}.get(self.action, self.model_id)


class KnownModel(Frozen):
    """A model by its id and its content: the same content may have several ids."""

    model_id: ModelId
    bundle_id: BundleId


Standing = tuple[KnownModel, ...]


class Champion(Frozen):
    """`champion.json` and each record of `history/`: the live model, and the change that made it so."""

    format: int = REGISTRY_FORMAT
    model_id: ModelId
    as_of: date
    sequence: int = Field(ge=1, description="number of changes so far; compared before each change")
    standing: Standing = Field(
        min_length=1, description="what rollbacks go back along, oldest first; the live model is the last"
    )
    taken_down: Standing = Field(
        (), description="models whose content must not come back by a re-run, in the order of the rollbacks"
    )
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        exclude_if=lambda share: share == 1.0,
        description="of the users that the live model answers; the champion before it answers the others",
    )
    change: ChampionChange = Field(description="what made this model live, or who let another one come back")

    @property
    def content(self) -> str:
        """The live model's `bundle_id`."""
        return self.standing[-1].bundle_id

    @property
    def rolled_back(self) -> tuple[str, ...]:
        """Ids of the models that must not come back."""
        return tuple(model.model_id for model in self.taken_down)

    @property
    def below(self) -> tuple[KnownModel, ...]:
        """What a rollback leaves standing, oldest first: champions of other content. It goes to the last of them."""
        return tuple(model for model in self.standing if model.bundle_id != self.content)

    @property
    def copies(self) -> tuple[KnownModel, ...]:
        """What a rollback takes down: the live model, last, and the same content under other ids."""
        return tuple(model for model in self.standing if model.bundle_id == self.content)

    @property
    def previous(self) -> str | None:
        """The model that a rollback would go to; None where there is none."""
        return self.below[-1].model_id if self.below else None

    @property
    def partner(self) -> str | None:
        """The model that answers the other users; None where the live model answers all."""
        return self.previous if self.share < 1.0 else None

    @property
    def answers(self) -> str:
        """Who answers whom, in words."""
        others = "" if self.partner is None else f", {self.partner} the others"
        return f"{self.model_id} answers {'all' if self.share == 1.0 else f'{self.share:.4g} of the'} users{others}"

    def model_of(self, user: object) -> str:
        """The id of the model that answers a user."""
        return self.model_id if self.has_live(user) else str(self.partner)

    def has_live(self, user: object) -> bool:
        """Whether the live model answers a user, by a hash of the id; whoever has none has the champion before."""
        if self.partner is None:
            return True
        return user is not None and hash_bucket(0, "rollout", str(user), ARMS) <= round(self.share * ARMS)


class Promotion(Frozen):
    """What came of asking for a promotion."""

    outcome: Literal["promoted", "already champion", "refused"]
    champion: Champion = Field(description="the live model afterwards")
    words: str


def run_paths(workspace: Workspace, as_of: date | None = None) -> list[Path]:
    """The directories of decided runs, of one day or of all, the latest record first; of one time, the later day."""
    runs = "*" if as_of is None else f"{as_of.isoformat()}-*"
    paths = [path.parent for path in (workspace.root / "runs").glob(f"{runs}/{SUMMARY}")]
    return sorted(paths, key=lambda path: ((path / SUMMARY).stat().st_mtime_ns, path.name), reverse=True)


def origin(path: Path) -> RunOrigin | None:
    """What the decided run of a directory was made with; None where that can't be read."""
    return read_record(path / ORIGIN, RunOrigin)


def require_id(model_id: str) -> str:
    """The id; raises RegistryError for one that can't be a model's, such as a path that leads elsewhere."""
    if not re.fullmatch(MODEL_ID, found := f"{model_id}") or len(found) > MODEL_ID_LENGTH:
        raise RegistryError(
            f"model id {found[:100]!r} must be at most {MODEL_ID_LENGTH} letters, digits, dots, hyphens and "
            "underscores, the first a letter or digit; `mtmd status` shows the ids of models"
        )
    return found


def require_reason(what: str, reason: str) -> None:
    """Raise RegistryError for a blank reason."""
    if not reason.strip():
        raise RegistryError(f"{what} needs a reason; it is written into the history")


def check_sequence(champion: Champion | None, expected: int, model_id: str) -> None:
    """Raise RegistryError when the champion is not the one that a decision was based on."""
    sequence = champion.sequence if champion else 0
    if sequence != expected:
        live = champion.model_id if champion else "no model"
        raise RegistryError(
            f"the champion's sequence is {sequence}, not {expected} as when {model_id!r} was compared with it: "
            f"{live} is live now. Run again, so that it is compared with that one"
        )


def stood_on(champion: Champion | None, new: KnownModel, share: float) -> tuple[Standing, float]:
    """What rollbacks go back along once a new model is live, and the share of the users that it answers then.

    It takes the place, and the share, of a model that is rolled out at one: no rollback may go to what few users had.
    Where the model before it has the same content, or there is none, the new one answers all users.
    """
    before = champion.standing if champion else ()
    if champion is not None and champion.partner is not None:
        before, share = champion.below, champion.share
    alone = not before or before[-1].bundle_id == new.bundle_id
    return (*before, new)[-_STANDING:], 1.0 if alone else share


def refusal(manifest: ModelManifest, champion: Champion, was_promoted: Callable[[str], object]) -> str | None:
    """Why a model may not displace the champion: it is older, or was rolled back, by its id or by its content.

    Nor may one that a training made of a model that was rolled back meanwhile, unless it was champion itself before:
    `was_promoted` says whether a model was, and is asked only then.
    """
    if manifest.as_of < champion.as_of:
        return (
            f"its as_of {manifest.as_of} is older than the champion's {champion.as_of}; it stays registered, "
            "and displaces nothing"
        )
    same = [model.model_id for model in champion.taken_down if model.bundle_id == manifest.bundle_id]
    if manifest.model_id in champion.rolled_back or same:
        known = manifest.model_id if manifest.model_id in champion.rolled_back else same[-1]
        who = (
            known if known == manifest.model_id else f"{manifest.model_id} is {known} under another id, which"
        )
        return (
            f"{who} was rolled back before; another window or preset gives a model of other content, which can be "
            f'promoted. `mtmd reinstate {known} --reason "…"`, and the day again, lets this one come back'
        )
    start = manifest.started_from
    if start is not None and start.model_id in champion.rolled_back and not was_promoted(manifest.model_id):
        return (
            f"its training went on from {start.model_id}, which was rolled back since then. Run the day again: it goes "
            f'on from another model. `mtmd reinstate {start.model_id} --reason "…"` lets this one be promoted, too'
        )
    return None
