"""What a clean-up removes and what it leaves, for its artifact."""

from mtmd.jobs.clean_up import CleanUp
from mtmd.report.markdown.plain import code, plain


def clean_up(planned: CleanUp, dry_run: bool, allow_large: bool = False) -> str:
    """What goes and what stays, by kind; then path by path, at most a hundred."""
    kinds = dict.fromkeys((*planned.kept, *(output.kind for output in planned.removable)))
    going = {kind: [output for output in planned.removable if output.kind == kind] for kind in kinds}
    refused = planned.large and not allow_large
    verb = "would be removed (dry run)" if dry_run else "are not removed" if refused else "are removed"
    head = f"## {len(planned.removable)} outputs, {planned.bytes / 1e6:,.1f} MB, {verb}"
    counts = [
        f"| {kind} | {len(outputs)} | {sum(output.bytes for output in outputs) / 1e6:,.1f} "
        f"| {planned.kept.get(kind, 0)} |"
        for kind, outputs in going.items()
    ]
    paths = [f"- {code(output.path)}: {plain(output.why)}" for output in planned.removable[:100]]
    more = [f"- and {len(planned.removable) - 100} more"] if len(planned.removable) > 100 else []
    standing = ", ".join(map(code, planned.standing)) or "none"
    large = (
        "more than [retention] lets go at once: it needs `allow_large`; look whether the newest run is right"
    )
    return "\n".join(
        [
            head,
            "",
            *((f"⚠ {large}", "") if refused else ()),
            f"newest run: {planned.newest}; kept for rollbacks: {standing}",
            "",
            "| kind | go | MB | stay |",
            "|:--|--:|--:|--:|",
            *counts,
            "",
            *paths,
            *more,
            "",
        ]
    )
