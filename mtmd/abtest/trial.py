"""Which variants serve in the A/B test, and a trial of the test with models that are there already.

A trial is too small to conclude from.
"""

from collections.abc import Sequence
from typing import Literal

from mtmd.abtest.outcome import UNCONSTRAINED
from mtmd.config import Preset, variant
from mtmd.errors import ConfigError
from mtmd.extract.shards import ShardRef
from mtmd.model.build import ModelKind
from mtmd.run import RunPlan
from mtmd.train.additions import Start
from mtmd.train.rivals import earlier
from mtmd.train.stage import is_trained

Size = Literal["full", "trial"]
SAMPLES, REQUESTS = 5, 400


def variants_beside(preset: Preset, start: Start | None) -> list[str]:
    """The variants that serve beside a day's MTMD: the unconstrained model.

    It is trained anew, so none serves beside a training that goes on from another one; nor where no task has a parent,
    as MTMD is unconstrained then.
    """
    return [UNCONSTRAINED] if start is None and variant(UNCONSTRAINED).changes(preset) else []


def require_trained(
    plan: RunPlan, kinds: Sequence[ModelKind], window: Sequence[ShardRef], start: Start | None
) -> list[str]:
    """The variants that can serve in a trial: the unconstrained model where it is trained.

    Raises ConfigError where a model of these kinds is not trained: a trial trains nothing.
    """
    missing = [
        kind
        for kind in kinds
        if not is_trained(plan, kind, window, start=start if kind == "mtmd" else None)
        and earlier(plan, kind, {ref.day: ref.fingerprint for ref in window}) is None
    ]
    if missing:
        raise ConfigError(
            f"a trial trains nothing, and these models of {plan.as_of} are not trained: {', '.join(missing)}; run that "
            "day first, or run the test with size full"
        )
    return [
        name for name in variants_beside(plan.preset, None) if is_trained(plan, "mtmd", window, variant=name)
    ]
