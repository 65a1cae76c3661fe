"""Several servers of one model: which is asked, which is left alone, and whether all have its vectors."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from embedder.backends.upstream import FIRST_PAUSE_S, Sample, Upstream, WrongAnswer, status_of
from embedder.errors import ModelUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Made = TypeVar("_Made")

_REQUEST_TEXTS = 32
"""A request's size; TEI takes 32 texts where its owner set nothing else."""
_HELPERS = 8
"""Requests on their way beside those of the scheduler's own threads."""
_REQUEST_AT_FAULT = frozenset({400, 413, 422})
"""Every server would answer a request so; any other failure is that of one server."""
_TEXT_MAY_BE_AT_FAULT = frozenset({424, *range(500, 600)})
"""What servers answer when their runtime fails, be it of a text or of itself; 424 is TEI's."""
_MOST_APART = 0.45
"""How far vectors of one text by one model may be apart, as a share of their length.

A cosine of about 0.9, which leaves room for int8; other models' vectors are more than 1 apart.
"""


class Upstreams:
    """The servers of one model: each request goes to the one with the least to do that is not known to fail.

    The first one listed that answers says which vectors are the model's; one that sends others is not used.
    """

    def __init__(self, model_id: str, upstreams: Sequence[Upstream]) -> None:
        """Ask every server for a vector of one known text.

        Raises:
            ModelUnavailable: none answers, and one may later; the connections are closed.
        """
        self._model_id = model_id
        self._upstreams = list(upstreams)
        self._lock = threading.Lock()
        self._helpers = threading.Semaphore(_HELPERS)
        samples = self._samples()
        self._first, self.sample = next(iter(samples.items()))
        for upstream, sample in samples.items():
            try:
                self._compare(sample)
            except WrongAnswer as error:
                upstream.failed(error)
            else:
                upstream.checked = True
                upstream.succeeded()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, float32 `(n, d)`, row i for text i, by as many servers side by side as there are free.

        Raises:
            ModelUnavailable: no server can answer now; no text is at fault.
            openai.APIStatusError: a text is at fault, or may be.
        """
        import numpy as np

        starts = range(0, len(texts), _REQUEST_TEXTS)
        left = deque(
            (place, list(texts[start : start + _REQUEST_TEXTS])) for place, start in enumerate(starts)
        )
        made: dict[int, NDArray[np.float32]] = {}

        def work() -> None:
            while left:
                try:
                    place, part = left.popleft()
                except IndexError:  # another thread was faster
                    return
                try:
                    made[place] = self._ask(part)
                except BaseException:
                    left.clear()  # what is lost is lost for the whole batch
                    raise

        def help_out() -> None:
            try:
                work()
            finally:
                self._helpers.release()

        # Where no helper is free this thread does all of it, and never waits behind others' batches.
        helpers = [_begun(help_out) for _ in range(len(starts) - 1) if self._helpers.acquire(blocking=False)]
        try:
            work()
        finally:
            failures = [failure for helper in helpers if (failure := helper.exception())]
        if failures:
            raise failures[0]
        return np.concatenate([made[place] for place in range(len(starts))])

    def close(self) -> None:
        """Close their connections."""
        for upstream in self._upstreams:
            upstream.client.close()

    def _samples(self) -> dict[Upstream, Sample]:
        """Of those that answer, in the order of the list."""
        samples: dict[Upstream, Sample] = {}
        failures: list[Exception] = []
        asked = [(upstream, _begun(upstream.sample)) for upstream in self._upstreams]
        for upstream, asking in asked:
            try:
                samples[upstream] = asking.result()
            except Exception as error:
                failures.append(error)
                upstream.failed(error)
        if not samples:
            self.close()
            raise ModelUnavailable(
                f"No upstream of {self._model_id} answers ({type(failures[0]).__name__}).",
                retry_after_s=FIRST_PAUSE_S,
            )
        return samples

    def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of one server, or, while it cannot answer, of the next."""
        from openai import APIConnectionError, OpenAIError

        left = set(self._upstreams)
        again = len(left) == 1
        failures: dict[Upstream, Exception] = {}
        while left:
            with self._least_busy(left, len(texts)) as upstream:
                left.discard(upstream)
                try:
                    if not upstream.checked:
                        self._check(upstream)
                    vectors = upstream.vectors(texts)
                    self._compare_width(vectors.shape[1])
                    if not upstream.checked:  # it failed for others meanwhile: another may be back
                        self._check(upstream)
                except (OpenAIError, WrongAnswer) as error:
                    if status_of(error) in _REQUEST_AT_FAULT:
                        raise
                    upstream.failed(error)
                    failures[upstream] = error
                    # A connection that was kept and is gone; there is no other server to ask.
                    if again and isinstance(error, APIConnectionError):
                        again = False
                        left.add(upstream)
                else:
                    upstream.succeeded()
                    return vectors
        raise self._verdict(failures)

    def _verdict(self, failures: dict[Upstream, Exception]) -> Exception:
        """What to raise where every server failed.

        Servers answer 500 to one text that they cannot compute, and to all when they are broken: which of
        the two it is, is seen by a text that they could compute.
        """
        from openai import OpenAIError

        fault: Exception | None = None
        for upstream, error in failures.items():
            if status_of(error) not in _TEXT_MAY_BE_AT_FAULT:
                continue
            try:
                self._check(upstream)
            except (OpenAIError, WrongAnswer):
                continue
            upstream.succeeded()
            fault = error
        if fault is not None:
            return fault
        names = sorted({type(error).__name__ for error in failures.values()})
        soonest_s = min(upstream.down_until_s for upstream in self._upstreams)
        return ModelUnavailable(
            f"No upstream of {self._model_id} answers now ({', '.join(names)}). Try again in a while.",
            retry_after_s=max(FIRST_PAUSE_S, soonest_s - time.monotonic()),
        )

    def _check(self, upstream: Upstream) -> None:
        """Whether it has this model.

        Raises:
            openai.OpenAIError: it did not answer.
            WrongAnswer: it has another.
        """
        from openai import APIStatusError

        try:
            self._compare(upstream.sample())
            upstream.checked = True
        except APIStatusError as error:
            if error.status_code not in _REQUEST_AT_FAULT:
                raise
            # Nothing is wrong with our own text: it is not the present request that is at fault.
            raise WrongAnswer(f"it answers {error.status_code} to a plain text") from None

    def _compare(self, sample: Sample) -> None:
        import numpy as np

        self._compare_width(len(sample.vector))
        ours, theirs = self.sample.fingerprint, sample.fingerprint
        if ours and theirs and ours != theirs:
            raise WrongAnswer(f"its model's fingerprint is {theirs}, that of {self._first.host} is {ours}")
        apart = float(np.linalg.norm(sample.vector - self.sample.vector))
        if not apart <= _MOST_APART * float(np.linalg.norm(self.sample.vector)):
            raise WrongAnswer(f"its vector of a text is not that of {self._first.host}: it has another model")

    def _compare_width(self, dimensions: int) -> None:
        expected = len(self.sample.vector)
        if dimensions != expected:
            raise WrongAnswer(f"it sends {dimensions} dimensions where {self._first.host} sends {expected}")

    @contextmanager
    def _least_busy(self, among: set[Upstream], texts: int) -> Iterator[Upstream]:
        with self._lock:
            now_s = time.monotonic()
            # Where all are down the one that comes back first: it may be there again. Among equals any:
            # the first of a list would have all that comes one by one.
            chosen = min(
                among,
                key=lambda one: (max(0.0, one.down_until_s - now_s), one.busy_texts, random.random()),
            )
            chosen.busy_texts += texts
        try:
            yield chosen
        finally:
            with self._lock:
                chosen.busy_texts -= texts


def _begun(work: Callable[[], _Made]) -> Future[_Made]:
    """`work` in a thread that keeps no process from ending, as one of an executor would."""
    made: Future[_Made] = Future()

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="upstreams", daemon=True).start()
    return made
