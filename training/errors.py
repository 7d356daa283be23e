"""Every error that a user can meet, with its exit code.

    CurateError            4  a known failure; the hint says what to do
    ├── UsageError         2  an argument or a command in the wrong place
    │   └── ConfigError    2  all problems of one configuration, at once
    ├── DataError          2  labelled photos that cannot be used
    ├── Waiting            3  the next step is a person's
    ├── WorkspaceBusy      4  another command is writing
    ├── StepChanged        4  a finished step was made from other inputs
    ├── DamagedFile        4  a finished file is not what its record says
    ├── DatabaseError      4  mongod is missing, dead or unreachable
    ├── ModelError         4  weights that cannot be loaded or used
    │   └── Diverged       4  training ended in numbers that are none
    ├── ChildError         4  a heavy step died in its own process
    │   └── OutOfMemory    4  it needed more memory than there is
    ├── LlmUnavailable     4  the language model's server cannot be used now
    └── LlmBudget          4  a call would go beyond what the round may spend on the language model

Anything else that reaches the command line is a bug and exits 1.
"""


class CurateError(Exception):
    """A failure that we know: one sentence of what and where, and a hint of what to do now."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CurateError):
    """The command cannot be meant like this."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration has problems; the message lists all of them."""


class DataError(CurateError):
    """The dataset, or too much of it, cannot be used."""

    exit_code = 2


class Waiting(CurateError):
    """The round goes on when a person has done their part."""

    exit_code = 3


class WorkspaceBusy(CurateError):
    """Another command holds the workspace."""


class StepChanged(CurateError):
    """A finished step was made from inputs that are no longer the same."""


class DamagedFile(CurateError):
    """A file of the workspace is missing or differs from the digest in its record."""


class DatabaseError(CurateError):
    """The database cannot be started or reached."""


class ModelError(CurateError):
    """Weights that cannot be loaded, or a model that does not fit the data."""


class Diverged(ModelError):
    """Training ended in weights or losses that are not numbers."""


class ChildError(CurateError):
    """A heavy step in a process of its own did not end well."""


class OutOfMemory(ChildError):
    """A heavy step needed more memory than there is."""


class LlmUnavailable(CurateError):
    """The language model's server refuses us, asks to wait long, or fails again and again."""


class LlmBudget(CurateError):
    """A call could go beyond what the round may spend on the language model."""
