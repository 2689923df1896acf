"""Take the champion down: the command line's and the deployment's one way to do it."""

from mtmd.config import Frozen
from mtmd.export import check_answers
from mtmd.registry import Champion, Registry
from mtmd.stages.workspace import Workspace


class RolledBack(Frozen):
    """What came of a rollback."""

    taken_down: str
    champion: Champion
    check: str

    @property
    def words(self) -> str:
        return f"{self.taken_down} was taken down; {self.champion.model_id} is live again"


def rollback(workspace: Workspace, reason: str, model: str | None = None) -> RolledBack:
    """Make the previous champion live again, after a fresh process answered from its files alone.

    With `model`, only if that one is live. Raises RegistryError when there is nothing to go back to, BundleError,
    changing nothing, when the target's files are altered or do not answer.
    """
    said: list[str] = []
    before, after = Registry(workspace.root).rollback(
        reason, lambda directory: said.append(check_answers(directory)), only=model
    )
    return RolledBack(taken_down=before.model_id, champion=after, check=said[0])
