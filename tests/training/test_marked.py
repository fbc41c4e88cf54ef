"""Entities between markers: tokens of their own, never cut, and read where the study says so; the same in training and in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer, pipeline

from cotrain import Group, Task
from cotrain.errors import InputError
from cotrain.serving.export import export
from cotrain.tasks.readers.entities import MARKERS
from cotrain.training import encoder, models
from cotrain.training.marked import Marks, lost, marks, wrong_pooling
from cotrain.training.model import build, load_base
from cotrain.training.scoring import pad
from cotrain.training.settings import Settings
from cotrain.training.train import Options, train

ENCODERS = ("tiny_bert", "tiny_roberta")
LABELS = {"a": ("no", "yes")}


@pytest.fixture(params=ENCODERS)
def path(request: pytest.FixtureRequest) -> Path:
    """An encoder that has no markers."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def marked_task(task: Callable[..., Task]) -> Task:
    """A task whose label is said by the marked word alone, in texts that are longer than inputs."""
    plain = task("a", train=24, dev=12, test=12)
    random = np.random.default_rng(3)
    texts = []
    for label in plain.rows["label"]:
        words = [f"w{i:02d}" for i in random.integers(2, 40, 30)]
        at = random.integers(0, 30)
        words[at] = f"<e> {'w01' if label == 'yes' else 'w00'} </e>"
        texts.append(" ".join(words))
    return replace(plain, rows=plain.rows.assign(text=texts))


def row(tokens: Any, text: str, max_length: int = 1000, pair: str | None = None) -> list[int]:
    table = pd.DataFrame({"text": [text], "pair": [pair or ""]})
    [found] = encoder.encode(table, pair is not None, tokens, max_length)
    ids: list[int] = found["input_ids"]
    assert {len(values) for values in found.values()} == {len(ids)}
    return ids


def test_markers_are_one_token_each_and_the_words_around_them_stay_as_they_are(path: Path) -> None:
    plain, tokens = encoder.tokenizer(path, 32), encoder.tokenizer(path, 32, MARKERS)
    found = marks(tokens)
    assert found and marks(plain) is None and found.begin != found.end
    text = "w01 <e> w02 w03 </e> w04"
    ids = row(tokens, text)
    assert [i for i in ids if i not in found] == row(plain, "w01 w02 w03 w04")
    assert ids.count(found.begin) == ids.count(found.end) == 1
    assert row(tokens, "w01 w02") == row(plain, "w01 w02")


def test_markers_begin_as_the_mean_of_the_pieces_that_they_were(path: Path) -> None:
    plain, tokens = AutoTokenizer.from_pretrained(path), encoder.tokenizer(path, 32, MARKERS)
    before = load_base(path, "eager").model
    after = load_base(path, "eager", MARKERS).model
    again = load_base(path, "eager", MARKERS).model
    old, new = (model.get_input_embeddings().weight for model in (before, after))
    assert after.config.vocab_size == len(new) == len(old) + 2
    assert torch.equal(new[: len(old)], old) and torch.equal(new, again.get_input_embeddings().weight)
    for marker in MARKERS:
        pieces = plain(marker, add_special_tokens=False)["input_ids"]
        expected = np.mean([old[i].detach().numpy() for i in pieces], axis=0)
        np.testing.assert_allclose(new[tokens.convert_tokens_to_ids(marker)].detach().numpy(), expected, atol=1e-7)


def test_other_weights_are_those_of_a_model_without_markers(path: Path) -> None:
    one, two = (build(load_base(path, "eager", special), LABELS, 1).weights() for special in ((), MARKERS))
    changed = [name for name in one if not torch.equal(one[name], two[name][: len(one[name])] if one[name].ndim else two[name])]
    assert one.keys() == two.keys() and not changed


@pytest.mark.parametrize("has_pair", [False, True])
def test_whatever_is_cut_the_entity_and_its_markers_stay_in_the_middle(path: Path, has_pair: bool) -> None:
    tokens = encoder.tokenizer(path, 32, MARKERS)
    found = marks(tokens)
    assert found
    random = np.random.default_rng(0)
    bare = len(row(tokens, "", pair="" if has_pair else None))
    for _ in range(200):
        left, inside, right, other = (" ".join(f"w{i:02d}" for i in random.integers(0, 40, random.integers(0, 30))) for _ in range(4))
        inside = inside or "w05"
        text, pair = f"{left} <e> {inside} </e> {right}".strip(), other if has_pair else None
        size = int(random.integers(8, 40))
        whole, ids = row(tokens, text, pair=pair), row(tokens, text, size, pair)
        assert len(ids) == min(size, len(whole))
        begin, end = ids.index(found.begin), ids.index(found.end)
        assert ids.count(found.begin) == ids.count(found.end) == 1 and begin < end
        entity = whole[whole.index(found.begin) : whole.index(found.end) + 1]
        assert ids[begin:end] == entity[: end - begin], "the entity, or its beginning"
        before, after = whole[: whole.index(found.begin)], whole[whole.index(found.end) + 1 :]
        assert ids[0] == whole[0] and ids[-1] == whole[-1]
        if not has_pair and len(ids) < len(whole):
            kept_left, kept_right = begin - 1, len(ids) - end - 2
            assert ids[1:begin] == before[len(before) - kept_left :] and ids[end + 1 : -1] == after[:kept_right]
            if kept_left + kept_right:
                assert len(entity) == end - begin + 1, "words around go before the entity"
            if kept_left < len(before) - 1 and kept_right < len(after) - 1:
                assert abs(kept_left - kept_right) <= 1
        if has_pair and len(entity) + bare + len(row(tokens, other)) <= size:
            assert len(entity) == end - begin + 1 and ids[-len(row(tokens, other)) :][1:] == row(tokens, other)[1:]


def test_rows_without_an_entity_keep_their_beginning(path: Path) -> None:
    plain, tokens = encoder.tokenizer(path, 32), encoder.tokenizer(path, 32, MARKERS)
    long = " ".join(["w07", "w08"] * 40)
    assert row(tokens, long, 20) == row(plain, long, 20)
    assert lost([{"input_ids": row(tokens, long, 20)}], [long], tokens) == 0


def test_markers_that_the_encoder_does_not_see_are_counted(path: Path) -> None:
    texts = ["w01 " * 40 + "<e> w02 </e>", "<e> w02 </e>", "w01 " * 40]
    table = pd.DataFrame({"text": texts, "pair": ""})
    for special, size, expected in (((), 20, 2), (MARKERS, 20, 0), (MARKERS, 8, 0), (MARKERS, 3, 2)):
        tokens = encoder.tokenizer(path, 32, special)
        assert lost(encoder.encode(table, False, tokens, size), texts, tokens) == expected


def test_a_fit_on_marked_rows_its_model_and_its_folder_predict_the_same(
    marked_task: Task, settings: Callable[..., Settings], path: Path, tmp_path: Path
) -> None:
    for pooling in ("first", "entity"):
        chosen = settings(model=str(path), max_length=24, special_tokens=MARKERS, pooling=pooling, epochs=2)
        options = Options(workers=1, extras=("weights",))
        [fit] = train([Group.of("a")], {"a": marked_task}, chosen, [1], tmp_path / pooling, options)
        block = fit.blocks["a", "test"]
        epoch = int(block.epochs[-1])
        folder = models.write(fit, epoch, {"a": marked_task}, chosen, tmp_path / f"{pooling}-model")
        shared = models.load(folder, "cpu", "fp32")
        assert shared.about["special_tokens"] == list(MARKERS) and shared.about["pooling"] == pooling
        found = shared.predict(marked_task.split("test")["text"].tolist())["a"]
        np.testing.assert_allclose(np.log2(found), block.log2_p[-1], atol=1e-4)
        if pooling == "entity":
            with pytest.raises(InputError, match="no ordinary classifier"):
                export(folder, "a", tmp_path / "exported")
            continue
        classify = pipeline("text-classification", str(export(folder, "a", tmp_path / "exported")), top_k=None)
        [[*scores]] = classify(["w04 <e> w01 </e> w03"])
        expected = dict(zip(marked_task.labels, shared.predict(["w04 <e> w01 </e> w03"])["a"][0], strict=True))
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(expected, abs=1e-5)


def test_the_marked_word_is_learned_wherever_it_stands_in_a_long_text(
    marked_task: Task, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chosen = settings(max_length=12, special_tokens=MARKERS, pooling="entity", epochs=12)
    [fit] = train([Group.of("a")], {"a": marked_task}, chosen, [1], tmp_path, Options(workers=1))
    block = fit.blocks["a", "test"]
    assert (block.log2_p[-1].argmax(axis=1) == block.gold).mean() == 1.0


def test_only_used_embeddings_are_trained_with_markers_as_well(
    marked_task: Task, settings: Callable[..., Settings], trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    chosen = settings(max_length=12, special_tokens=MARKERS, weight_decay=0.1)
    (one, narrow) = trained(Group.of("a"), {"a": marked_task}, chosen)
    monkeypatch.setattr("cotrain.training.trainer.narrowed", lambda model, data, padding: nullcontext())
    (two, whole) = trained(Group.of("a"), {"a": marked_task}, chosen)
    np.testing.assert_allclose(one.dev["a"][3], two.dev["a"][3], atol=1e-4)
    tables = [model.classifiers[0].base_model.get_input_embeddings().weight.detach() for model in (narrow, whole)]
    torch.testing.assert_close(tables[0], tables[1], atol=1e-5, rtol=0)
    begin = load_base(encoder.folder(chosen.model), "eager", MARKERS).model.get_input_embeddings().weight[-2:]
    assert (tables[0][-2:] - begin).abs().max() > 1e-3, "markers are trained"


def test_heads_read_the_mean_over_the_entity(path: Path) -> None:
    """By hand: the last layer of the encoder alone, the mean over the entity put in place of the first token."""
    tokens = encoder.tokenizer(path, 32, MARKERS)
    found = marks(tokens)
    assert found
    first, pooled = (build(load_base(path, "eager", MARKERS, how), LABELS, 1).eval() for how in ("first", "entity"))
    texts = [
        "w01 <e> w02 w03 </e> w04",
        "<e> w09 </e>",
        "w01 w02 w03 w04 w05 w06 w07",
        "w01 </e> <e> w02",
        "w01 <e> w03 </e> w05 <e> w06 </e>",
    ]
    rows = encoder.encode(pd.DataFrame({"text": texts, "pair": ""}), False, tokens, 32)
    with torch.no_grad():
        together = pooled.logits("a", **pad(rows, tokens))
        plain = first.logits("a", **pad(rows, tokens))
        for i, one in enumerate(rows):
            batch, ids = pad([one], tokens), one["input_ids"]
            torch.testing.assert_close(pooled.logits("a", **batch)[0], together[i], atol=1e-5, rtol=1e-5)
            if i in (2, 3):
                torch.testing.assert_close(together[i], plain[i])
                continue
            base, head = first.classifier("a").base_model, first.classifier("a")
            last = base(**batch).last_hidden_state
            mean = last[:, ids.index(found.begin) + 1 : ids.index(found.end)].mean(dim=1, keepdim=True)
            expected = head.classifier(base.pooler(mean)) if getattr(base, "pooler", None) else head.classifier(mean)
            torch.testing.assert_close(together[i], expected[0], atol=1e-5, rtol=1e-5)
            assert (together[i] - plain[i]).abs().max() > 1e-4


def test_several_heads_that_share_a_pass_read_the_same_entity(path: Path) -> None:
    from cotrain.training.scoring import predict, predict_several

    tokens = encoder.tokenizer(path, 32, MARKERS)
    model = build(load_base(path, "eager", MARKERS, "entity"), {"a": ("x", "y"), "b": ("x", "y", "z")}, 1).eval()
    rows = encoder.encode(pd.DataFrame({"text": ["w01 <e> w02 </e>", "w05 w06"], "pair": ""}), False, tokens, 32)
    together = predict_several(model, ["a", "b"], rows, tokens)
    for name, log2_p in together.items():
        np.testing.assert_allclose(log2_p, predict(model, name, rows, tokens), atol=1e-6)


def test_an_encoder_whose_pooler_reads_something_unknown_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong_pooling(path) == ""
    monkeypatch.setattr("cotrain.training.marked._read", lambda encoder: None)
    assert "pooling entity is not known for the architecture" in wrong_pooling(path)


def test_the_blanks_of_the_null_model_have_no_markers(tiny_bert: Path) -> None:
    tokens = encoder.tokenizer(tiny_bert, 32, MARKERS)
    assert marks(tokens) == Marks(*tokens.convert_tokens_to_ids(list(MARKERS)))
    assert row(tokens, "") == row(encoder.tokenizer(tiny_bert, 32), "")
