"""Where each stage puts its output: one directory per preset (a line of models with its own champion)."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.config import Preset
from mtmd.store.stores import Store, artifacts_folder, store_of

INDEX_LOCK = (
    "index.lock"  # of a line's index and of the links in its pages; of the list of lines, where those lie
)


@dataclass(frozen=True)
class Workspace:
    """Paths below `artifacts/<preset>`; artifacts/README.md describes them."""

    root: Path

    @classmethod
    def of(cls, artifacts: str | Path, preset: Preset) -> "Workspace":
        """Of a folder, or of a bucket's URL."""
        return cls(artifacts_folder(artifacts) / preset.name)

    @property
    def place(self) -> str:
        """Where the line is, for people: a folder, or a bucket's URL."""
        return self.store.place(self.root)

    @property
    def store(self) -> Store:
        """What keeps the line's outputs and records."""
        return store_of(self.root)

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    def validation(self, day: date) -> Path:
        return self.root / "validation" / f"date={day.isoformat()}"

    def latest_validation(self, as_of: date) -> Path:
        """What the suites said in the latest run of a day."""
        return self.root / "validation" / f"as_of={as_of.isoformat()}.json"

    @property
    def monitoring(self) -> Path:
        return self.root / "monitoring"

    def failure(self, as_of: date) -> Path:
        """Why the latest run of a day ended with an error."""
        return self.root / "failures" / f"as_of={as_of.isoformat()}.json"

    def trained(self, kind: str, key: str) -> Path:
        return self.root / "trained" / f"{kind}-{key[:16]}"

    def work(self, kind: str, key: str) -> Path:
        return self.root / "work" / f"{kind}-{key[:16]}"

    def evaluation(self, key: str) -> Path:
        return self.root / "evaluations" / key[:16]

    def proofs(self, key: str) -> Path:
        return self.root / "proofs" / f"{key[:16]}.json"

    def graphs(self, key: str) -> Path:
        return self.root / "graphs" / key[:16]

    def run(self, as_of: date, key: str, decision: str) -> Path:
        return self.root / "runs" / f"{as_of.isoformat()}-{key[:10]}-{decision[:6]}"
