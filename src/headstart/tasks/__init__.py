"""One file per task: how labels become targets, the loss, and how outputs become predictions."""

from headstart.tasks.base import Task
from headstart.tasks.multi_label import MultiLabel
from headstart.tasks.single_label import SingleLabel

TASKS: dict[str, Task] = {task.kind: task for task in (SingleLabel(), MultiLabel())}
"""The task for each kind of labels a data set can have."""

__all__ = ["TASKS", "Task"]
