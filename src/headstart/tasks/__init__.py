"""One file per task: how labels become targets, the loss, and how outputs become predictions."""

from headstart.tasks.base import Task
from headstart.tasks.language_modelling import LanguageModelling
from headstart.tasks.multi_label import MultiLabel
from headstart.tasks.ordinal import Ordinal
from headstart.tasks.quantity import Quantity
from headstart.tasks.question_answering import QuestionAnswering
from headstart.tasks.single_label import SingleLabel
from headstart.tasks.token_labels import TokenLabels

_ROWS: tuple[Task, ...] = (
    SingleLabel(), MultiLabel(), Ordinal(), Quantity(), QuestionAnswering(), LanguageModelling(), TokenLabels(),
)  # fmt: skip
TASKS: dict[str, Task] = {task.kind: task for task in _ROWS}
"""The task for each kind of labels a data set can have."""

__all__ = ["TASKS", "Task"]
