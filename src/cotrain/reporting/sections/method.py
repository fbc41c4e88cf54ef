"""Method notes: how the numbers came about, and what preset ``paper`` does differently."""

from __future__ import annotations

from cotrain.reporting.content import Block, Bullets, Section, Text
from cotrain.reporting.tables import RunTables, estimator, outside
from cotrain.training.outside import is_outside
from cotrain.training.settings import OWN_TRAINER

PVI = (
    "PVI of a row: log2 p(label | text) of {model} minus log2 p(label) of the null model, on held-out rows only (Ethayarajh, Choi "
    "and Swayamdipta, ICML 2022). The null is the label frequencies of train unless said otherwise."
)
MODELS = {
    "probe": "a logistic regression on the mean over tokens of the frozen encoder's last layer, standardised on train,",
    "crossfit": "the encoder fine-tuned on the other folds of train and dev",
}
"""What predicts the label, by estimator; the fine-tuned encoder where none is named."""
TRAINED = ("finetune", "crossfit")
"""Estimators that score by fits."""
NOTES = (
    "Scores of fits take the epoch of the best dev log-loss; the comparison takes one epoch per group by its own rule. Every "
    "figure on dev is cross-selected: each half of dev is scored at the epoch that the other half chose.",
    "Intervals hold rows, clusters and seeds: rows of one patient, document or text are one cluster, and the variance "
    "between seeds is a term of its own, with Satterthwaite degrees of freedom.",
    "Verdicts, on test, at δ: gain, harm (Holm over tasks at .05), equivalent (90 % interval inside ±δ), not worse (its "
    "lower end above −δ), else undecided.",
    "A group passes on dev if every task that it serves has P(loss > δ) of at most .1 and the mean difference is above −δ/2. "
    "Goal better asks besides for a mean gain above 0 with 95 %. The recommended plan is the exact best partition over the "
    "groups that pass; alone is the default.",
    "Placebo trains the same helpers with permuted labels; matched updates trains the task alone for as many updates.",
)
OUTSIDE = (
    "PVI of a row: log2 p(label | text) of a model minus log2 p(label) of a null model, on held-out rows only (Ethayarajh, Choi "
    "and Swayamdipta, ICML 2022). Here it was computed elsewhere and read from files.",
    "Intervals hold rows, clusters and seeds, as far as the files name them: rows of one patient, document or text are one "
    "cluster, and the variance between seeds is a term of its own, with Satterthwaite degrees of freedom.",
    "Scores nominate, training decides: nothing was trained here, so no group is shown to help or to harm anybody.",
)
PAPER = (
    "Pairs by Student's t test, sets by one-way ANOVA, both on test rows, p above .01 counts as alike; pairs with shared "
    "rows are tested as if independent and marked.",
    "The partner with the largest |T| among those that pass is taken, which is the least similar of them.",
    "Ten epochs, the last is scored and compared: PVI there holds much of the confidence of wrong predictions.",
    "The null model is fine-tuned on blank inputs.",
    "Tasks that are not learned are warned of, and grouped all the same.",
)
PLAIN = ("Preset paper differs: it tests on test rows with Student's t and ANOVA, scores and compares the last of ten epochs, "
         "fine-tunes the null model, and groups tasks that are not learned. Here none of that is done.")  # fmt: skip


def section(run: RunTables) -> Section | None:
    """Return the notes, and for preset ``paper`` what it does that this project would not; of scores from outside those that hold."""
    if outside(run):
        return Section("method", "Method notes", (Bullets(OUTSIDE),))
    preset = str(run.spec.get("preset", ""))
    trainer = str(run.spec.get("trainer", OWN_TRAINER))
    models = {**MODELS, **(dict.fromkeys(TRAINED, f"what {trainer}, a trainer from outside, made") if is_outside(trainer) else {})}
    blocks: list[Block] = [Bullets((PVI.format(model=models.get(estimator(run), "the fine-tuned encoder")), *NOTES))]
    if preset.startswith("paper"):
        blocks += [Text("This study follows the paper (Li, Miller, Bethard and Savova, arXiv 2410.12774) where it differs:", "strong"),
                   Bullets(PAPER)]  # fmt: skip
    else:
        blocks.append(Text(PLAIN))
    return Section("method", "Method notes", tuple(blocks))
