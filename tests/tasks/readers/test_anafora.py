"""Folders in the layout of THYME: what was planted comes back, and what is at fault is told by file and annotation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotrain.demo.layouts import THYME, Mention, anafora
from cotrain.tasks.checks import check
from cotrain.tasks.load import load
from cotrain.tasks.readers.anafora import SUFFIXES, read
from cotrain.tasks.source import Cut, Source

ACTUAL = {"Polarity": "POS", "ContextualModality": "ACTUAL"}
NOTE = """[meta rev_date="02/20/2010" start_date="02/20/2010"]\r
[start section id="20103"]\r
No wombat fever, and the\r
cough is better.\r
[end section id="20103"]\r
[start section id="20104"]\r
Possible wombat asthma.\r
[end section id="20104"]\r
"""
XML = """<?xml version="1.0" encoding="UTF-8"?>
<data>
 <info><savetime>10:11:12 20-02-2010</savetime><progress>completed</progress></info>
 <schema path="./" protocol="file">temporal.schema.xml</schema>
 <annotations>
  <entity><id>1@e@ID006_clinic_016@gold</id><span>{fever}</span><type>EVENT</type><parentsType>TemporalEntities</parentsType>
   <properties><DocTimeRel>OVERLAP</DocTimeRel><Type>N/A</Type><Degree>N/A</Degree><Polarity> NEG
   </Polarity><ContextualModality>ACTUAL</ContextualModality><Permanence>UNDETERMINED</Permanence></properties></entity>
  <entity><id>2@e@ID006_clinic_016@gold</id><span>{cough}</span><type>EVENT</type><parentsType>TemporalEntities</parentsType>
   <properties><DocTimeRel>BEFORE/OVERLAP</DocTimeRel><Polarity>POS</Polarity><ContextualModality>undefined</ContextualModality>
   </properties></entity>
  <entity><id>3@e@ID006_clinic_016@gold</id><span>{asthma}</span><type>EVENT</type><parentsType>TemporalEntities</parentsType>
   <properties><DocTimeRel>AFTER</DocTimeRel><Polarity>POS</Polarity><ContextualModality>HEDGED</ContextualModality>
   </properties></entity>
  <entity><id>4@e@ID006_clinic_016@gold</id><span>{fever}</span><type>DUPLICATE</type><parentsType>TemporalEntities</parentsType>
   <properties/></entity>
  <entity><id>5@e@ID006_clinic_016@gold</id><span>16,28</span><type>DOCTIME</type><parentsType>TemporalEntities</parentsType></entity>
  <relation><id>1@r@ID006_clinic_016@gold</id><type>TLINK</type><parentsType>TemporalRelations</parentsType>
   <properties><Source>1@e@ID006_clinic_016@gold</Source><Type>CONTAINS</Type><Target>2@e@ID006_clinic_016@gold</Target></properties>
  </relation>
 </annotations>
</data>
"""


def spans(text: str, *words: str) -> str:
    """Return words of a text as Anafora writes them."""
    return ";".join(f"{text.index(word)},{text.index(word) + len(word)}" for word in words)


@pytest.fixture
def thyme(tmp_path: Path) -> Path:
    """One note of patient 6 with three events, written as the documentation of the format shows."""
    folder = tmp_path / "thyme" / "Dev" / "ID006_clinic_016"
    folder.mkdir(parents=True)
    (folder / folder.name).write_text(NOTE, newline="")
    marks = {"fever": spans(NOTE, "fever"), "cough": spans(NOTE, "cough", "better"), "asthma": spans(NOTE, "asthma")}
    (folder / f"{folder.name}{THYME}").write_text(XML.format(**marks))
    return tmp_path / "thyme"


def source(root: Path, attribute: str = "negation", **keys: object) -> Source:
    return Source("thyme", format="anafora", path=str(root), attribute=attribute, **keys)  # type: ignore[arg-type]


def texts(root: Path, **keys: object) -> list[str]:
    """Return the texts of a corpus."""
    found: list[str] = read(source(root, **keys), ["text"])["text"].tolist()
    return found


def test_the_documented_layout_is_read_to_the_letter(thyme: Path) -> None:
    labels = ("negation", "modality", "doctimerel", "Permanence")
    entry = Source("t", format="anafora", path=str(thyme), labels=labels, missing_label="skip", window=18)
    found = read(entry, [*labels, "text", "document", "patient", "type", "section"])
    assert found["text"].tolist() == [
        "No wombat <e> fever </e> , and the cough",
        "fever, and the <e> cough is better </e> .",  # parts are covered together, line ends are blanks, markup is not shown
        "Possible wombat <e> asthma </e> .",
    ]
    assert found["negation"].tolist() == ["negated", "not_negated", "not_negated"]
    assert found["modality"].astype(object).where(found["modality"].notna(), None).tolist() == ["actual", None, "hedged"]
    assert found["doctimerel"].tolist() == ["overlap", "before/overlap", "after"]
    assert found["Permanence"].tolist() == ["UNDETERMINED", None, None]
    assert list(found["modality"].cat.categories) == ["actual", "hedged", "hypothetical", "generic"]
    assert list(found["negation"].cat.categories) == ["not_negated", "negated"]  # the positive label is the last
    assert found["section"].tolist() == ["20103", "20103", "20104"]
    assert set(found["document"]) == {"ID006_clinic_016"} and set(found["patient"]) == {"ID006"} and set(found["type"]) == {"EVENT"}
    assert found["_split"].tolist() == ["validation"] * 3
    assert found["_group"].tolist() == ["patient=ID006"] * 3
    offsets = [spans(NOTE, *words).replace(",", "-").replace(";", ",") for words in (["fever"], ["cough", "better"], ["asthma"])]
    assert found["_where"].tolist() == [f"ID006_clinic_016:{n}@e@ID006_clinic_016@gold:{place}" for n, place in enumerate(offsets, 1)]


def test_sections_types_and_annotators_are_chosen(thyme: Path) -> None:
    assert texts(thyme, skip_sections=("20103",)) == ["Possible wombat <e> asthma </e> ."]
    assert len(texts(thyme, attribute="doctimerel", entities=("EVENT", "TIMEX3"))) == 3
    folder = thyme / "Dev" / "ID006_clinic_016"
    same = dict.fromkeys(("fever", "cough", "asthma"), spans(NOTE, "cough"))
    (folder / f"{folder.name}.Temporal.anna.completed.xml").write_text(XML.format(**same))
    assert texts(thyme, annotator="anna", window=0) == ["<e> cough </e>"] * 3
    assert texts(thyme, window=0) == ["<e> fever </e>", "<e> cough is better </e>", "<e> asthma </e>"]


def test_a_span_across_markup_shows_none_of_it_and_one_of_markup_alone_is_a_fault(thyme: Path, refused: Callable) -> None:
    folder = thyme / "Dev" / "ID006_clinic_016"
    file = next(file for file in folder.iterdir() if file.suffix == ".xml")
    across = f"{NOTE.index('better')},{NOTE.index('wombat asthma')}"
    file.write_text(XML.format(fever=across, cough=across, asthma=across))
    assert set(texts(thyme, window=0)) == {"<e> better. Possible </e>"}
    file.write_text(XML.format(fever="0,5", cough=across, asthma=across))
    message = refused(texts, thyme, window=0)
    assert "spans should cover words of their note" in message and "1@e@ID006_clinic_016@gold" in message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    words=st.lists(st.text(alphabet="aé\r\n <>&\u2028", min_size=1, max_size=6), min_size=1, max_size=8),
    values=st.lists(st.tuples(st.sampled_from(["POS", "NEG"]), st.sampled_from(["", " ", "\n "])), min_size=8, max_size=8),
    window=st.integers(0, 20),
)
def test_what_was_planted_comes_back(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], values: list[tuple[str, str]], window: int
) -> None:
    root = tmp_path_factory.mktemp("planted")
    text, mentions, expected = "", [], []
    for word, (polarity, blank) in zip(words, values, strict=False):
        text += "x" + word + "\r\ny "
        mentions.append(Mention([(len(text) - len(word) - 5, len(text) - 4)], {"Polarity": f"{blank}{polarity}{blank}"}))
        expected.append((" ".join(f"x{word}".split()), {"POS": "not_negated", "NEG": "negated"}[polarity]))
    anafora(root, "ID001_path_001", text, mentions)
    found = read(source(root, window=window), ["text", "negation"])
    entities = [row.split("<e> ")[1].split(" </e>")[0].replace("< ", "<") for row in found["text"]]
    assert list(zip(entities, found["negation"], strict=True)) == [(entity.replace("< ", "<"), label) for entity, label in expected]


def test_another_reader_sees_the_same_spans_and_values(tmp_path: Path) -> None:
    other = pytest.importorskip("anafora")  # anaforatools
    for number in range(20):
        text = f"x{number} a\r\nb wombat " * 9
        places = [[(5 * k, 5 * k + 4), (5 * k + 7, 5 * k + 11)][: 1 + k % 2] for k in range(number % 12 + 1)]
        mentions = [Mention(parts, {"Polarity": ("POS", "NEG")[k % 3 == 0]}) for k, parts in enumerate(places)]
        anafora(tmp_path, f"ID{number:03d}_clinic.v{number}", text, mentions)
    expected = [
        (one.id, one.spans, {"POS": "not_negated", "NEG": "negated"}[one.properties["Polarity"]])
        for folder, _, names in sorted(other.walk(str(tmp_path)))
        for name in names
        for one in other.AnaforaData.from_file(str(tmp_path / folder / name)).annotations
    ]
    found = read(source(tmp_path), ["negation", "document"])
    parts = [where.removeprefix(f"{name}:").rpartition(":") for where, name in zip(found["_where"], found["document"], strict=True)]
    spans = [tuple(tuple(map(int, part.split("-"))) for part in places.split(",")) for _, _, places in parts]
    assert list(zip((name for name, _, _ in parts), spans, found["negation"], strict=True)) == expected


def test_patients_are_split_by_their_number_where_no_folder_says_it(tmp_path: Path) -> None:
    for number in range(16):
        anafora(tmp_path, f"ID{number:03d}_clinic_001", f"wombat {number}", [Mention([(0, 6)], ACTUAL)], folder="all")
    found = read(source(tmp_path), ["patient"])
    sides = dict(zip(found["patient"], found["_split"], strict=True))
    assert [sides[f"ID{n:03d}"] for n in range(16)] == (["train"] * 4 + ["validation"] * 2 + ["test"] * 2) * 2
    assert set(read(source(tmp_path, split_by="none"), [])["_split"]) == {None}


def test_the_folder_says_it_first_and_a_note_outside_is_a_fault(tmp_path: Path, refused: Callable) -> None:
    for folder in ("Train", "test"):
        anafora(tmp_path, f"ID00{len(folder)}_clinic_001", "wombat", [Mention([(0, 6)], ACTUAL)], folder=folder)
    assert read(source(tmp_path), [])["_split"].tolist() == ["train", "test"]
    assert read(source(tmp_path, split_by="patient"), [])["_split"].tolist() == ["validation", "validation"]
    anafora(tmp_path, "ID001_clinic_009", "wombat", [Mention([(0, 6)], ACTUAL)], folder="more")
    assert f"more/ID001_clinic_009/ID001_clinic_009{THYME}" in refused(read, source(tmp_path), [])


def test_one_patient_is_on_one_side_in_every_task(tmp_path: Path) -> None:
    for number in range(60):
        kinds = [
            {"Polarity": "NEG" if (number + k) % 2 else "POS", "ContextualModality": "ACTUAL" if k % 3 else "HEDGED"} for k in range(6)
        ]
        text = " ".join(f"wombat{number}{k}" for k in range(6))
        mentions = [Mention([(text.index(f"wombat{number}{k}"), text.index(f"wombat{number}{k}") + 7)], kinds[k]) for k in range(6)]
        anafora(tmp_path, f"ID{number // 3:03d}_clinic_{number % 3:03d}", text, mentions, folder="all")
    both = Source("both", format="anafora", path=str(tmp_path), labels=("negation", "modality"), split_by="none", window=4)
    tasks = load([both, source(tmp_path, split_by="none", window=4)], Cut())
    rows = pd.concat([task.rows.assign(patient=task.rows["row"].str[:5]) for task in tasks.values()])
    assert rows.groupby("patient")["split"].nunique().max() == 1
    assert rows["patient"].nunique() == rows["cluster"].nunique() == 20
    assert set(rows["split"]) == {"train", "dev", "test"}
    # two tasks of one entry, and a second entry, are the same rows
    assert len({task.source for task in tasks.values()}) == 1
    assert len({tuple(task.rows["row"]) for task in tasks.values()}) == 1
    assert all(task.private for task in tasks.values())


def test_of_several_suffixes_the_first_is_read_and_counted(tmp_path: Path) -> None:
    for number, suffix in enumerate(SUFFIXES):
        anafora(tmp_path, "ID001_clinic_001.v2", "wombat", [Mention([(0, number % 6 + 1)], ACTUAL)], suffix=suffix)
    for number, suffix in enumerate(SUFFIXES):
        found = read(source(tmp_path), ["text", "document"])
        assert found["text"][0].split(" </e>")[0] == f"<e> {'wombat'[: number % 6 + 1]}"
        assert found["document"].tolist() == ["ID001_clinic_001.v2"]
        assert found.attrs["facts"]["preferred"] == (number + 1 < len(SUFFIXES))
        (tmp_path / "Train" / "ID001_clinic_001.v2" / f"ID001_clinic_001.v2{suffix}").unlink()


def test_names_are_parsed_from_the_right_in_any_folder(tmp_path: Path) -> None:
    flat, notes = tmp_path / "flat", tmp_path / "notes" / "more"
    notes.mkdir(parents=True)
    for name in ("ID001.clinic.v1", "ID002"):
        made = anafora(
            tmp_path / "made", name, f"wombat {name}", [Mention([(0, 6)], ACTUAL)], suffix=".Medical-Task-Adjudication.gold.completed.xml"
        )
        flat.mkdir(exist_ok=True)
        made.rename(flat / made.name)
        (made.parent / name).rename(notes / (name if name == "ID002" else f"{name}.txt"))
    found = read(source(flat, texts=str(tmp_path / "notes")), ["text", "document"])
    assert found["document"].tolist() == ["ID001.clinic.v1", "ID002"]
    assert found["text"].tolist() == ["<e> wombat </e> ID001.clinic.v1", "<e> wombat </e> ID002"]


def test_a_suffix_of_the_study_replaces_the_known_ones(tmp_path: Path) -> None:
    anafora(tmp_path, "ID001.a", "wombat", [Mention([(0, 1)], ACTUAL)])
    anafora(tmp_path, "ID001.a", "wombat", [Mention([(0, 2)], ACTUAL)], suffix=".Round2.final.xml")
    anafora(tmp_path, "ID002", "wombat", [Mention([(0, 3)], ACTUAL)], suffix=".Round3.final.xml")
    assert texts(tmp_path, suffix=".Round?.final.xml", window=0) == ["<e> wo </e>", "<e> wom </e>"]
    assert texts(tmp_path, window=0) == ["<e> w </e>"]


def test_a_suffix_says_neither_whose_nor_unfinished_annotations_are_read(tmp_path: Path) -> None:
    for end, who in ((1, "gold.completed"), (2, "gold.inprogress"), (3, "anna.completed")):
        anafora(tmp_path, "ID001", "wombat", [Mention([(0, end)], ACTUAL)], suffix=f".Temporal-Entity.{who}.xml")
    assert texts(tmp_path, suffix=".Temporal-*.xml", annotator="anna", window=0) == ["<e> wom </e>"]
    assert texts(tmp_path, suffix=".Temporal-*.gold.*.xml", window=0) == ["<e> w </e>"]
    assert texts(tmp_path, suffix=".Temporal-*.inprogress.xml", window=0) == ["<e> wo </e>"]  # asked for by name


def test_linked_folders_are_read_once_and_endings_in_capitals_too(tmp_path: Path) -> None:
    anafora(tmp_path / "store", "ID001", "wombat", [Mention([(0, 1)], ACTUAL)])
    anafora(tmp_path / "corpus", "ID002", "wombat", [Mention([(0, 2)], ACTUAL)])
    train = tmp_path / "corpus" / "Train"
    [file] = (train / "ID002").glob("*.xml")
    file.rename(file.with_suffix(".XML"))
    (train / "ID001").symlink_to(tmp_path / "store" / "Train" / "ID001")
    (train / "again").symlink_to(tmp_path / "corpus")
    assert texts(tmp_path / "corpus", window=0) == ["<e> w </e>", "<e> wo </e>"]


def test_annotations_beside_the_notes_in_texts_are_no_unfinished_ones(tmp_path: Path) -> None:
    for name in ("ID001", "ID002"):
        anafora(tmp_path, name, "wombat", [Mention([(0, 1)], ACTUAL)])
        for file in (tmp_path / "Train" / name).iterdir():
            file.rename(tmp_path / (file.name if file.name != name else f"{name}.txt"))
    assert read(source(tmp_path, texts=str(tmp_path)), ["text"]).attrs["facts"]["unfinished"] == 0


def test_notes_without_finished_gold_annotations_are_counted(thyme: Path) -> None:
    for number, suffix in enumerate(
        (".Temporal-Relation.gold.inprogress.xml", ".Temporal-Relation.anna.completed.xml", ".preannotation.xml")
    ):
        anafora(thyme, f"ID10{number}_clinic_001", "wombat", [Mention([(0, 6)], ACTUAL)], suffix=suffix)
    beside = thyme / "Dev" / "ID006_clinic_016"
    (beside / f"{beside.name}.Temporal-Relation.gold.inprogress.xml").write_text("<not finished")
    found = read(source(thyme), ["document"])
    assert set(found["document"]) == {"ID006_clinic_016"}
    assert found.attrs["facts"]["unfinished"] == 3


BOMB = '<?xml version="1.0"?><!DOCTYPE data [<!ENTITY a "wombat"><!ENTITY b "&a;&a;&a;">]><data><annotations>&b;</annotations></data>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE data [<!ENTITY a SYSTEM "file:///etc/passwd">]><data><annotations>&a;</annotations></data>'
EMPTY = "<data><annotations/></data>"
FILES = {
    "broken": ("<data>\n<annotations>\n<entity>wombat</data>", "annotation files should be well-formed XML; 1 otherwise: {0} line 3"),
    "a bomb": (BOMB, "annotation files should have no DTD, entities or external references; 1 otherwise: {0}"),
    "an external entity": (OUTSIDE, "annotation files should have no DTD, entities or external references; 1 otherwise: {0}"),
    "a DTD": (f'<!DOCTYPE data SYSTEM "http://localhost/wombat.dtd">{EMPTY}', "annotation files should have no DTD"),
    "another root": ("<annotations>wombat</annotations>", "annotation files should begin with <data>; 1 otherwise: {0}"),
    "another encoding": ('<?xml version="1.0" encoding="wombat"?><data/>', "annotation files should be"),
    "cut short": (EMPTY[:20], "annotation files should be well-formed XML; 1 otherwise: {0} line 1"),
    "empty": ("", "annotation files should be well-formed XML; 1 otherwise: {0} line 1"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_plain_xml_is_refused_by_name(thyme: Path, refused: Callable, case: str) -> None:
    content, expected = FILES[case]
    file = anafora(thyme, "ID001_clinic_001", "wombat", [])
    file.write_text(content)
    message = refused(read, source(thyme), ["text"])
    assert expected.format(file.relative_to(thyme)) in message
    assert "leave them out and count them with on_error: skip" in message
    assert len(texts(thyme, on_error="skip")) == 3


FAULTY = {
    "outside the note": (Mention([(0, 7)], ACTUAL), "spans should cover words of their note"),
    "backwards": (Mention([(4, 2)], ACTUAL), "spans should cover words of their note"),
    "one part outside": (Mention([(0, 2), (5, 70)], ACTUAL), "spans should cover words of their note"),
    "no span": (Mention([], ACTUAL), "spans should cover words of their note"),
    "no property": (Mention([(0, 6)], {"ContextualModality": "ACTUAL"}), "annotations should have the property Polarity"),
    "an undefined property": (Mention([(0, 6)], {"Polarity": "Undefined"}), "annotations should have the property Polarity"),
    "an unknown value": (Mention([(0, 6)], {"Polarity": "wombat"}), "Polarity should be one of POS, NEG"),
    "an id twice": (Mention([(0, 6)], ACTUAL, id="1@e@ID001_clinic_001@gold"), "ids of annotations should be unique"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_faulty_annotation_is_told_by_file_and_id_or_left_out(tmp_path: Path, refused: Callable, case: str) -> None:
    mention, words = FAULTY[case]
    good = Mention([(0, 6)], ACTUAL, id="1@e@ID001_clinic_001@gold")
    file = anafora(tmp_path, "ID001_clinic_001", "wombat", [good, mention._replace(id=mention.id or "2@e@x@gold")])
    message = refused(read, source(tmp_path), ["text", "negation"])
    assert f"{words}" in message and f"; 1 otherwise: {file.relative_to(tmp_path)} {mention.id or '2@e@x@gold'}" in message
    found = read(source(tmp_path, on_error="skip"), ["negation"])
    assert found["negation"].dropna().tolist() == ["not_negated"]
    assert found.attrs["facts"]["faulty"] == 1


def test_a_property_that_is_missing_by_intention_is_a_row_without_a_label(thyme: Path) -> None:
    anafora(thyme, "ID009_clinic_001", "wombat", [Mention([(0, 6)], {})])
    found = read(source(thyme, missing_label="skip"), ["negation"])
    assert found["negation"].isna().sum() == 1 and found.attrs["facts"].get("faulty", 0) == 0


def test_every_fault_of_a_corpus_is_told_at_once_with_its_count(tmp_path: Path, refused: Callable) -> None:
    for number in range(300):
        polarity = "wombat" if 100 <= number < 130 else "POS"
        anafora(tmp_path, f"ID{number:03d}_clinic_001", "wombat", [Mention([(0, 99 if number == 7 else 6)], {"Polarity": polarity})])
    gone = tmp_path / "Train" / "ID200_clinic_001" / "ID200_clinic_001"
    gone.unlink()
    unreadable = tmp_path / "Train" / "ID201_clinic_001" / f"ID201_clinic_001{THYME}"
    unreadable.unlink()
    unreadable.symlink_to(tmp_path / "nowhere")
    latin = tmp_path / "Train" / "ID202_clinic_001" / "ID202_clinic_001"
    latin.write_bytes("wombat\nfièvre".encode("latin-1"))
    message = refused(read, source(tmp_path), ["text", "negation"])
    for words in (
        "should be one of POS, NEG; 30 otherwise: ",
        "ID109_clinic_001.Temporal-Relation.gold.completed.xml 1@e@ID109_clinic_001@gold and 20 more",
        f"annotation files should have their note beside them, or in texts; 1 otherwise: Train/ID200_clinic_001/ID200_clinic_001{THYME}",
        f"files should be readable; 1 otherwise: {unreadable.relative_to(tmp_path)} (no ordinary file)",
        "notes should be UTF-8; 1 otherwise: Train/ID202_clinic_001/ID202_clinic_001 line 2",
        "spans should cover words of their note; 1 otherwise: ",
    ):
        assert words in message
    found = read(source(tmp_path, on_error="skip"), ["negation"])
    assert (len(found), found.attrs["facts"]["faulty"]) == (296, 34)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(thyme: Path, refused: Callable) -> None:
    file = next(thyme.rglob("*.xml"))
    file.unlink()
    os.mkfifo(file)
    assert f"files should be readable; 1 otherwise: {file.relative_to(thyme)} (no ordinary file)" in refused(
        read, source(thyme), ["text", "negation"]
    )


def test_a_document_that_is_there_twice_is_a_fault(tmp_path: Path, refused: Callable) -> None:
    for folder in ("Train", "Test"):
        anafora(tmp_path, "ID001_clinic_001", "wombat", [Mention([(0, 6)], ACTUAL)], folder=folder)
    assert "documents should be in one folder each; 1 otherwise: Test/" in refused(read, source(tmp_path), ["text", "negation"])


def test_two_files_with_one_suffix_are_a_fault(thyme: Path, refused: Callable) -> None:
    folder = thyme / "Dev" / "ID006_clinic_016"
    (folder / f"{folder.name}.old{THYME}").write_text(EMPTY)
    assert "one annotation file with a suffix; name the right one with suffix; 1 otherwise: Dev/" in refused(read, source(thyme), ["text"])
    assert len(texts(thyme, suffix=f"016{THYME}")) == 3


def test_what_was_left_out_is_a_warning_of_check(thyme: Path) -> None:
    for number in range(40):
        mentions = [Mention([(0, 6)], {"Polarity": "NEG" if number % 2 else "POS"}), Mention([(0, 99)], ACTUAL)]
        anafora(thyme, f"ID{number:03d}_clinic_002", f"wombat {number}", mentions, folder="Dev" if number % 3 else "Train")
    tasks = load([source(thyme, on_error="skip", splits={"test": "dev", "dev": 0.2})], Cut())
    assert "thyme: 40 faults of annotations and their files, left out by on_error: skip" in check(tasks)["warnings"]


def test_an_attribute_that_nothing_has_is_refused_with_those_that_there_are(thyme: Path, refused: Callable) -> None:
    message = refused(read, source(thyme, "Polarty"), ["Polarty"])
    assert "unknown attribute 'Polarty'. Did you mean 'Polarity'?" in message and "Permanence" in message and "negation" in message


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"split_by": "seed"}, "unknown split_by 'seed'. Known: folder, none, patient"),
        ({"entities": ("Event",)}, "there should be annotations of Event, found none"),
        ({"annotator": "anna"}, "there should be annotations of entities, found none"),
        ({"texts": "no/where"}, "no/where should be the folder of the corpus; there is none"),
    ],
)
def test_a_choice_that_leaves_nothing_is_refused(thyme: Path, refused: Callable, keys: dict, words: str) -> None:
    assert words in refused(read, source(thyme, **keys), ["text"])


def test_a_folder_that_is_not_there_and_an_unknown_column_are_refused(thyme: Path, refused: Callable) -> None:
    assert "should be the folder of the corpus; there is none" in refused(read, source(thyme / "no"), ["text"])
    assert "unknown column 'sectoin'. Did you mean 'section'?" in refused(read, source(thyme), ["sectoin"])
