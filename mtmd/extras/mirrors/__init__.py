"""Runs and models, shown once more in MLflow: never read back, never decided by.

The address and credentials are in the environment, under MLflow's own names.
"""

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """What a line of models is called in MLflow."""

    mlflow: bool = Field(False, description="whether MLflow gets the runs and models")
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
    seconds: int = Field(
        60,
        ge=5,
        le=600,
        description="how long a run waits for MLflow, after everything else; what is missing then follows with the "
        "next run, or by `mtmd mirror`",
    )
