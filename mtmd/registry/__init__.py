"""Candidates, the champion, its history, and the gates between them (design §8, §9)."""

from mtmd.registry.gates import RIVALS, GateInputs, Verdict, decide
from mtmd.registry.records import Champion, Change, ModelManifest, Promotion, Registered, RegistryStatus
from mtmd.registry.registry import Registry
from mtmd.registry.slice_gates import GateResult, SliceFinding

__all__ = [
    "RIVALS",
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
