"""The words of the demo: findings by body system, where they are and how they are qualified; all made up for it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """What a sentence is about, and whether its verb is plural."""

    name: str
    plural: bool = False


def _findings(one: str, many: str) -> tuple[Finding, ...]:
    """Return the findings of two lists with commas, singular and plural."""
    return tuple(Finding(name, plural=False) for name in one.split(", ")) + tuple(Finding(name, plural=True) for name in many.split(", "))


SYMPTOMS = {
    "chest": _findings(
        "chest pain, cough, shortness of breath, wheezing, chest tightness, orthopnea, pneumonia, sputum", "palpitations, night sweats"
    ),
    "abdomen": _findings(
        "nausea, vomiting, heartburn, diarrhea, constipation, bloating, jaundice, abdominal pain, anemia", "stomach cramps, gallstones"
    ),
    "head": _findings(
        "headache, dizziness, blurred vision, neck stiffness, tinnitus, vertigo, confusion, facial numbness", "seizures, tremors"
    ),
    "limbs": _findings(
        "knee pain, ankle swelling, back pain, joint stiffness, calf pain, leg weakness, arthritis, gout", "muscle cramps, falls"
    ),
    "general": _findings("fever, fatigue, weight loss, rash, itching, insomnia, anxiety, dehydration, loss of appetite", "chills, bruises"),
}
"""What a clinician asks about, by body system."""

IMAGES = {
    "chest": _findings(
        "effusion, consolidation, pneumothorax, atelectasis, edema, cardiomegaly, fibrosis", "nodules, opacities, infiltrates"
    ),
    "abdomen": _findings(
        "hydronephrosis, hematoma, abscess, free fluid, bowel obstruction, steatosis, free air", "stones, cysts, adhesions"
    ),
    "head": _findings("hemorrhage, infarct, midline shift, mass effect, sinusitis, aneurysm, atrophy", "calcifications, enhancing lesions"),
    "limbs": _findings(
        "fracture, dislocation, joint effusion, osteoarthritis, osteomyelitis, soft tissue swelling", "erosions, bone spurs"
    ),
}
"""What a radiologist looks for, by region."""

SITES = {
    "chest": ("left base", "right base", "left apex", "right upper lobe", "lingula", "right hilum"),
    "abdomen": ("liver", "left kidney", "right kidney", "pelvis", "spleen", "pancreas"),
    "head": ("left frontal lobe", "right temporal lobe", "cerebellum", "pons", "left orbit", "sella"),
    "limbs": ("left hip", "right knee", "left ankle", "right wrist", "left shoulder", "right elbow"),
}
"""Where on an image, by region."""

COURSE = ("mild", "severe", "recurrent", "intermittent", "new", "worsening", "chronic", "marked")
"""How strong a symptom is, or since when."""

EXTENT = ("small", "large", "subtle", "new", "old", "mild", "extensive", "focal")
"""How an image finding looks."""

SPANS = ("two days", "a week", "three weeks", "a month", "a year", "several months")
"""For how long."""
