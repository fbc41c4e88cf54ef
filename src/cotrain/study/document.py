"""A YAML file as plain values that know their lines, with ``--set`` laid over it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cotrain.errors import InputError

Location = tuple[str | int, ...]
_TEXT = "tag:yaml.org,2002:str"
_MAPPING = "tag:yaml.org,2002:map"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Numbers as people write them (2e-5; no octal, no base 60), no dates, lists as tuples, one object per key."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _tag, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:seq", lambda loader, node: tuple(loader.construct_sequence(node, deep=True)))


class Document:
    """The values of a study file.

    Attributes:
        values: what the file and ``--set`` say.
        faults: keys that are there twice, keys that are no names, settings that are none.
    """

    def __init__(self, path: Path, sets: Sequence[str] = ()) -> None:
        """Read ``path``.

        Raises:
            InputError: no file, not UTF-8, not YAML, not keys and values; never a quotation of the file.
        """
        self.path = path
        self.faults: list[str] = []
        self._loader = _Loader("")
        root = self._compose(_text(path), str(path))
        if not isinstance(root, MappingNode):
            raise InputError(f"{path}: a study file should be keys and values, such as model: and tasks:; found {_kind(root)}")
        for one in sets:
            key, _, value = one.partition("=")
            if not key or "=" not in one:
                self.faults.append(f"--set {one}: should be KEY=VALUE, such as plan.alpha=0.05")
                continue
            try:
                node = self._compose(value or "null", f"--set {key}=…")
            except InputError as error:
                self.faults += error.faults
                continue
            if node is not None:
                root = _put(root, key.split("."), node)
        self._root = root
        self.values: dict[str, Any] = self._loader.construct_document(root)

    def _compose(self, text: str, name: str) -> Node | None:
        """Return the nodes of a text, checked for keys that are there twice."""
        try:
            loader = _Loader(text)
            loader.name = name
            node = loader.get_single_node()
            self._check(node, (), set())
            loader.construct_document(node) if node else None
        except yaml.MarkedYAMLError as error:
            raise InputError(f"{_place(error.problem_mark, name)}: {_why(text, error)}") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise InputError(f"{name} line {line}: there is a character that YAML does not allow; remove it") from None
        except RecursionError:
            raise InputError(f"{name}: nested too deeply, or an anchor holds itself") from None
        return node

    def _check(self, node: Node | None, at: Location, seen: set[int]) -> None:
        """Note keys that are there twice or are no names, and resolve merges, so that each key is found where it is."""
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            for i, item in enumerate(node.value):
                self._check(item, (*at, i), seen)
        if not isinstance(node, MappingNode):
            return
        lines: dict[str, Node] = {}
        for key, value in list(node.value):
            if key.tag == _MERGE:
                self._check(value, at, seen)
                continue
            if not isinstance(key, ScalarNode):
                self.faults.append(f"{_place(key.start_mark)}: a key should be a name; put a value with braces or brackets in quotes")
                node.value.remove((key, value))
                continue
            if key.value == "null":  # a key of the study file
                key.tag = _TEXT
            if key.tag != _TEXT:
                self.faults.append(f'{_place(key.start_mark)}: a key should be a name; put it in quotes: "{key.value}"')
                key.tag = _TEXT
            if key.value in lines:
                what = "task" if at == ("tasks",) else "key"
                both = f"{_place(lines[key.value].start_mark)} and {_place(key.start_mark)}"
                self.faults.append(f"{both}: the {what} '{key.value}' is there twice; keep or rename one")
            lines.setdefault(key.value, key)
            self._check(value, (*at, key.value), seen)
        self._loader.flatten_mapping(node)

    def node(self, location: Location) -> tuple[Node, Node, Location]:
        """Return the key, the value, and the location of the deepest part of ``location`` that the file has."""
        key: Node = self._root
        value: Node = self._root
        for depth, part in enumerate(location):
            found = _find(value, part)
            if found is None:
                return key, value, location[:depth]
            key, value = found
        return key, value, location

    def place(self, location: Location) -> str:
        """Return where something is: ``study.yaml line 12``, or ``--set plan.alpha=…``."""
        key, _, at = self.node(location)
        return _place(key.start_mark) if at else str(self.path)

    def written(self, location: Location) -> str:
        """Return a scalar as it is written, or an empty text."""
        _, value, at = self.node(location)
        return str(value.value) if isinstance(value, ScalarNode) and at == location else ""


def _text(path: Path) -> str:
    """Return the content of a file."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} line {line}: a study file should be UTF-8, found other bytes; convert it") from None
    except OSError as error:
        raise InputError(f"{path}: should be a study file; it cannot be read ({type(error).__name__})") from None


def _place(mark: yaml.Mark | None, name: str = "") -> str:
    """Return where a mark is."""
    if mark is None or mark.name.startswith("--set"):
        return mark.name if mark else name
    return f"{mark.name} line {mark.line + 1}"


def _kind(node: Node | None) -> str:
    """Return what a node is, in words."""
    if node is None:
        return "nothing: the file is empty"
    return "a list" if isinstance(node, SequenceNode) else "something else"


def _find(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """Return the key and the value of a part of a node; an item of a list is its own key."""
    if isinstance(node, MappingNode):
        # the last of equal keys is the one that counts
        return next(((k, v) for k, v in reversed(node.value) if k.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _put(node: Node | None, parts: list[str], value: Node) -> MappingNode:
    """Return a mapping with a value put in at a dotted key; a name with dots is found where it is there already."""
    pairs = dict((key.value, (key, item)) for key, item in node.value) if isinstance(node, MappingNode) else {}
    size = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in pairs), 1)
    name, rest = ".".join(parts[:size]), parts[size:]
    key, inner = pairs.get(name, (None, None))
    if rest:
        value = _put(inner, rest, value)
    if key is None or not rest:
        key = ScalarNode(_TEXT, name, start_mark=value.start_mark)
    pairs[name] = (key, value)
    return MappingNode(_MAPPING, list(pairs.values()), start_mark=node.start_mark if node else value.start_mark)


def _why(text: str, error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong with broken YAML, without the library's words, which may quote it."""
    mark = error.problem_mark
    where = f"not YAML at column {mark.column + 1}" if mark else "not YAML"
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{where}: indent with blanks, not with tabs"
    if "{" in line or "}" in line:
        return f'{where}: a template with braces should be in quotes, such as "{{premise}} {{question}}"'
    if "undefined alias" in (error.problem or ""):
        return f"{where}: an alias (*) has no anchor (&); put the value in quotes if it is none"
    if "another document" in (error.problem or ""):
        return f"{where}: there should be one document; remove the line ---"
    if "constructor" in (error.problem or ""):
        return f"{where}: tags (!) are not allowed; put the value in quotes if it is none"
    return f"{where}: look for quotes or brackets that are not closed, a colon inside a value without quotes, or uneven indentation"
