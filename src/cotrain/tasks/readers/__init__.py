"""One file per format; each ``read(source)`` returns a table of strings with a ``_split`` and a ``_where`` column."""

READERS = {
    "tabular": "cotrain.tasks.readers.tabular:read",
    "hub": "cotrain.tasks.readers.hub:read",
}
