from tests.serve.conftest import bundle, declarations, make_bundle

__all__ = ["bundle", "declarations", "make_bundle"]
