"""The one exception for what a person can put right."""


class InputError(Exception):
    """Something given to the pipeline is wrong; the message is one line.

    It names the key or file, the value, what was expected and what to do.
    """
