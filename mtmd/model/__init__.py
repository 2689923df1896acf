"""The networks: a folder for each architecture, and beside them the layers that they share.

An architecture's folder has `Settings` in `__init__.py`, which needs no torch, and `Network` in `network.py`; where
what is exported differs from what is trained, `served.py`; and where it has ablations of its own, `variants.toml`.
"""

ARCHITECTURES = ("mtmd", "plain", "mmoe_dcn", "split", "per_slice")
