"""The exceptions for what a person can put right."""


class InputError(Exception):
    """Something given to the pipeline is wrong; the message is one line.

    It names the key or file, the value, what was expected and what to do.
    """


class OutputError(InputError):
    """A file cannot be written: the disk is full, or the folder is read-only."""
