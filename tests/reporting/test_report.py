import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest

from cotrain.reporting import style
from cotrain.reporting.figures import distributions
from cotrain.reporting.report import report
from cotrain.reporting.tables import RunTables


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    to = tmp_path_factory.mktemp("report")
    report(run, to)
    return to


class Reader(HTMLParser):
    """Collects tags, ids and addresses of a page, and fails on tags that are not closed."""

    EMPTY = ("meta", "path", "rect", "use", "br", "link", "stop", "circle", "line")

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.addresses, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href"):
                self.addresses.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def page(to):
    reader = Reader()
    reader.feed((to / "report.html").read_text(encoding="utf-8"))
    return reader


def test_the_page_is_one_file_without_scripts_or_network(made):
    reader = page(made)
    assert "script" not in reader.tags and "link" not in reader.tags and "img" not in reader.tags
    assert all(address.startswith("#") for address in reader.addresses)
    text = (made / "report.html").read_text(encoding="utf-8")
    assert "@import" not in text and not re.search(r"url\((?!#|'#|\"#)", text)


def test_every_tag_is_closed_and_every_link_inside_the_page_has_its_target(made):
    reader = page(made)
    assert reader.open == []
    assert {address.removeprefix("#") for address in reader.addresses} <= set(reader.ids)


def test_every_figure_of_the_comparison_says_dev_or_test(made):
    text = (made / "report.html").read_text(encoding="utf-8")
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", text, flags=re.DOTALL):
        assert 'class="split' in caption or "Every plan" in caption


def test_figures_are_there_as_svg_and_png(made):
    files = sorted(path.name for path in (made / "figures").iterdir())
    for name in ("forest", "information", "epochs", "distributions", "similarity", "plans", "controls", "cost",
                 "plan-recommended", "plan-pvi-5", "plan-pvi-3"):  # fmt: skip
        assert f"{name}.svg" in files and f"{name}.png" in files
    for path in (made / "figures").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert (made / "figures" / "forest.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
def test_scores_that_are_all_equal_are_drawn(run):
    same = replace(run, scores=replace(run.scores, table=run.scores.table.assign(pvi_bits=0.25)))
    assert distributions.draw(same, style.WIDE).axes[0].get_xlim() == (-0.25, 0.75)


def test_the_same_run_gives_the_same_bytes(run, made, tmp_path):
    report(run, tmp_path)
    for name in ("report.html", "report.md", "figures/forest.svg", "figures/similarity.svg", "tables/table1_pairs.tex"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes(), name


def test_dark_and_light_pages_define_the_same_colours(made):
    from cotrain.reporting.html import DARK
    from cotrain.reporting.style import PALETTE

    assert set(DARK) == set(PALETTE)
    assert len(set(PALETTE.values())) == len(PALETTE)  # figures are recoloured by their codes
    text = (made / "report.html").read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    assert not [code for code in PALETTE.values() if code in body]


def test_names_that_look_like_markup_are_shown_as_they_are(run, tmp_path):
    named = replace(run, name="<b>x</b> & _y_", comparison=None, scores=None, affinity=None, plans=())
    report(named, tmp_path)
    assert "&lt;b&gt;x&lt;/b&gt; &amp; _y_" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert r"\<b>x\</b> & \_y\_" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_markdown_has_every_table_with_as_many_cells_as_columns(made):
    lines = (made / "report.md").read_text(encoding="utf-8").splitlines()
    width, tables = 0, 0
    for line in lines:
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        tables += width == 0
        assert cells == (width or cells)
        width = cells
    assert tables >= 8


def test_latex_tables_have_the_form_of_the_papers(made):
    pairs = (made / "tables" / "table1_pairs.tex").read_text(encoding="utf-8")
    assert r"Task Group & \textit{T}-statistic & \textit{P}-value \\" in pairs
    assert r"boolq-rte &" in pairs
    groups = (made / "tables" / "table2_groups.tex").read_text(encoding="utf-8")
    assert r"causal\_language-cb-sst2 & 0.813 & 0.444 \\" in groups and "boolq" not in groups
    results = (made / "tables" / "table6_recommended.tex").read_text(encoding="utf-8")
    assert r"\multicolumn{2}{c}{STL} & \multicolumn{2}{c}{MTL}" in results
    body = [line for line in results.splitlines() if line.startswith(("cb", "causal"))]
    assert len(body) == 2 and all(line.count("&") == 4 and line.count(r"$\pm$") == 4 for line in body)
    assert r"causal\_language" in results


def test_latex_prints_mean_and_half_of_the_seed_interval(run, made):
    line = run.comparison.table.query("served_by == 'cb+sst2' and task == 'cb' and split == 'test' and metric == 'accuracy'")
    value, half = line["value"].iloc[0], (line["value_high"] - line["value_low"]).iloc[0] / 2
    results = (made / "tables" / "table6_recommended.tex").read_text(encoding="utf-8")
    assert f"{value:.3f} ($\\pm$ {half:.3f})" in results


@pytest.mark.parametrize(
    "left",
    [
        ("check",),
        ("scores", "affinity"),
        ("scores", "affinity", "plans"),
        ("affinity", "plans", "comparison"),
    ],
)
def test_a_report_is_made_of_whatever_is_there(run, tmp_path, left):
    kept = {name: getattr(run, name) for name in left}
    path = report(RunTables(name="part", tasks_rows=run.tasks_rows, **kept), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert ("Similarity" in text) == ("affinity" in left)
    if "comparison" not in left:
        assert "predicted only" in text


def test_the_truth_stands_beside_the_estimate_where_it_is_known(run, tmp_path):
    path = report(replace(run, known={"cb": 0.731}, comparison=None), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "estimate − true" in text and ".731" in text
    assert "estimate − true" not in report(replace(run, comparison=None), tmp_path).read_text(encoding="utf-8")


def test_two_tasks_and_one_seed_are_enough(run, tmp_path):
    rows = run.tasks_rows[run.tasks_rows["task"].isin(["rte", "cb"])]
    table, facts = run.scores.table, run.scores.tasks
    kept = table[table["task"].isin(["rte", "cb"]) & (table["seed"] == 42)]
    scores = replace(run.scores, table=kept, tasks=facts[facts["task"].isin(["rte", "cb"])])
    affinity = replace(
        run.affinity,
        tasks=run.affinity.tasks[run.affinity.tasks["task"].isin(["rte", "cb"])],
        pairs=run.affinity.pairs[(run.affinity.pairs["target"] == "cb") & (run.affinity.pairs["helper"] == "rte")],
    )
    path = report(RunTables("two", rows, scores=scores, affinity=affinity), tmp_path)
    assert "One seed only" in path.read_text(encoding="utf-8")


def test_missing_statistics_are_dashes_not_nan(run, tmp_path):
    pairs = run.affinity.pairs.assign(p=float("nan"), p_holm=float("nan"), statistic=float("nan"), state="too few")
    path = report(replace(run, affinity=replace(run.affinity, pairs=pairs), comparison=None), tmp_path)
    assert not re.search(r">[^<]*\bnan\b[^<]*<", path.read_text(encoding="utf-8"))


def test_preset_paper_says_what_it_does_differently(run, tmp_path):
    text = report(replace(run, spec={"preset": "paper"}, comparison=None), tmp_path).read_text(encoding="utf-8")
    assert "This study follows the paper" in text and "tested as if independent" in text


def test_rows_without_a_column_are_refused():
    from cotrain.errors import InputError

    with pytest.raises(InputError, match="cluster"):
        RunTables("x", pd.DataFrame(columns=["task", "row", "split", "label"]))
