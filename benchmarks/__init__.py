"""Figures that README and docs may quote: each module is a command, `python -m benchmarks.NAME`.

A command prints its table, stores it under `results/` as JSON and markdown with the machine it ran
on, and ends with 1 where a limit was missed. Run them on a machine that does nothing else.
"""
