"""The exceptions for what a person can put right."""


class CorrectableError(Exception):
    """Its message is one line: the key or file, the value, what was expected and what to do."""


class InputError(CorrectableError):
    """Something given to the pipeline is wrong."""


class OutputError(CorrectableError):
    """A file cannot be written: the disk is full, or the folder is read-only."""
