"""The service's lines and clients."""

from tests.serve.conftest import declarations, make_bundle
from tests.serve.http.conftest import client, line

__all__ = ["client", "declarations", "line", "make_bundle"]
