"""The champion behind HTTP, with onnxruntime alone: neither torch nor duckdb is imported here.

One request's path: `protocol` (its head in time) → `app` (its route) → `intake` (its body, in size and time) → `pool`
(room, or 503) → on a thread of the pool, with the model that is live at this moment: `questions` (validation) →
`mtmd.serving.Ranker` → an answer that names that model's bundle.
"""

from mtmd.service.app import create_app
from mtmd.service.live import Live, Serving
from mtmd.service.settings import Settings

__all__ = ["Live", "Serving", "Settings", "create_app"]
