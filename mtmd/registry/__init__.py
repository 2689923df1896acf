"""Candidates, the champion, its history, and the gates between them (design §8, §9)."""

from mtmd.registry.gates import GateInputs, GateResult, SliceFinding, Verdict, decide
from mtmd.registry.records import Champion, Change, ModelManifest, Promotion, Registered, RegistryStatus
from mtmd.registry.registry import Registry

__all__ = [
    "Champion",
    "Change",
    "GateInputs",
    "GateResult",
    "ModelManifest",
    "Promotion",
    "Registered",
    "Registry",
    "RegistryStatus",
    "SliceFinding",
    "Verdict",
    "decide",
]
