"""What a session is given: the world it reaches, how it ends, and the messages that come into its inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kdev.core.plan import Plan
from kdev.core.ports import Chronicle, Clock, Drivers, Journal, Observer, Reporter, Screen
from kdev.core.step import Step
from kdev.runner.job import Done, Reported, Up


class FilesChanged(NamedTuple):
    """The watcher saw these paths change; None means that anything may have."""

    paths: frozenset[str] | None


class PodsChanged(NamedTuple):
    """Pods came, went or restarted."""


Message = Reported | Up | Done | FilesChanged | PodsChanged


class Outside(NamedTuple):
    """Everything the session reaches the world through."""

    observer: Observer
    journal: Journal
    chronicle: Chronicle
    drivers: Drivers
    reporter: Reporter
    screen: Screen
    clock: Clock


class Mode(NamedTuple):
    """How the session ends. `stay`: when everything is up, go on until stopped. `pools`: places per pool.

    `reload` is called with changed paths and gives a new plan when they shape the graph.
    """

    stay: bool
    pools: Mapping[str, int]
    touches: Callable[[Step, frozenset[str]], bool] = lambda step, paths: True
    reload: Callable[[frozenset[str] | None], Plan | None] = lambda paths: None
