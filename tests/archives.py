"""Unpacking, with every Python that this project runs on."""

import tarfile
from pathlib import Path


def unpack(archive: Path, place: Path) -> None:
    """Unpack a tar archive of ours. Python has its filter from 3.11.4 on, and Debian 12 has 3.11.2."""
    with tarfile.open(archive) as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", None)
        opened.extractall(place)
