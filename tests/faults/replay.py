"""A disk that loses power: replays what the shim has recorded, up to any call, and keeps what was synced only.

The rule is that of POSIX, which is harder than what most file systems do. The content of a file lasts once the file
was synced, and a name once its folder was; of what was not synced, anything may be there. A rename within a folder
leaves the target as it was, or as it is after it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

CREATE, TRUNCATE, WRITE, RENAME, MKDIR, REMOVE, SYNC, LINK = range(1, 9)
_HEAD = struct.Struct("<IIIIQq")
#: What is left of what was not synced: nothing; all of it; names without content; this or that, by the dice.
LEFT = ("nothing", "all", "names", "some")

Tree = dict[str, "bytes | Tree"]


@dataclass(frozen=True)
class Call:
    """A recorded call."""

    kind: int
    inode: int
    offset: int
    path: str
    other: str
    data: bytes


@dataclass
class File:
    """A file's content, and what of it was synced."""

    now: bytes = b""
    synced: bytes = b""

    def left(self, rule: str, dice: random.Random) -> bytes:
        if rule == "some" and self.now != self.synced:
            return dice.choice([self.synced, self.now, self.now[: dice.randint(0, len(self.now))]])
        return self.now if rule == "all" else self.synced


@dataclass
class Folder:
    """A folder's names, and which of them were synced."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    synced: dict[str, File | Folder] = field(default_factory=dict)

    def left(self, rule: str, dice: random.Random) -> Tree:
        names = {"nothing": self.synced, "all": self.now, "names": self.now}.get(rule)
        if names is None:
            each = {name: dice.choice([self.now, self.synced]).get(name) for name in sorted({*self.now, *self.synced})}
            names = {name: node for name, node in each.items() if node is not None}
        return {name: names[name].left(rule, dice) for name in sorted(names)}


def read_calls(log: Path) -> Iterator[Call]:
    """Read what the shim wrote."""
    content, at = log.read_bytes(), 0
    while at < len(content):
        kind, path, other, size, inode, offset = _HEAD.unpack_from(content, at)
        parts, at = [], at + _HEAD.size
        for length in (path, other, size):
            parts.append(content[at : at + length])
            at += length
        assert kind <= LINK, f"the replay does not know a call on {parts[0].decode()}"
        yield Call(kind, inode, offset, parts[0].decode(), parts[1].decode(), parts[2])


class Disk:
    """The folder that was recorded.

    Parameters
    ----------
    root : Path
        Its path.
    before : Path
        A copy of what was in it, and on the disk, when the recording began.
    """

    def __init__(self, root: Path, before: Path) -> None:
        self.root = PurePosixPath(root)
        self.files: dict[int, File] = {}
        self.top = _load(before)

    def apply(self, call: Call) -> None:
        """Do what a call did."""
        if call.path == str(self.root) and call.kind == MKDIR:
            return
        if call.kind == SYNC and call.offset:
            folder = self.find(call.path)
            folder.synced = dict(folder.now)
        elif call.kind == SYNC:
            file = self._file(call)
            file.synced = file.now
        elif call.kind in (TRUNCATE, WRITE):
            file = self._file(call)
            end = call.offset + len(call.data)
            kept = file.now[: call.offset].ljust(call.offset, b"\0")
            file.now = kept + call.data + (file.now[end:] if call.kind == WRITE else b"")
        elif call.kind in (RENAME, LINK):
            folder, name = self._place(call.path)
            target, new = self._place(call.other)
            target.now[new] = folder.now[name]
            if call.kind == RENAME:
                del folder.now[name]
        elif call.kind == REMOVE:
            folder, name = self._place(call.path)
            del folder.now[name]
        else:
            folder, name = self._place(call.path)
            folder.now[name] = made = File() if call.kind == CREATE else Folder()
            if isinstance(made, File):
                self.files[call.inode] = made

    def find(self, path: str) -> File | Folder:
        node: File | Folder = self.top
        for part in PurePosixPath(path).relative_to(self.root).parts:
            node = node.now[part]
        return node

    def _file(self, call: Call) -> File:
        if call.inode not in self.files:  # it was there before the recording began
            self.files[call.inode] = self.find(call.path)
        return self.files[call.inode]

    def _place(self, path: str) -> tuple[Folder, str]:
        where = PurePosixPath(path)
        return self.find(str(where.parent)), where.name


def states(calls: list[Call], root: Path, before: Path, seed: int = 0) -> Iterator[tuple[str, Tree]]:
    """Yield what may be left after each call, each different state once, with a name."""
    disk, seen, dice = Disk(root, before), set(), random.Random(seed)  # noqa: S311
    for number, call in enumerate(calls):
        disk.apply(call)
        for rule in LEFT:
            tree = disk.top.left(rule, dice)
            if (key := hash(repr(tree))) not in seen:
                seen.add(key)
                yield f"{rule} after call {number}, {call}"[:300], tree


def shown(tree: Tree, kept: tuple[str, ...] = (), at: str = "") -> dict[str, bytes]:
    """Return the files that are not hidden, by path; also those in hidden folders whose names begin as in `kept`."""
    found = {}
    for name, node in tree.items():
        if name.startswith(".") and not name.startswith(kept or ("/",)):
            continue
        found |= {f"{at}{name}": node} if isinstance(node, bytes) else shown(node, kept, f"{at}{name}/")
    return found


def versions(calls: list[Call], root: Path, before: Path, kept: tuple[str, ...] = ()) -> dict[str, set[bytes]]:
    """Return all that each file has ever been, as it was when it came to its place, or a folder above it did."""
    disk, nothing = Disk(root, before), random.Random(0)  # noqa: S311
    found = {name: {content} for name, content in shown(disk.top.left("all", nothing), kept).items()}
    for call in calls:
        disk.apply(call)
        if call.kind == RENAME:
            for name, content in shown(disk.top.left("all", nothing), kept).items():
                found.setdefault(name, set()).add(content)
    return found


def build(tree: Tree, folder: Path) -> Path:
    """Make a tree on the real disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, node in tree.items():
        if isinstance(node, bytes):
            (folder / name).write_bytes(node)
        else:
            build(node, folder / name)
    return folder


def tree_of(folder: Path) -> Tree:
    """Return what is in a folder."""
    return _load(folder).left("all", random.Random(0))  # noqa: S311


def _load(folder: Path) -> Folder:
    made = Folder()
    for path in folder.iterdir():
        content = b"" if path.is_dir() else path.read_bytes()
        made.now[path.name] = _load(path) if path.is_dir() else File(content, content)
    made.synced = dict(made.now)
    return made
