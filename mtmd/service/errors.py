"""Why a request is not answered: a status, words, and where in the question."""

from collections.abc import Sequence
from http import HTTPStatus

from pydantic import Field

from mtmd.config import Frozen


class Detail(Frozen):
    """One thing that is wrong with a question."""

    where: str = Field(description="place in the question, such as requests.0.surface")
    says: str


class Problem(Frozen):
    """The body of every answer that is not 200."""

    error: str
    details: tuple[Detail, ...] = ()


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request gets this status, and a `Problem`."""

    def __init__(self, status: HTTPStatus, words: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(words)
        self.status, self.problem = status, Problem(error=words, details=tuple(details))

    @property
    def headers(self) -> dict[str, str]:
        """A client that is told to come back is told when."""
        return {"retry-after": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
