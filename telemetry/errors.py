"""The exceptions that users see, as one line on standard error (see ``telemetry.command.run``)."""


class UserError(Exception):
    """What failed, which file or endpoint, and what to do next, in one line. Exit status 1."""


class UsageError(UserError):
    """An argument that makes no sense. Exit status 2."""


class TakenOver(UserError):
    """Another process holds the lock of a file or socket that this one needs."""
