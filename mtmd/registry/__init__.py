"""Candidates, the champion and its history (design §9); `gates` beside it decides between them (§8).

What is imported here needs neither torch nor the evaluation, so that a server can follow the champion.
"""

from mtmd.registry.records import Champion, Change, ModelManifest, Promotion, Registered, RegistryStatus
from mtmd.registry.registry import Registry

__all__ = [
    "Champion",
    "Change",
    "ModelManifest",
    "Promotion",
    "Registered",
    "Registry",
    "RegistryStatus",
]
