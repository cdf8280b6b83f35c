"""Backups: the database as it was at one moment, with what the store and Kafka held around it.

BackupError
├── NoBackupError        the folder holds no finished backup, or a damaged or newer one
├── NotEmptyError        what is to be restored into, or written to, is in use
└── ToolError            pg_dump or pg_restore is missing, or failed
"""

__all__ = ["BackupError", "NoBackupError", "NotEmptyError", "ToolError"]


class BackupError(Exception):
    """Base of what goes wrong with backups; the message says what to do."""


class NoBackupError(BackupError):
    """A folder holds no finished backup, or one that is damaged, or too new to be read."""


class NotEmptyError(BackupError):
    """What a backup is to be written to, or restored into, holds something or is in use."""


class ToolError(BackupError):
    """A program of Postgres is missing or failed; the message has its last lines."""
