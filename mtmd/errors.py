"""Every error that this package raises on purpose.

Messages name the thing, its value, what was required, and what to do.
"""

from datetime import date


class MtmdError(Exception):
    """Base of all errors raised on purpose by this package.

    The message is `problem`, and behind a semicolon `remedy`, where it is known apart from the problem.
    """

    remedy: str = ""
    day: date | None = None  # of the logs, where one day's are to blame

    def __init__(self, problem: str = "", remedy: str = "") -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.remedy = remedy

    @property
    def problem(self) -> str:
        """The message without the remedy."""
        return str(self).removesuffix(f"; {self.remedy}") if self.remedy else str(self)


class ConfigError(MtmdError, ValueError):
    """A preset, parameter or declaration is wrong."""


class LogsError(MtmdError):
    """The logs are missing, empty, malformed or not as declared."""


class ValidationError(MtmdError):
    """An expectation on the data failed."""


class TrainingError(MtmdError):
    """Training produced something that is not finite, or a checkpoint does not fit the model."""


class EvaluationError(MtmdError):
    """Predictions do not fit the held-out day, or are not finite log-probabilities."""


class BundleError(MtmdError):
    """An exported bundle is incomplete, altered, or mixed with parts of another bundle."""


class ReportError(MtmdError):
    """A run's page could not be made; what the run decided stands."""


class RegistryError(MtmdError):
    """The champion moved meanwhile, or a model is not in the registry."""


class StorageError(MtmdError):
    """A location cannot be handled, or a stored output does not verify."""


class UnreachableError(StorageError):
    """A bucket gives no answer, or refuses to give one."""
