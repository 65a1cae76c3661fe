"""Each thread that computes has the number of cores it asked for, whatever others ask for meanwhile."""

from __future__ import annotations

import threading

from embedder.backends.threads import use_threads


def test_another_threads_number_is_not_taken_over_by_the_first_operator() -> None:
    import torch

    asked, other_asked = threading.Event(), threading.Event()
    found: list[int] = []

    def one() -> None:
        use_threads(1)
        asked.set()
        other_asked.wait()
        torch.ones(8, 8) @ torch.ones(8, 8)
        found.append(torch.get_num_threads())
        use_threads(3)
        found.append(torch.get_num_threads())

    def other() -> None:
        asked.wait()
        use_threads(2)
        other_asked.set()

    threads = [threading.Thread(target=work) for work in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 3]
