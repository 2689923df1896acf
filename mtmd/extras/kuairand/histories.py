"""What a user was shown before, where a preset asks for it: videos with what the user did, and tags of clicked videos.

A request looks back over all days before its own (UTC), newest first. So it sees nothing of its own day, just as the
counts of earlier days do not.
"""

import numpy as np
import pyarrow as pa

from mtmd.extras.kuairand.mapping import Exposures
from mtmd.extras.kuairand.teacher.rows import Bools, Ints
from mtmd.sources.simulated.events import Events, Lists, newest_before

COLUMNS = ("recent_ads", "recent_ad_actions", "recent_ad_hours", "recent_tags")
ACTIONS = ("shown", "click", "good_click", "profile_enter")  # of a video the last that happened
_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600


class Histories:
    """Histories of every user in the exposures."""

    def __init__(self, exposures: Exposures, video_id: pa.Array, tag: pa.Array) -> None:
        """video_id, tag: of each row of the video table."""
        self._shown = _events(exposures, np.ones(len(exposures), np.bool_))
        known = tag.is_valid().to_numpy(zero_copy_only=False)[exposures.video]
        self._clicked = _events(exposures, exposures.labels[:, 0] & known)
        self._video_id, self._tag = video_id, tag

    def columns(self, user: Ints, time_ms: Ints) -> dict[str, pa.Array]:
        """For requests (N,) of these users at these times: lists of videos, actions, their ages in hours, and tags."""
        second = time_ms // 1000
        midnight = second // _DAY_SECONDS * _DAY_SECONDS
        shown = newest_before(self._shown, user, 0, midnight)
        clicked = newest_before(self._clicked, user, 0, midnight)
        actions = np.array(ACTIONS)[self._shown.action[shown.place]]
        hours = (second[shown.row] - self._shown.time[shown.place]) / _HOUR_SECONDS
        lists: dict[str, tuple[Lists, pa.Array]] = {
            "recent_ads": (shown, self._video_id.take(pa.array(self._shown.value[shown.place]))),
            "recent_ad_actions": (shown, pa.array(actions, pa.string())),
            "recent_ad_hours": (shown, pa.array(hours.astype(np.float32))),
            "recent_tags": (clicked, self._tag.take(pa.array(self._clicked.value[clicked.place]))),
        }
        return {name: of.of(values) for name, (of, values) in lists.items()}


def _events(exposures: Exposures, chosen: Bools) -> Events:
    """Chosen exposures by the second, about rows of the video table."""
    clicked, good, entered = exposures.labels.T
    action = np.select([entered, good, clicked], [3, 2, 1], 0)
    columns = (exposures.user, exposures.time_ms // 1000, exposures.video, action.astype(np.int64))
    return Events(*(column[chosen] for column in columns))
