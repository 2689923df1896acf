"""Whether the tests notice seeded faults: applies each of benchmarks/mutants.toml, and runs the tests meant for it.

    python -m benchmarks.mutants                 all of them; exit status 1 where one survives
    python -m benchmarks.mutants --only rollback an area, or words of a mutant's name
    python -m benchmarks.mutants --check         only whether every text is still found exactly once

Everything happens in a temporary copy of the checkout. The tests must pass there without a mutant first.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_suffix(".toml")
_FAILED = 1  # pytest's exit status where tests ran and some failed; others say that they could not run
_PATIENCE_S = 900


class MutantError(Exception):
    """A mutant that can't be judged: its text has moved, or its tests don't run."""


@dataclass(frozen=True)
class Mutant:
    """One seeded fault; `code` is the file or folder that `text` stands in, exactly once."""

    area: str
    name: str
    code: str
    text: str
    mutated: str
    tests: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.area}: {self.name}"

    def place(self, root: Path) -> Path:
        """The file that has the text. Raises MutantError unless it stands there exactly once."""
        code = root / self.code
        files = [code] if code.is_file() else sorted(code.rglob("*.py"))
        found = [file for file in files for _ in range(file.read_text().count(self.text))]
        if len(found) != 1:
            raise MutantError(
                f"{self.words}: {self.text!r} is in {self.code} {len(found)} times; it must be 1"
            )
        if missing := [test for test in self.tests if not (root / test).exists()]:
            raise MutantError(f"{self.words}: there is no {', '.join(missing)}")
        return found[0]

    def survives(self, root: Path) -> bool:
        """Whether the tests pass with the fault; the file is as before afterwards."""
        place = self.place(root)
        before = place.read_text()
        place.write_text(before.replace(self.text, self.mutated))
        try:
            status = run_tests(root, self.tests)
        finally:
            place.write_text(before)
        if status not in {0, _FAILED}:
            raise MutantError(f"{self.words}: pytest ended with {status}, so no test judged it")
        return status == 0


def read_table(path: Path = TABLE) -> Iterator[Mutant]:
    for group in tomllib.loads(path.read_text())["groups"]:
        for name, text, mutated in group["mutants"]:
            written = text.replace("\\n", "\n"), mutated.replace("\\n", "\n")
            yield Mutant(group["area"], name, group["code"], *written, tuple(group["tests"]))


def main() -> int:
    """Judge the mutants; exit status 1 where one survives or can't be judged."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="an area, or words of a mutant's name")
    parser.add_argument("--check", action="store_true", help="run no tests")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="what is mutated (in a copy)")
    options = parser.parse_args()
    chosen = [mutant for mutant in read_table() if options.only in mutant.words]
    if options.check:
        return _say([f"{error}" for mutant in chosen for error in _errors(mutant, options.checkout)], chosen)
    with TemporaryDirectory() as place:
        root = _copied(options.checkout.absolute(), Path(place) / "checkout")
        return _say(list(judged(chosen, root)), chosen)


def judged(chosen: Sequence[Mutant], root: Path) -> Iterator[str]:
    """What is wrong: mutants that survive, and those whose text has moved or whose tests fail without them."""
    passes = cache(lambda tests: run_tests(root, tests) == 0)
    for mutant in chosen:
        try:
            mutant.place(root)
            if not passes(mutant.tests):
                raise MutantError(f"{mutant.words}: {' '.join(mutant.tests)} fail without it")
            survives = mutant.survives(root)
        except MutantError as error:
            print(f"?        {error}", flush=True)  # noqa: T201 - a command's answer
            yield f"not judged: {error}"
            continue
        print(f"{'SURVIVES' if survives else 'dies'}  {mutant.words}", flush=True)  # noqa: T201
        if survives:
            yield f"survives: {mutant.words}"


def run_tests(root: Path, tests: Sequence[str]) -> int:
    """pytest's exit status, from the first failure on."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, check=False, timeout=_PATIENCE_S
    )
    return done.returncode


def _errors(mutant: Mutant, root: Path) -> list[str]:
    try:
        mutant.place(root)
    except MutantError as error:
        return [str(error)]
    return []


def _copied(checkout: Path, to: Path) -> Path:
    """The tracked files as they are now, links as links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=checkout, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (checkout / name).is_symlink() or (checkout / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, to / name, follow_symlinks=False)
    return to


def _say(wrong: Sequence[str], chosen: Sequence[Mutant]) -> int:
    print("\n".join([*wrong, f"{len(chosen)} mutants, {len(wrong)} to look at"]))  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
