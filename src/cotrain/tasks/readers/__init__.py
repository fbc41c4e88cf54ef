"""One file per format. A reader takes a Source and the columns wanted, and returns a table of them.

Besides the columns there are ``_split`` (a published split, or None where there are none) and ``_where`` (``train:17``,
also the row id where no column is named). Columns with known label names come back as pandas categoricals.
"""

from cotrain.tasks.source import FORMATS

READERS = {
    "tabular": "cotrain.tasks.readers.tabular:read",
    **dict.fromkeys(FORMATS, "cotrain.tasks.readers.tabular:read"),
    "hub": "cotrain.tasks.readers.hub:read",
}
