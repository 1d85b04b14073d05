"""Processes that the kernel ended because memory ran out: how many there were, and whether there was one since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEATHS = 2
"""A trial in which the process died for lack of memory so many times is not begun again."""
LEFT_OUT = "it was ended twice from outside, most likely for lack of memory; left out"
_COUNTERS = {False: ("", "memory.events"), True: ("memory", "memory.oom_control")}
"""Of control groups of version 2 and of version 1: where they lie, and the file with the counter `oom_kill`."""


@dataclass(frozen=True, slots=True)
class Kills:
    """How many processes the kernel has ended for lack of memory: of this process's control group, and on the machine.

    `boot` names the start of the machine since which they are counted, `group` the control group; None where the system says nothing.
    """

    boot: str | None = None
    group: str | None = None
    in_group: int | None = None
    on_machine: int | None = None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Kills:
        """As it was noted."""
        return cls(**{name: told.get(name) for name in cls.__slots__})

    def to_dict(self) -> dict[str, str | int | None]:
        """JSON-ready."""
        return asdict(self)

    def more_than(self, before: Kills) -> bool:
        """Whether there was another one since `before`: in the same group where that is still there, else on the machine.

        A machine that was started again tells nothing: it was not for lack of memory.
        """
        if self.boot is None or self.boot != before.boot:
            return False
        if self.group is not None and self.group == before.group:
            return _rose(before.in_group, self.in_group)
        return _rose(before.on_machine, self.on_machine)


def count_kills(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Kills:
    """The counters as they stand now."""
    boot = proc / "sys/kernel/random/boot_id"
    group, in_group = _of_group(proc / "self/cgroup", groups)
    return Kills(_text(boot).strip() or None, group, in_group, _counter(proc / "vmstat"))


def _of_group(own: Path, root: Path) -> tuple[str | None, int | None]:
    """What tells this process's control group from others, and its counter. Inside a container it may be shown as the root."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        where, name = _COUNTERS[bool(controllers)]
        for folder in (root / where / path.lstrip("/"), root / where):
            if (count := _counter(folder / name)) is not None:
                # A group of the same name that was made anew counts from zero: its inode is another one.
                return f"{folder}:{folder.stat().st_ino}", count
    return None, None


def _counter(file: Path) -> int | None:
    lines = (line.split() for line in _text(file).splitlines())
    return next((int(line[1]) for line in lines if line[0] == "oom_kill"), None)


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def _rose(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before
