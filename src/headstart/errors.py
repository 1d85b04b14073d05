"""Every error that a user can cause, as one tree.

```
HeadstartError            the command line prints it in one line and exits with 2
├── DataError             the examples, labels or columns that were handed in
│   └── NothingReadable   inputs to predict, of which not one can be read; exits with 1
├── OptionError           the value of an option
├── ModelError            a backbone that cannot be used
│   ├── ModelNotFound     no such name, folder or hub repository
│   ├── UnsafeWeights     pickle weights, code shipped with a model, a hash that does not match
│   └── HubUnreachable    the hub is needed and cannot be reached
├── OutOfMemory           a step that does not fit into the memory that is free
├── RunError              a run folder that is missing, unfinished or of another version
└── MissingExtra          an optional dependency that has to be installed first
```

Each message says where, what is wrong, and what to do, in one line.
"""

from __future__ import annotations


class HeadstartError(Exception):
    """Base of all errors that a user can cause; `exit_code` is what the command line ends with."""

    exit_code = 2


class DataError(HeadstartError):
    """The examples, labels or columns that were handed in cannot be used."""


class NothingReadable(DataError):
    """Inputs to predict were found, and not one of them can be read."""

    exit_code = 1


class OptionError(HeadstartError):
    """An option has a value that is not possible."""


class ModelError(HeadstartError):
    """A backbone cannot be used."""


class ModelNotFound(ModelError):
    """There is no such backbone name, folder or hub repository."""


class UnsafeWeights(ModelError):
    """The weights are pickled, need code that comes with the model, or do not match their hash."""


class HubUnreachable(ModelError):
    """The model hub is needed and cannot be reached."""


class OutOfMemory(HeadstartError):
    """A step needs more memory than is free, as measured beforehand or found out."""


class RunError(HeadstartError):
    """A run folder is missing, unfinished, or written by another version."""


class MissingExtra(HeadstartError):
    """An optional dependency has to be installed first."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out: torch has a class for it on a GPU, and only words on a CPU."""
    told = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or told
