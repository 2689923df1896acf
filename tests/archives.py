"""Unpacking archives, on every Python from 3.11.0 on."""

import tarfile
from pathlib import Path


def unpack(archive: Path, place: Path) -> None:
    """Unpack a tar archive that we made.

    The filter `data` refuses members outside the place. Python 3.11 has it from 3.11.4 on; Debian 12 has 3.11.2, where
    the archive is unpacked without a filter.
    """
    with tarfile.open(archive) as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", None)
        opened.extractall(place)
