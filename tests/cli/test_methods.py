"""``relate --by``, ``train --for METHOD``, ``group --from``: what they print and refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cotrain.study.study import Study


def test_an_affinity_by_another_method_is_shown_and_nominates(cotrain: Any, study: Study) -> None:
    cotrain("relate", study.path)
    said = cotrain("relate", study.path, "--by", "entropy", "--by", "accuracy")
    assert said.code == 0 and "Pairs by entropy, the highest first" in said.out and "Pairs by accuracy" in said.out
    assert "0 fits made for it" in said.out
    found = [json.loads(line) for line in cotrain("relate", study.path, "--by", "entropy", "--by", "pvi", "--json").out.splitlines()]
    assert [one["method"] for one in found] == ["entropy", "pvi"] and found[0]["cost"]["fits"] == 0
    assert cotrain("group", study.path, "--from", "entropy", "--select", "spectral", "--models", "3").code == 0
    assert "entropy needs no fits" in cotrain("train", study.path, "--for", "entropy").err
    assert "entropy-any-spectral" in [plan.name for plan in study.plans()]


@pytest.mark.parametrize(("arguments", "words"), [
    (("relate", "{}", "--by", "entropy", "--test", "student"), "--test: of the affinity by PVI alone; leave out --by"),
    (("relate", "{}", "--gains", "x.csv"), "--gains is the file of --by table"),
    (("relate", "{}", "--by", "entropi"), "unknown method 'entropi'. Did you mean 'entropy'?"),
    (("relate", "{}", "--by", "hoa"), "the method hoa needs 10 fits that are not there"),
    (("relate", "{}", "--by", "table"), "needs a file of measured losses"),
    (("train", "{}", "--for", "hoaa"), "unknown purpose 'hoaa'. Did you mean 'hoa'?"),
    (("group", "{}", "--from", "textemb"), "unknown affinity 'textemb'. Known: pvi; first: cotrain relate"),
    (("group", "{}", "--from", "pvi", "--select", "overlapping", "--models", "2"), "needs values that are gains; those of 'pvi'"),
])  # fmt: skip
def test_faults(cotrain: Any, study: Study, arguments: tuple[str, ...], words: str) -> None:
    cotrain("relate", study.path)
    said = cotrain(*(part.format(study.path) for part in arguments))
    assert said.code == 2 and words in " ".join(said.err.split())
