"""`[extras.mirrors]` of a preset: where runs and models are shown once more; nothing is ever read back from there.

Addresses and credentials are in the environment, under the names that MLflow and OpenLineage have for them.
"""

from typing import Literal

from pydantic import Field

from mtmd.config.base import ExtraSettings

MirrorName = Literal["mlflow", "openlineage"]


class Settings(ExtraSettings):
    """Which mirrors a line of models has, and what it is called there."""

    to: tuple[MirrorName, ...] = Field((), description='any of "mlflow" and "openlineage"')
    experiment: str | None = Field(
        None,
        pattern=r"\S",
        description="MLflow's experiment for the runs; mtmd-<preset's name> when left out",
    )
    model: str | None = Field(
        None,
        pattern=r"^[\w. -]*\w$",
        description="MLflow's registered model; mtmd-<preset's name> when left out",
    )
    namespace: str = Field("mtmd", pattern=r"\S", description="OpenLineage's namespace of the jobs")
    seconds: int = Field(
        60,
        ge=5,
        le=600,
        description="how long a run waits for its mirrors, after everything else; what is missing then follows with "
        "the next run, or by `mtmd mirror`",
    )
