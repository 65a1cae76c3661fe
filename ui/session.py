"""What the page remembers of each visitor, bounded in number and time."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ui.datasets import Dataset, Datasets
from ui.last_call import LastCall
from ui.owned import RUNTIME
from ui.stopping import Stopper

MAX_SESSIONS = 256


@dataclass(slots=True)
class Session:
    """One open page. `job` counts loads: only the newest may put its dataset here; `looks` those at files.

    What a visitor's Cancel ends runs under `loads` (texts and layouts) or `comparisons`.
    """

    datasets: Datasets
    user: str = ""
    """The login; empty where the page asks for none."""
    dataset_id: str | None = None
    last_call: LastCall | None = None
    base: str = ""
    job: int = 0
    looks: int = 0
    embedded: str = ""
    """The file whose texts are on screen, or were: it is not there any more."""
    touched_s: float = field(default=0.0)
    loads: Stopper = field(default_factory=Stopper)
    comparisons: Stopper = field(default_factory=Stopper)
    map_value: str = ""
    """The component's value that this page was given last for the texts on screen."""

    @property
    def dataset(self) -> Dataset | None:
        """What this page shows, unless it has expired."""
        return self.datasets.get(self.dataset_id)

    def begin(self) -> int:
        """Number a new load; the ones before it have lost, and end."""
        self.job += 1
        self.loads.replace()
        return self.job

    def saw(self, value: object) -> None:
        """Remember what the map was given, if it is of the texts on screen."""
        if isinstance(value, str) and json.loads(value).get("id") == self.dataset_id:
            self.map_value = value

    def seen(self) -> str | None:
        """What `saw` remembers of the texts on screen; others who look at them may have another layout."""
        known = self.map_value and json.loads(self.map_value).get("id") == self.dataset_id
        return self.map_value if known else None

    def put(self, job: int, dataset: Dataset) -> bool:
        """Show `dataset` if `job` is still the newest; what embedded it is the last call."""
        if job != self.job:
            return False
        self.datasets.put(dataset)
        self.dataset_id = dataset.id
        from_here = dataset.model.runtime != RUNTIME
        self.last_call = LastCall.of(dataset.model.id, dataset.texts) if from_here else None
        return True


class Sessions:
    """Sessions by the key Gradio gives a page; the longest quiet leave first."""

    def __init__(
        self,
        expiry_s: float,
        datasets: Datasets,
        *,
        max_sessions: int = MAX_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expiry_s = expiry_s
        self.datasets = datasets
        self.max_sessions = max_sessions
        self._clock = clock
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, session_hash: str | None, user: str | None = None) -> Session:
        """The session of a page, made where there is none; `user` keeps logins apart."""
        key = (str(user or "")[:256], str(session_hash or "")[:128])
        session = self._sessions.setdefault(key, Session(self.datasets, key[0]))
        session.touched_s = self._clock()
        self._sessions.move_to_end(key)
        self._tidy()
        return session

    def _tidy(self) -> None:
        """Forget who went quiet, then the oldest until the number fits; never the newest."""
        oldest_s = self._clock() - self.expiry_s
        while len(self._sessions) > 1:
            first = next(iter(self._sessions.values()))
            if first.touched_s >= oldest_s and len(self._sessions) <= self.max_sessions:
                return
            self._sessions.popitem(last=False)
