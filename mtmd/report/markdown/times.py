"""How long something took, as people say it."""

from collections.abc import Mapping


def time_words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 32 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def stage_words(seconds: Mapping[str, float]) -> str:
    """Of a run, stage by stage, those below a tenth of a second left out: `41 s: train 30 s, prove 11 s`."""
    stages = [f"{name} {time_words(took)}" for name, took in seconds.items() if took >= 0.1]
    whole = time_words(sum(seconds.values()))
    return f"{whole}: {', '.join(stages)}" if stages else whole
