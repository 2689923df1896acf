"""The bundle: one ONNX file per tower domain and `bundle.json`, which ties them together under one id."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mtmd.config import Declarations, Frozen
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.records import ModelManifest
from mtmd.store.files import read_json, sha256_file

BUNDLE_FORMAT = 2  # raise it whenever the same weights and declarations must be served differently
BUNDLE_FILE = "bundle.json"
# The dots matter: the exporter names inner values after operators (`embedding`, `cat_1`) and does not look
# whether an input or output is called the same.
INPUT_PREFIX, OUTPUT_PREFIX = "features.", "embedding."
LIST_INPUT = "list."  # of a multi-valued feature: after INPUT_PREFIX, before the feature's name

TowerSide = Literal["query", "item"]


class TowerFile(Frozen):
    """One exported tower domain."""

    side: TowerSide
    domain: str = Field(description="surface (query) or product (item)")
    file: str = Field(pattern=r"^[a-z]+_[A-Za-z0-9_-]+\.onnx$", description="name inside the bundle")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class BundleInfo(Frozen):
    """What `bundle.json` says: all that a reader needs to turn raw rows into scores.

    Inputs of every file, N rows: `features.continuous` (N, C) float32, `features.categorical` (N, K) int64,
    `features.embedding` (N, V) float32, without those of width 0. And of each multi-valued feature
    `features.list.<name>` (N, L) int64, its ids with 0 behind the end of a list, L ≥ 1.
    Outputs: one `embedding.<task>` (N, widths[task]) float32 per task.
    """

    format: int = Field(ge=BUNDLE_FORMAT, le=BUNDLE_FORMAT)
    bundle_id: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="digest of weights, declarations and format"
    )
    weights: str = Field(pattern=r"^[0-9a-f]{64}$", description="digest of the trained weights")
    declarations: Declarations
    widths: dict[str, Annotated[int, Field(ge=1)]] = Field(description="embedding width of each task")
    files: tuple[TowerFile, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        """A width for each task, and one file for each domain."""
        tasks, domains = set(self.declarations.domains.task_names), self.declarations.domains
        if self.widths.keys() != tasks:
            raise ValueError(f"widths are of tasks {sorted(self.widths)}; they must be of {sorted(tasks)}")
        wanted = {"query": sorted(domains.surfaces), "item": sorted(domains.products)}
        for side, names in wanted.items():
            if (found := sorted(tower.domain for tower in self.files if tower.side == side)) != names:
                raise ValueError(f"{side} towers are of {found}; they must be of {names}, each once")
        return self

    def file_of(self, side: TowerSide, domain: str) -> TowerFile:
        """The file of one tower domain; raises BundleError when the bundle has none."""
        for tower in self.files:
            if (tower.side, tower.domain) == (side, domain):
                return tower
        known = [tower.domain for tower in self.files if tower.side == side]
        raise BundleError(f"{side} domain {domain!r} is not in bundle {self.bundle_id}; it has {known}")


def load_bundle(directory: Path) -> BundleInfo:
    """Read and check `bundle.json`; the files' content is checked by `verify_files`.

    Raises BundleError when it is missing, malformed, or of another format.
    """
    path = directory / BUNDLE_FILE
    try:
        return BundleInfo.model_validate(read_json(path))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"{path} is not a bundle of this version; export again: {error}") from error


def verify_files(info: BundleInfo, directory: Path) -> None:
    """Raise BundleError naming the first file that is missing, or differs from its digest."""
    for tower in info.files:
        path = directory / tower.file
        if (actual := sha256_file(path) if path.is_file() else "missing") != tower.sha256:
            raise BundleError(
                f"{path} is {actual}; bundle {info.bundle_id} needs it with sha256 {tower.sha256}: export or copy the "
                "whole directory again"
            )


def check_built(directory: Path, manifest: ModelManifest) -> None:
    """Raise RegistryError where a model lacks its metrics, or holds another bundle than its manifest says."""
    if not (directory / "metrics.json").is_file():
        raise RegistryError(f"model {manifest.model_id!r} was built without metrics.json; export writes it")
    if (bundle := load_bundle(directory).bundle_id) != manifest.bundle_id:
        raise RegistryError(
            f"model {manifest.model_id!r} holds bundle {bundle}, its manifest says {manifest.bundle_id}"
        )
