"""What the service may use, and what it lets in."""

from pydantic import Field

from mtmd.config import Frozen
from mtmd.serving.published import Precision


class Settings(Frozen):
    """Limits of one process of the service."""

    threads: int = Field(2, ge=1, le=256, description="questions that are answered at once, a core each")
    queue: int = Field(64, ge=0, description="questions that wait beside them; beyond, the service says 503")
    timeout_s: float = Field(2.0, gt=0, description="how long a question may wait and be answered before 503")
    head_timeout_s: float = Field(5.0, gt=0, description="how long a request's head may take before 408")
    body_timeout_s: float = Field(5.0, gt=0, description="how long a request's body may take before 408")
    connections: int = Field(512, ge=1, description="open connections; beyond, the service says 503")
    body_bytes: int = Field(1 << 20, ge=1, description="largest body; beyond, the service says 413")
    requests: int = Field(32, ge=1, description="most requests of a question")
    ads: int = Field(10_000, ge=1, description="most ads that a question may name")
    top_k: int = Field(500, ge=1, description="most ads of an answer, for each request")
    poll_s: float = Field(1.0, gt=0, description="how often the champion and its ads are looked at")
    precision: Precision = Field("float32", description="of the published ads that are mapped")
