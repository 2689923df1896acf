"""Take the champion down, or let it answer a share of the users: the command line's and the deployment's one way.

A rollback has two steps.

The flip comes first and waits for nothing: what serves follows it at once, with the ads that the model has. Then the
newest day's ads are published for it, as after any promotion; what goes wrong there leaves the flip as it is.
"""

from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import MtmdError
from mtmd.export.fresh_process import check_answers
from mtmd.logs.source import LogSource
from mtmd.publish.stage import publish
from mtmd.registry.records import Champion
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.store.workspace import Workspace

_NO_ADS = "it has no published ads, so a service goes on with the model that it has"


class RolledBack(Frozen):
    """What came of a rollback."""

    taken_down: str
    champion: Champion = Field(description="the model that is live again")
    check: str
    ads: str = Field(description="which ads it had at the flip, in words")

    @property
    def words(self) -> str:
        return f"{self.taken_down} was taken down; {self.champion.model_id} is live again"


class Republished(Frozen):
    """What came of publishing the newest day's ads for the model that is live again."""

    words: str
    failed: bool = Field(description="whether its ads are still those of the flip")


def rollback(
    workspace: Workspace, reason: str, model: str | None = None, *, rollout: bool = False
) -> RolledBack:
    """Make the previous champion live again, after a fresh process answered from its files alone.

    With `model`, only if that one is live; with `rollout`, only while it answers a share of the users. Raises
    RegistryError when there is nothing to go back to, BundleError when the target's files are altered or do not answer.
    Whatever is raised, nothing was changed.
    """
    found: list[str] = []

    def check(directory: Path) -> None:
        current = Catalogue(workspace.root).known(directory.name)
        ads = _NO_ADS if current is None else f"its published ads are those of {current.day}"
        found[:] = check_answers(directory), ads

    before, after = Registry(workspace.root).rollback(reason, check, only=model, rollout=rollout)
    return RolledBack(taken_down=before.model_id, champion=after, check=found[0], ads=found[1])


def roll_out(workspace: Workspace, share: float, reason: str = "", model: str | None = None) -> str:
    """Let the champion answer a share of the users, and the champion before it the others; says so.

    With `model`, only if that one is live. Raises RegistryError for a share that can't be or is so already, BundleError
    where the champion before has altered files or no published ads. Whatever is raised, nothing was changed.
    """
    catalogue = Catalogue(workspace.root)
    who = "all users" if share == 1 else f"{share:.4g} of the users"
    reason = f"{who}: {reason.strip()}".removesuffix(": ")
    after = Registry(workspace.root).roll_out(
        share, reason, lambda path: catalogue.current(path.name), only=model
    )
    return after.answers


def republish(
    workspace: Workspace, source: LogSource, done: RolledBack, *, int8: bool = False
) -> Republished:
    """Publish the newest day's ads for the model that is live again, as `mtmd publish` does.

    Also where it has none yet: until it has, a service goes on with the model that was taken down. Never raises: the
    rollback stands, and a caller that failed would invite a second one, which goes back further.
    """
    try:
        return Republished(words=publish(workspace, source, int8=int8).words, failed=False)
    except Exception as error:  # noqa: BLE001 - whatever logs or a disk make a library say: the flip has happened
        why = str(error) if isinstance(error, MtmdError) else repr(error)
    return Republished(
        words=f"the newest day's ads are not published: {why}. The rollback stands, and {done.ads}; once that "
        "is mended, `mtmd publish` brings them up to date",
        failed=True,
    )
