"""A YAML file as plain values that know their lines, with ``--set`` laid over it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cotrain.errors import InputError

Location = tuple[str | int, ...]
_TEXT, _MAPPING, _LIST, _MERGE = (f"tag:yaml.org,2002:{tag}" for tag in ("str", "map", "seq", "merge"))


class Fault(NamedTuple):
    """A fault in words, with its place; faults sort as the file does, those of ``--set`` last."""

    forced: bool
    line: int
    words: str


class _Loader(yaml.SafeLoader):
    """Numbers as people write them (2e-5; no octal, no base 60), no dates, lists as tuples."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _tag, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), _first)
_Loader.add_constructor(_LIST, lambda loader, node: tuple(loader.construct_sequence(node, deep=True)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Document:
    """The values of a study file.

    Attributes:
        path: of the file.
        root: its nodes, with ``--set`` laid over them.
        values: what they say; lists are tuples.
        faults: keys that are there twice or are no names, settings that are none.
    """

    path: Path
    root: MappingNode
    values: dict[str, Any]
    faults: tuple[Fault, ...]

    def fault(self, location: Location, words: str) -> Fault:
        """Return a fault of the deepest part of ``location`` that the file has."""
        key, _, depth = self._find(location)
        return _fault(key.start_mark, words) if depth else Fault(False, 0, f"{self.path}: {words}")

    def written(self, location: Location) -> str:
        """Return a scalar as it is written, or an empty text."""
        _, value, depth = self._find(location)
        return str(value.value) if isinstance(value, ScalarNode) and depth == len(location) else ""

    def _find(self, location: Location) -> tuple[Node, Node, int]:
        """Return the key and the value of the deepest part of ``location`` that the file has, and how deep that is."""
        key: Node = self.root
        value: Node = self.root
        for depth, part in enumerate(location):
            found = _item(value, part)
            if found is None:
                return key, value, depth
            key, value = found
        return key, value, len(location)


def document(path: Path, sets: Sequence[str] = ()) -> Document:
    """Return the document of a file, as if each ``KEY=VALUE`` (a dotted key, a YAML value) of ``sets`` stood in it.

    Raises:
        InputError: no file, not UTF-8, not YAML, not keys and values; the file is never quoted.
    """
    faults: list[Fault] = []
    root = _compose(_text(path), str(path), faults)
    if not isinstance(root, MappingNode):
        kind = "a list" if isinstance(root, SequenceNode) else "something else" if root else "an empty file"
        raise InputError(f"{path}: a study file should be keys and values, such as model: and tasks:; found {kind}")
    for one in sets:
        key, is_set, value = one.partition("=")
        if not key.strip() or not is_set:
            faults.append(Fault(True, 0, f"--set {one}: should be KEY=VALUE, such as plan.alpha=0.05"))
            continue
        try:
            node = _compose(value.strip() or "null", f"--set {key}=…", faults)
        except InputError as error:
            faults += [Fault(True, 0, words) for words in error.faults]
            continue
        if node is not None:
            root = _put(root, key.strip().split("."), node)
    return Document(path, root, _Loader("").construct_document(root), tuple(faults))


def _text(path: Path) -> str:
    """Return the content of a file."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} line {line}: a study file should be UTF-8, found other bytes; convert it") from None
    except OSError as error:
        raise InputError(f"{path}: should be a study file; it cannot be read ({type(error).__name__})") from None


def _compose(text: str, name: str, faults: list[Fault]) -> Node | None:
    """Return the nodes of a text, each key once and a name; what is not so is added to ``faults``."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        loader.name = name
        node = loader.get_single_node()
        if node is not None:
            _tidy(node, (), set(), faults, loader)
            loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise InputError(_fault(error.problem_mark, _why(text, error), name).words) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{name} line {line}: there is a character that YAML does not allow; remove it") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply, or an anchor (&) holds itself") from None
    return node


def _tidy(node: Node, at: Location, seen: set[int], faults: list[Fault], loader: _Loader) -> None:
    """Note keys that are there twice or are no names, and resolve merges, so that each key is found where it is."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            _tidy(item, (*at, i), seen, faults, loader)
    if not isinstance(node, MappingNode):
        return
    first: dict[str, Node] = {}
    for key, value in list(node.value):
        _tidy(value, at if key.tag == _MERGE else (*at, key.value), seen, faults, loader)
        if key.tag == _MERGE:
            continue
        if not isinstance(key, ScalarNode):
            faults.append(_fault(key.start_mark, "a key should be a name; put a value with braces or brackets in quotes"))
            node.value.remove((key, value))
            continue
        if key.tag != _TEXT and key.value != "null":  # null is a key of the study file
            faults.append(_fault(key.start_mark, f'a key should be a name; put it in quotes: "{key.value}"'))
        key.tag = _TEXT
        if key.value in first:
            what = "task" if at == ("tasks",) else "key"
            line = first[key.value].start_mark.line + 1
            faults.append(_fault(key.start_mark, f"the {what} '{key.value}' is there twice, first in line {line}; keep or rename one"))
        first.setdefault(key.value, key)
    loader.flatten_mapping(node)


def _fault(mark: yaml.Mark | None, words: str, name: str = "") -> Fault:
    """Return a fault at a mark: ``study.yaml line 12: …`` or ``--set plan.alpha=…: …``."""
    name = mark.name if mark else name
    if mark is None or name.startswith("--set"):
        return Fault(True, 0, f"{name}: {words}")
    return Fault(False, mark.line + 1, f"{name} line {mark.line + 1}: {words}")


def _item(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """Return the key and the value of a part of a node; an item of a list is its own key."""
    if isinstance(node, MappingNode):
        # the last of equal keys is the one that counts
        return next(((key, value) for key, value in reversed(node.value) if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _put(node: Node | None, parts: list[str], value: Node) -> MappingNode:
    """Return a mapping with a value put in at a dotted key; a name with dots is found where it is there already."""
    pairs = {key.value: (key, item) for key, item in node.value} if isinstance(node, MappingNode) else {}
    size = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in pairs), 1)
    name, rest = ".".join(parts[:size]), parts[size:]
    key, inner = pairs.get(name, (None, None))
    if rest:
        value = _put(inner, rest, value)
    if key is None or not rest or not isinstance(inner, MappingNode):
        key = ScalarNode(_TEXT, name, start_mark=value.start_mark)
    pairs[name] = (key, value)
    return MappingNode(_MAPPING, list(pairs.values()), start_mark=node.start_mark if node else value.start_mark)


def _why(text: str, error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong with broken YAML, without the library's words, which may quote it."""
    mark, problem = error.problem_mark, error.problem or ""
    where = f"not YAML at column {mark.column + 1}" if mark else "not YAML"
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "undefined alias" in problem:
        return f"{where}: an alias (*) has no anchor (&); put the value in quotes if it is none"
    if "another document" in problem:
        return f"{where}: there should be one document; remove the line ---"
    if "constructor" in problem:
        return f"{where}: tags (!) are not allowed; put the value in quotes if it is none"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{where}: indent with blanks, not with tabs"
    if re.search(r":\s+\{[^}]*\}\s*[^\s,}\]#]", line):
        return f'{where}: a template with braces should be in quotes, such as "{{premise}} {{question}}"'
    return f"{where}: look for quotes or brackets that are not closed, a colon inside a value without quotes, or uneven indentation"
