"""What comparing the exported files with the trained model found."""

from typing import Self

from pydantic import Field

from mtmd.config import Frozen, GatesConfig


class FileParity(Frozen):
    """One file at one batch size, against torch."""

    file: str
    batch_size: int
    rows: int = Field(description="rows embedded: real ones, unseen ids, and one with everything missing")
    scores: int = Field(description="probabilities compared: rows × rows of the other side × tasks")
    embedding_delta: float | None = Field(description="largest |Δ| of a component; None when not finite")
    score_delta: float | None = Field(description="largest |Δ| of a probability; None when not finite")


class DayParity(Frozen):
    """Real candidates of the held-out day, from the model's own forward to the bundle's score and ranks."""

    candidates: int
    score_delta: float | None = Field(description="largest |Δ| of a probability; None when not finite")
    rankings: int = Field(description="(request, task) pairs whose top k was compared")
    top_k: int
    disagreements: int = Field(description="rankings that differ by more than ties within the tolerance")
    identical: int = Field(description="rankings that are the same ad by ad")


class ParityReport(Frozen):
    """Whether the exported files compute what the trained model computes."""

    bundle_id: str
    score_tolerance: float
    embedding_tolerance: float
    files: tuple[FileParity, ...]
    day: DayParity
    passed: bool
    worst: str = Field(description="the worst case of all, in words")

    @classmethod
    def judge(cls, bundle_id: str, gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> Self:
        """Compare every number with its tolerance."""
        failures = list(_failures(gates, files, day))
        return cls(
            bundle_id=bundle_id,
            score_tolerance=gates.parity_score,
            embedding_tolerance=gates.parity_embedding,
            files=files,
            day=day,
            passed=not failures,
            worst="; ".join(failures) if failures else _worst(files, day),
        )


def _failures(gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> list[str]:
    found = []
    for one in files:
        where = f"{one.file} at batch size {one.batch_size}"
        if not _within(one.score_delta, gates.parity_score):
            found.append(f"{where}: scores differ by {_n(one.score_delta)}, at most {gates.parity_score:g}")
        if not _within(one.embedding_delta, gates.parity_embedding):
            found.append(
                f"{where}: embeddings differ by {_n(one.embedding_delta)}, at most {gates.parity_embedding:g}"
            )
    if not _within(day.score_delta, gates.parity_score):
        found.append(
            f"held-out candidates: scores differ by {_n(day.score_delta)}, at most {gates.parity_score:g}"
        )
    if day.disagreements:
        found.append(f"top {day.top_k} differs in {day.disagreements} of {day.rankings} rankings")
    return found


def _worst(files: tuple[FileParity, ...], day: DayParity) -> str:
    one = max(files, key=lambda file: file.score_delta or 0.0)
    return (
        f"scores differ by at most {max(one.score_delta or 0.0, day.score_delta or 0.0):.2g} "
        f"({one.file} at batch size {one.batch_size} is the worst file), top {day.top_k} agrees in all "
        f"{day.rankings} rankings"
    )


def _within(delta: float | None, tolerance: float) -> bool:
    return delta is not None and delta <= tolerance


def _n(delta: float | None) -> str:
    return "a number that is not finite" if delta is None else f"{delta:.3g}"
