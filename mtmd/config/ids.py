"""`[ids]` of a preset: what type the ids of requests, users and ads have in the logs."""

from typing import Literal

from pydantic import Field

from mtmd.config.base import Frozen

IdType = Literal["BIGINT", "VARCHAR", "UUID"]


class IdsConfig(Frozen):
    """The type of each kind of id. Ids keep it everywhere: `mtmd/logs/ids.py` says how each type is held."""

    request: IdType = Field("BIGINT", description="type of request_id in requests and candidates")
    user: IdType = Field("BIGINT", description="type of user_id in requests")
    ad: IdType = Field("BIGINT", description="type of ad_id in ads and candidates")
