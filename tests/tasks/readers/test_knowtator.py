"""Folders in the layouts of SHARP: what was planted comes back, and what is at fault is told by file and mention."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cotrain.demo.layouts import Mention, knowtator
from cotrain.tasks.readers.knowtator import _NAMED, ATTRIBUTES, read
from cotrain.tasks.source import Source

NOTE = "Denies wombat fever.\r\nPossible asthma; father had gout. Liver normal.\r\n"
GOLD = "consensus set annotator team"


def annotation(mention: str, kind: str, *words: str, who: str = GOLD, slots: str = "") -> str:
    """Return an annotation as the documentation of the format shows it."""
    places = "".join(f'<span start="{NOTE.index(w)}" end="{NOTE.index(w) + len(w)}"/>' for w in words)
    links = "".join(f'<hasSlotMention id="{slot}"/>' for slot in slots.split())
    found = f'<annotation><mention id="{mention}"/><annotator id="x1">{who}</annotator>{places}'
    found += f"<spannedText>{' ... '.join(words)}</spannedText></annotation>"
    return f'{found}<classMention id="{mention}"><mentionClass id="{kind}">{kind}</mentionClass>{links}</classMention>'


def slot(kind: str, name: str, of: str, *values: str) -> str:
    """Return a slot as the documentation of the format shows it."""
    held = "".join(f'<{kind}SlotMentionValue value="{value}"/>' for value in values)
    return f'<{kind}SlotMention id="{name}"><mentionSlot id="{of}"/>{held}</{kind}SlotMention>'


XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<annotations textSource="d.1.txt">
{annotation("m1", "Sign_symptom", "fever", slots="s1")}
{slot("complex", "s1", "negation_indicator_CU", "m11")}
{annotation("m11", "negation_indicator_class", "Denies", slots="s11")}
{slot("string", "s11", "negation_indicator_normalization", "negation_present")}
{annotation("m2", "Disease_Disorder", "asthma", slots="s2 s3 s4 s5")}
{slot("complex", "s2", "uncertainty_indicator_CU", "m21")}
{annotation("m21", "uncertainty_indicator_class", slots="s21")}
{slot("string", "s21", "uncertainty_indicator_normalization")}
{slot("complex", "s3", "negation_indicator_CU", "m12")}
{annotation("m12", "negation_indicator_class", slots="s12")}
{slot("string", "s12", "negation_indicator_normalization", "negation_absent")}
{slot("complex", "s4", "conditional_CU", "m31")}
{annotation("m31", "conditional_class", slots="s31")}
{slot("boolean", "s31", "conditional_normalization", "true")}
{slot("complex", "s5", "generic_CU", "m32")}
{annotation("m32", "generic_class", slots="s32")}
{slot("boolean", "s32", "generic_normalization", "false")}
{annotation("m3", "Disease_Disorder", "gout", "had", slots="s6 s7 s8 s9")}
{slot("complex", "s6", "negation_indicator_CU", "m12", "m13")}
{annotation("m13", "negation_indicator_class")}
{slot("complex", "s7", "subject_CU", "m33")}
{annotation("m33", "Person", "father", slots="s33")}
{slot("string", "s33", "subject_normalization_CU", "family_member")}
{slot("complex", "s8", "historyOf_CU", "m34")}
{annotation("m34", "historyOf_indicator_class", "had", slots="s34")}
{slot("string", "s34", "historyOf_normalization", "historyOf_present")}
{slot("string", "s9", "associatedCode", "C0018099")}
{annotation("m4", "Anatomical_site", "Liver", slots="s10")}
{slot("complex", "s10", "location_of", "m1")}
{annotation("o1", "Anatomical_site", "Liver", who="anna", slots="s1")}
{annotation("o2", "body_side_class", "Liver")}
</annotations>
"""
LABELS = {
    "negation": ["negated", "not_negated", "negated", "not_negated"],  # m3: of two indicators one has no value, so it is present
    "uncertainty": ["not_uncertain", "uncertain", "not_uncertain", "not_uncertain"],  # a missing value means present
    "conditional": ["not_conditional", "conditional", "not_conditional", "not_conditional"],
    "generic": ["not_generic", "not_generic", "not_generic", "not_generic"],
    "history": ["not_history", "not_history", "history", "not_history"],
    "subject": ["patient", "patient", "family_member", "patient"],
}
NEW = ("SHARP/SeedSet1/by-document/d.1/d.1.umls.knowtator.xml", "SHARP/SeedSet1/by-batch/umls/10/text/d.1.txt")
OLDER = "Seed_Corpus/Seattle Group Health/UMLS_CEM/ss1_batch12/Knowtator{0}/d.1.knowtator.xml"
LAYOUTS = {
    "by document": ("SHARP/SeedSet1", *NEW, "validation"),
    "from above": ("SHARP", *NEW, "validation"),
    "stratified": ("SHARP/MayoStrat", *(file.replace("SeedSet1", "MayoStrat") for file in NEW), "train"),
    "older": ("Seed_Corpus", OLDER.format("_XML"), "Seed_Corpus/Seattle Group Health/UMLS_CEM/ss1_batch12/Knowtator/text/d.1", "test"),
    "older still": (
        "Seed_Corpus",
        OLDER.format(" XML"),
        "Seed_Corpus/Seattle Group Health/UMLS_CEM/ss1_batch12/Knowtator/text/d.1",
        "test",
    ),
    "of another name": ("Ours", *(file.replace("SHARP/SeedSet1", "Ours") for file in NEW), None),
}


def put(root: Path, annotations: str, text: str, xml: str = XML) -> None:
    for name, content in ((annotations, xml), (text, NOTE)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, newline="")


def source(root: Path, attribute: str = "negation", **keys: object) -> Source:
    return Source("seed", format="knowtator", path=str(root), attribute=attribute, **keys)  # type: ignore[arg-type]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """The note of this page in the newer layout of Seed."""
    put(tmp_path, *NEW)
    return tmp_path / "SHARP" / "SeedSet1"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_documented_layout_is_read_with_its_published_split(tmp_path: Path, layout: str) -> None:
    root, annotations, text, split = LAYOUTS[layout]
    put(tmp_path, annotations, text)
    found = read(source(tmp_path / root), ["text", "document"])
    assert found["document"].tolist() == ["d.1"] * 4
    assert found["_split"].tolist() == [split] * 4
    assert found["_group"].tolist() == ["document=d.1"] * 4


def test_the_documented_annotations_are_read_to_the_letter(seed: Path) -> None:
    entry = Source("t", format="knowtator", path=str(seed), labels=tuple(ATTRIBUTES), window=14)
    found = read(entry, [*ATTRIBUTES, "text", "type"])
    assert {attribute: found[attribute].tolist() for attribute in ATTRIBUTES} == LABELS
    assert found["text"].tolist() == [
        "Denies wombat <e> fever </e> . Possible",
        "Possible <e> asthma </e> ; father had",
        "father <e> had gout </e> . Liver",  # parts are covered together
        "had gout. <e> Liver </e> normal.",
    ]
    assert found["type"].tolist() == ["Sign_symptom", "Disease_Disorder", "Disease_Disorder", "Anatomical_site"]
    places = [f"{NOTE.index(word)}-{NOTE.index(word) + len(word)}" for word in ("fever", "asthma", "gout", "had", "Liver")]
    assert found["_where"].tolist() == [
        f"d.1:m1:{places[0]}", f"d.1:m2:{places[1]}", f"d.1:m3:{places[2]},{places[3]}", f"d.1:m4:{places[4]}",
    ]  # fmt: skip
    assert list(found["negation"].cat.categories) == ["not_negated", "negated"]
    assert found["subject"].cat.categories[0] == "patient"


def test_endings_in_capitals_are_read_too(seed: Path) -> None:
    [file] = seed.rglob("*.xml")
    file.rename(file.with_suffix(".XML"))
    assert len(read(source(seed), ["text"])) == 4


def test_types_and_annotators_are_chosen(seed: Path) -> None:
    assert len(read(source(seed, entities=("Anatomical_site",)), ["text"])) == 1
    other = read(source(seed, annotator="anna"), ["negation"])
    assert (other["negation"].tolist(), other["_where"][0][:6]) == (["negated"], "d.1:o1")


def test_the_published_splits_go_by_the_number_of_the_batch(tmp_path: Path) -> None:
    for batch in range(1, 19):
        for corpus in ("SeedSet1", "MayoStrat"):
            knowtator(tmp_path / corpus, f"n{batch}", "wombat", [Mention([(0, 6)], {}, "Lab")], batch)
    sides = {
        corpus: dict(read(source(tmp_path / corpus), ["document"])[["document", "_split"]].itertuples(index=False, name=None))
        for corpus in ("SeedSet1", "MayoStrat")
    }
    seed, strat = ([sides[corpus][f"n{batch}"] for batch in range(1, 19)] for corpus in ("SeedSet1", "MayoStrat"))
    assert seed == ["train"] * 9 + ["validation", "test", "test"] + ["train"] * 4 + ["validation", "train"]
    assert strat == (["train", "train", "validation", "test", "train"] * 4)[:18]  # batch mod 5: 0 to 2, 3, 4
    assert set(read(source(tmp_path / "SeedSet1", split_by="none"), [])["_split"]) == {None}
    # both corpora from above have no one rule
    for file in (tmp_path / "MayoStrat").rglob("n*"):
        file.rename(file.with_name(f"m{file.name}".replace("nn", "n")))
    assert set(read(source(tmp_path / "MayoStrat", split_by="seed"), [])["_split"]) == {"train", "validation", "test"}


def test_a_folder_that_only_begins_like_a_corpus_decides_no_split(tmp_path: Path) -> None:
    for name, known in (("strategy-2024", False), ("MayoStrat", True), ("strat_corpus", True), ("Stratified", True)):
        assert bool(_NAMED["strat"].fullmatch(name)) == known


def test_what_was_planted_comes_back(tmp_path: Path) -> None:
    text, mentions, expected = "", [], []
    for number, negation in enumerate([None, "", "negation_present", "negation_absent"] * 3):
        for uncertainty in (None, "", "indicator_present", "indicator_absent"):
            word = f"wombat{number}é"
            text += f"x {word}\r\n"
            values = {key: value for key, value in (("negation", negation), ("uncertainty", uncertainty)) if value is not None}
            mentions.append(Mention([(len(text) - len(word) - 2, len(text) - 2)], values, "Procedure"))
            negated, uncertain = negation in ("", "negation_present"), uncertainty in ("", "indicator_present")
            expected.append((f"<e> {word} </e>", "negated" if negated else "not_negated", "uncertain" if uncertain else "not_uncertain"))
    knowtator(tmp_path / "MayoStrat", "a.b", text, mentions, 4)
    entry = Source("t", format="knowtator", path=str(tmp_path / "MayoStrat"), labels=("negation", "uncertainty"), window=0)
    found = read(entry, ["text", "negation", "uncertainty"])
    assert list(found[["text", "negation", "uncertainty"]].itertuples(index=False, name=None)) == expected
    assert found.attrs["facts"]["shifted"] == 0


def test_spans_that_cover_other_words_than_annotated_are_counted(seed: Path) -> None:
    note = seed / "by-batch" / "umls" / "10" / "text" / "d.1.txt"
    note.write_text(NOTE.replace("\r\n", "\n"), newline="")
    assert read(source(seed), ["text"]).attrs["facts"]["shifted"] == 3  # all but the first line


FAULTY = {
    "an unknown value": (
        "negation_present",
        "wombat",
        "negation_indicator_normalization should be one of negation_absent, negation_present",
        "m11",
    ),
    "a link to nothing": ('value="m11"', 'value="m99"', "negation_indicator_CU should point to a mention of the class negation_ind", "m1"),
    "a link elsewhere": ('value="m11"', 'value="m21"', "negation_indicator_CU should point to a mention of the class negation_ind", "m1"),
    "a slot that is not there": ('"s10"/></classMention>', '"s99"/></classMention>', "mentions should link to slots that are in the", "m4"),
    "no slot of an indicator": ('"s11"/></classMention>', '"s99"/></classMention>', "mentions should link to slots that are in", "m11"),
    "outside the note": (f'end="{NOTE.index("fever") + 5}"', 'end="9999"', "spans should cover words of their note", "m1"),
    "no number": (f'end="{NOTE.index("fever") + 5}"', 'end="wombat"', "spans should cover words of their note", "m1"),
    "an id twice": ('<mention id="m2"/>', '<mention id="m1"/>', "ids of annotations should be unique", "m1"),
    "a mention twice": ('<classMention id="o1">', '<classMention id="m1">', "ids of mentions should be unique", "m1"),
    "no class": ('<classMention id="m4">', '<classMention id="z4">', "annotations should have a classMention", "m4"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_faulty_annotation_is_told_by_file_and_id_or_left_out(tmp_path: Path, refused: Callable, case: str) -> None:
    before, after, words, mention = FAULTY[case]
    assert XML.count(before) == 1
    put(tmp_path, *NEW, xml=XML.replace(before, after))
    root = tmp_path / "SHARP" / "SeedSet1"
    message = refused(read, source(root), ["text", "negation"])
    assert words in message and f"; 1 otherwise: by-document/d.1/d.1.umls.knowtator.xml {mention}. Mend these" in message
    found = read(source(root, on_error="skip"), ["negation"])
    assert found["negation"].notna().sum() >= 3 - (case == "outside the note")
    assert found.attrs["facts"]["faulty"] == 1


def test_broken_files_and_notes_that_are_missing_or_there_twice_are_told_at_once(tmp_path: Path, refused: Callable) -> None:
    root = tmp_path / "SeedSet1"
    for number in range(5):
        knowtator(root, f"n{number}", "wombat", [Mention([(0, 6)], {}, "Lab")], number + 1)
    files = [root / "by-document" / f"n{number}" / f"n{number}.umls.knowtator.xml" for number in range(5)]
    files[0].write_text("<annotations>\nwombat")
    (root / "by-batch" / "umls" / "02" / "text" / "n1.txt").unlink()
    knowtator(root, "n2", "wombat", [], 17)
    files[3].with_name("copy").mkdir()
    (files[3].parent / "copy" / files[3].name).write_text("<annotations/>")
    message = refused(read, source(root), ["text", "negation"])
    for words in (
        "annotation files should be well-formed XML; 1 otherwise: by-document/n0/n0.umls.knowtator.xml line 2",
        "one note, in a folder called text or in texts; 2 otherwise: by-document/n1/n1.umls.knowtator.xml, by-document/n2/",
        "documents should have one annotation file; 1 otherwise: by-document/n3/",
    ):
        assert words in message
    found = read(source(root, on_error="skip"), ["document"])
    assert (found["document"].tolist(), found.attrs["facts"]["faulty"]) == (["n4"], 4)


def test_notes_without_annotations_of_the_annotator_are_counted(seed: Path) -> None:
    knowtator(seed, "n1", "wombat", [Mention([(0, 6)], {}, "Lab")], 1, annotator="anna")
    (seed / "by-batch" / "umls" / "01" / "text" / "n2.txt").write_text("wombat")
    assert read(source(seed), []).attrs["facts"]["unfinished"] == 2


def test_a_batch_without_a_number_and_unknown_choices_are_refused(seed: Path, refused: Callable) -> None:
    assert "unknown attribute 'negaton'. Did you mean 'negation'?" in refused(read, source(seed, "negaton"), ["negaton"])
    assert "unknown split_by 'patient'. Known: folder, none, seed, strat" in refused(read, source(seed, split_by="patient"), [])
    (seed / "by-batch" / "umls" / "10").rename(seed / "by-batch" / "umls" / "ten")
    assert "documents should have a numbered batch, or split_by another rule; 1 otherwise" in refused(read, source(seed), [])
