"""The digest of a file."""

from pathlib import Path

import mtmd
from mtmd.store.sha256 import sha256_file


def test_the_digest_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_files_have_their_digests_from_one_function() -> None:
    root = Path(mtmd.__file__).parent
    found = [path for path in root.rglob("*.py") if "hashlib.file_digest(" in path.read_text()]
    assert [path.relative_to(root).as_posix() for path in found] == ["store/sha256.py"]
