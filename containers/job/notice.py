"""AWS's notice that it takes a spot instance back: two minutes before, in the metadata ("Spot Instance interruption
notices"). A recommendation to rebalance is no notice: it is said in the log, and the work goes on."""

from __future__ import annotations

import contextlib
import threading
from typing import Callable

from containers.job.instance import Metadata

ACTION = "meta-data/spot/instance-action"
REBALANCE = "meta-data/events/recommendations/rebalance"


class NoticeWatch:
    """Looks for the notice in a thread of its own: every 5 s, as AWS recommends, unless the settings say otherwise."""

    def __init__(
        self, metadata: Metadata, noticed: Callable[[], None], said: Callable[[str], None], interval_s: float
    ) -> None:
        self._metadata = metadata
        self._noticed = noticed
        self._said = said
        self._interval_s = interval_s
        self._rebalance = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notice", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self) -> bool:
        """Look once; return whether AWS takes the instance. Raises OSError."""
        if self._metadata.get(ACTION) is not None:
            self._noticed()
            return True
        if not self._rebalance and self._metadata.get(REBALANCE) is not None:
            self._rebalance = True
            self._said("AWS says that it may take this spot instance back soon")
        return False

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            with contextlib.suppress(OSError, ValueError):
                if self.look():
                    return
