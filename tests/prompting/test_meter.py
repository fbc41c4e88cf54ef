"""Limits hold before anything is sent, and everybody waits where one is told to."""

from __future__ import annotations

import threading
import time

import pytest

from cotrain.prompting.meter import Capped, Halted, Limits, Meter


def test_requests_are_capped_before_they_are_sent() -> None:
    meter = Meter(Limits(requests=2))
    meter.take(10)
    meter.take(10)
    with pytest.raises(Capped, match="--max-requests 2"):
        meter.take(10)
    assert meter.spent.requests == 2


def test_tokens_count_what_is_under_way() -> None:
    meter = Meter(Limits(tokens=100))
    meter.take(60)
    with pytest.raises(Capped, match="--max-tokens 100"):
        meter.take(60)
    meter.give(60, 30, 1)  # it took less than it might have
    meter.take(60)
    assert meter.spent == (2, 30, 1)


def test_everybody_waits_for_the_longest_pause() -> None:
    meter = Meter()
    meter.pause(0.2)
    meter.pause(0.01)
    began = time.monotonic()
    meter.take(1)
    assert time.monotonic() - began >= 0.19


def test_a_halt_ends_every_wait() -> None:
    meter = Meter()
    meter.pause(600)
    threading.Timer(0.05, meter.halt.set).start()
    with pytest.raises(Halted):
        meter.take(1)
