"""The section of methods: costs always, scores only where they mean something, and never a ranking of noise."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from cotrain.affinity import judge
from cotrain.affinity.judge import Losses
from cotrain.reporting import style
from cotrain.reporting.content import Bullets, Section, Table, Text
from cotrain.reporting.figures.methods import draw
from cotrain.reporting.methods import costs, judged
from cotrain.reporting.report import report
from cotrain.reporting.sections.methods import section
from cotrain.reporting.tables import RunTables

LEARNED = ("boolq", "causal_language", "cb", "cola", "health_advice", "negation", "rte", "sst2")


def made(run: RunTables) -> Section:
    found = section(run)
    assert found is not None
    return found


def tables(found: Section) -> dict[str, dict[str, list[str]]]:
    """Return the cells of each table by its caption and the first of each line."""
    parts = [block for block in found.blocks if isinstance(block, Table)]
    return {part.caption: {line[0].text: [cell.text for cell in line[1:]] for line in part.rows} for part in parts}


def words(found: Section) -> str:
    return " ".join(
        [*(b.text for b in found.blocks if isinstance(b, Text)), *(i for b in found.blocks if isinstance(b, Bullets) for i in b.items)]
    )


def values(run: RunTables, name: str) -> np.ndarray:
    pairs = run.affinities[name].pairs
    both = {(a, b): v for a, b, v in pairs[["helper", "target", "value"]].itertuples(index=False)}
    both |= {(a, b): v for a, b, v in pairs[["target", "helper", "value"]].itertuples(index=False)}
    return np.array([[both[a, b] if a != b else np.nan for b in LEARNED] for a in LEARNED])


def test_one_method_alone_has_no_section(run: RunTables, many: RunTables) -> None:
    assert section(run) is None and draw(run, style.WIDE) is None
    assert section(replace(many, affinities={"pvi": many.affinities["pvi"]})) is None


def test_costs_are_those_of_the_affinities_and_agreement_is_that_of_scipy(many: RunTables) -> None:
    found = tables(made(many))["What methods cost"]
    assert list(found) == ["pvi", "hoa", "log_size", "mine:CLOSE", "surrogate", "taskemb", "textemb", "oracle"]
    assert found["hoa"][:5] == ["gains", "36", "9", "88 min", "0"] and found["taskemb"][0] == "content" and found["taskemb"][4] == "4,800"
    assert found["pvi"][2] == "–", "the fits that it reads are not counted" and found["mine:CLOSE"][0] == "not told"
    merged = many.affinities["pvi"].pairs.merge(many.affinities["textemb"].pairs, on=["target", "helper"])
    expected = spearmanr(merged["value_x"], merged["value_y"]).statistic
    assert next(one for one in costs(many) if one.name == "textemb").agreement == pytest.approx(expected)


def test_scores_are_those_of_the_judge_over_tasks_that_are_learned_the_best_first(many: RunTables) -> None:
    found = judged(many)
    assert found is not None and found.tasks == LEARNED and not found.why_not
    by_name = {one.name: one for one in found.scores}
    assert next(iter(by_name)) == "hoa" and set(by_name) == set(many.affinities) - {"oracle"}
    order = [one.interaction.value for one in found.scores]
    assert order == sorted(order, reverse=True)
    alone, pairs = many.truth["alone"], many.truth["pairs"]
    kept = pairs[pairs["target"].isin(LEARNED) & pairs["helper"].isin(LEARNED)]
    gains = Losses.of(alone[alone["task"] != "copa"], kept).gains()
    for name in ("hoa", "textemb"):
        assert by_name[name].interaction.value == pytest.approx(judge.score(gains, values(many, name)))
        assert by_name[name].within == pytest.approx(judge.within_target(gains, values(many, name)))
    assert by_name["hoa"].regret == pytest.approx(found.oracle - by_name["hoa"].gain) and by_name["hoa"].percentile > 0.5
    text = words(made(many))
    assert "Not learned, and so left out: copa." in text and re.search(r"hoa minus pvi: \.\d+ \[", text)


def test_what_shares_its_seeds_with_the_gains_is_named(many: RunTables) -> None:
    assert "pvi reads fits of seeds that the gains are measured with" in words(made(many))
    apart = replace(many, truth={**many.truth, "coupled": ()})
    assert "of seeds that the gains" not in words(made(apart))
    two = replace(many, truth={**many.truth, "coupled": ("pvi", "hoa")})
    assert re.search(r"(hoa and pvi|pvi and hoa) read fits of seeds", words(made(two)))


def test_noise_is_not_ranked(trained: Callable[..., RunTables]) -> None:
    noise = trained(seeds=3, interaction=0.0, noise=0.03)
    found = made(noise)
    assert re.search(
        r"Methods cannot be ranked on these tasks.* interval of its variance, \[−?[\d.]+, [\d.]+\] · 10⁻⁴, holds 0", words(found)
    )
    assert list(tables(found)) == ["What methods cost"] and draw(noise, style.WIDE) is None
    assert "Of what a mean gain over 3 seeds varies by" in words(found)


def test_three_tasks_or_one_seed_are_not_ranked(many: RunTables) -> None:
    alone, pairs = many.truth["alone"], many.truth["pairs"]
    few = ["cb", "rte", "sst2", "copa"]
    three = {"alone": alone[alone["task"].isin(few)], "pairs": pairs[pairs["target"].isin(few) & pairs["helper"].isin(few)], "coupled": ()}
    text = words(made(replace(many, truth=three)))
    assert "Methods are not ranked: it takes 4 tasks that are learned" in text and "there are 3 and 6" in text
    once = {"alone": alone[alone["seed"] == 0], "pairs": pairs[pairs["seed"] == 0], "coupled": ()}
    assert "there are 8 and 1" in words(made(replace(many, truth=once)))
    none = {"alone": alone[:0], "pairs": pairs[:0], "coupled": ()}
    assert "there are 0 and 0" in words(made(replace(many, truth=none)))


def test_without_the_truth_nothing_is_shown_to_be_better(many: RunTables) -> None:
    unknown = replace(many, truth={}, affinities={name: found for name, found in many.affinities.items() if name != "oracle"})
    found = made(unknown)
    assert "no method is shown to be better than another" in words(found) and "--for oracle" in words(found)
    assert list(tables(found)) == ["What methods cost"] and draw(unknown, style.NARROW) is None


def test_an_uncertain_reliability_is_said(trained: Callable[..., RunTables]) -> None:
    weak = trained(seeds=3, interaction=0.015, noise=0.02)
    found = judged(weak)
    assert found is not None and found.scores and found.reliability < 0.7
    assert "; .7 takes about" in words(made(weak))


def test_more_tasks_than_plans_can_be_enumerated_have_scores_and_no_regret(many: RunTables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.affinity.regret.MOST", 7)
    assert tables(made(many))["What methods know"]["hoa"][3:] == ["–", "–", "–"]
    assert draw(many, style.WIDE) is not None


def test_the_report_holds_the_section_and_its_figure(many: RunTables, tmp_path: Path) -> None:
    text = report(many, tmp_path).read_text(encoding="utf-8")
    assert 'id="methods"' in text and "What methods know" in text and not re.search(r">[^<]*\bnan\b[^<]*<", text)
    assert (tmp_path / "figures" / "methods.png").is_file()
    assert "\n## Methods\n" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_figure_is_the_same_twice(many: RunTables) -> None:
    for size in (style.WIDE, style.NARROW):
        first, second = (style.svg(figure, "methods") for figure in (draw(many, size), draw(many, size)) if figure is not None)
        assert first == second
