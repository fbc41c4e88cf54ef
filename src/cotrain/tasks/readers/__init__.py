"""One file per format. A reader takes a Source and the columns wanted, and returns a table of them.

Besides the columns there are ``_split`` (a published split, or None where there are none) and ``_where`` (``train:17``,
also the row id where no column is named), and where the format knows patients or documents ``_group`` (``patient=ID006``,
the group where no column is named). Columns with known label names come back as pandas categoricals. ``attrs["facts"]``
counts what was left out, by names of ``cotrain.tasks.task.FACTS``.
"""

from cotrain.tasks.source import FORMATS

READERS = {
    "tabular": "cotrain.tasks.readers.tabular:read",
    **dict.fromkeys(FORMATS, "cotrain.tasks.readers.tabular:read"),
    "hub": "cotrain.tasks.readers.hub:read",
    "anafora": "cotrain.tasks.readers.anafora:read",
    "knowtator": "cotrain.tasks.readers.knowtator:read",
    "cnlpt": "cotrain.tasks.readers.cnlpt:read",
}
