"""`make audit`: are advisories known about the pinned versions? What was not checked is not well.

pip-audit asks the sources. This looks at what came of each pin, because pip-audit ends with 0 where its source knew
none of them. Exit status: 0, every pin was checked and no advisory is known; 1, there are advisories; 3, something was
not checked.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from rich.console import Console

from mtmd.command_line import literal
from mtmd.errors import ConfigError, MtmdError, UnreachableError

ROOT = Path(__file__).parents[1]
SOURCES = ("pypi", "osv")  # the package index's own advisories, and the Open Source Vulnerabilities database
_KNOWN = ("django", "2.2")  # no pin of ours, and vulnerable: a source that does not say so is not believed
CLEAN, ADVISORIES, NOT_CHECKED = 0, 1, 3  # 2 is how argparse and make end
_SHOWN = 5


@dataclass(frozen=True)
class Advisory:
    """That a version is known to be vulnerable, and which versions are not."""

    name: str
    version: str
    identity: str
    mended_in: tuple[str, ...]

    @property
    def line(self) -> str:
        mended = " or ".join(self.mended_in)
        return f"{self.name} {self.version}: {self.identity}; " + (
            f"mended in {mended}" if mended else "no version mends it yet"
        )


@dataclass(frozen=True)
class Audit:
    """What one or more sources said of the pins."""

    pins: Mapping[str, str]
    checked: frozenset[str]
    advisories: tuple[Advisory, ...]
    failures: tuple[str, ...]  # of a source: why it said nothing

    @property
    def unchecked(self) -> list[str]:
        return [name for name in self.pins if name not in self.checked]

    @property
    def status(self) -> int:
        """Advisories count for more than pins that were not checked."""
        if self.advisories:
            return ADVISORIES
        return NOT_CHECKED if self.unchecked or not self.pins else CLEAN


def pinned(constraints: Path) -> dict[str, str]:
    """The version of every package; of a range, the version that is installed here.

    Raises ConfigError for a line that is no requirement, and for a range of what is not installed.
    """
    pins = {}
    for number, line in enumerate(constraints.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text:
            name, version = _pin(text, f"{constraints}, line {number}")
            pins[name] = version
    return pins


def _pin(text: str, place: str) -> tuple[str, str]:
    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        raise ConfigError(
            f"{place} ({text}) must be a package and a version, such as numpy==2.4.0"
        ) from error
    name, bounds = canonicalize_name(wanted.name), list(wanted.specifier)
    if len(bounds) == 1 and bounds[0].operator == "==":
        return name, bounds[0].version
    try:
        return name, Version(
            metadata.version(name)
        ).public  # 2.9.1 of 2.9.1+cpu: advisories know no local versions
    except metadata.PackageNotFoundError as error:
        raise ConfigError(
            f"{place} ({text}) is a range, and {name} is not installed; install or pin it"
        ) from error


def audit(pins: Mapping[str, str], sources: Sequence[str] = SOURCES, options: Sequence[str] = ()) -> Audit:
    """Ask one source after the other about the pins that the ones before it did not know.

    `options` are pip-audit's. Raises ConfigError where pip-audit is not installed.
    """
    if find_spec("pip_audit") is None:
        raise ConfigError("pip-audit is not installed; pip install -e '.[audit]' brings it")
    checked: set[str] = set()
    advisories: list[Advisory] = []
    failures: list[str] = []
    for source in sources:
        left = {name: version for name, version in pins.items() if name not in checked}
        if not left:
            break
        try:
            answer = _ask(source, left, options)
        except UnreachableError as error:
            failures.append(f"{source}: {error}")
            continue
        checked |= answer.keys()
        advisories += (advisory for known in answer.values() for advisory in known)
    return Audit(pins, frozenset(checked), tuple(advisories), tuple(failures))


def _ask(source: str, pins: Mapping[str, str], options: Sequence[str]) -> dict[str, list[Advisory]]:
    """The advisories about each pin that the source knows; a pin that it does not know is left out.

    Raises UnreachableError where it says nothing, or knows no advisory where there is one.
    """
    asked = (*pins.items(), _KNOWN)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in asked), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "--requirement",
            f"{listed}",
            "--no-deps",
            "--disable-pip",
        ]
        command += [
            "--vulnerability-service",
            source,
            "--format",
            "json",
            "--progress-spinner",
            "off",
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        said = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UnreachableError(last) from error
    answer: dict[str, list[Advisory]] = {
        canonicalize_name(one["name"]): _advisories(one) for one in said if "skip_reason" not in one
    }
    if not answer:
        raise UnreachableError("it knows none of them")
    if not answer.pop(_KNOWN[0], None):
        raise UnreachableError(f"it has no advisory about {' '.join(_KNOWN)}, which has many")
    return answer


def _advisories(said: Mapping[str, Any]) -> list[Advisory]:
    return [
        Advisory(said["name"], said["version"], one["id"], tuple(one["fix_versions"]))
        for one in said["vulns"]
    ]


def words(done: Audit) -> Iterator[str]:
    """Advisories first; then what was not checked and why; then how much was."""
    for advisory in done.advisories:
        yield f"✗ {advisory.line}"
    for failure in done.failures:
        yield f"no answer from {failure}"
    if not done.checked:
        yield (
            f"Nothing was checked: no source of advisories could be reached that knows one of the {len(done.pins)} "
            "pinned versions. Run this where the internet can be reached"
        )
        return
    if left := done.unchecked:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        yield f"not checked, because no source knows them: {', '.join(left[:_SHOWN])}{more}"
    found = len(done.advisories)
    known = {0: "no known advisory", 1: "1 known advisory"}.get(found, f"{found} known advisories")
    yield f"{len(done.checked)} of {len(done.pins)} pinned versions were checked: {known}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from a terminal; the exit status says what came of it."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description=__doc__)
    parser.add_argument(
        "--constraints", type=Path, default=ROOT / "constraints.txt", help="the file of the pins"
    )
    parser.add_argument("--source", choices=SOURCES, help="only this source of advisories")
    parser.add_argument("--osv-url", help="a mirror of the OSV API, asked instead of the one on the internet")
    given = parser.parse_args(arguments)
    sources = SOURCES if given.source is None else (given.source,)
    options = () if given.osv_url is None else ("--osv-url", given.osv_url)
    try:
        done = audit(pinned(given.constraints), sources, options)
    except (MtmdError, OSError) as error:
        Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print(literal(f"error: {error}"))
        return NOT_CHECKED
    for line in words(done):
        Console(highlight=False, emoji=False, soft_wrap=True).print(literal(line))
    return done.status


if __name__ == "__main__":
    sys.exit(main())
