"""Inputs of what needs the selected models."""


def once_selected(files):
    """Give an input function that asks for nothing but the selection until there is one.

    Of the other temperatures no model is needed then; and where the selection was merely made anew, as when published
    results are redrawn, neither is any run, nor the data.

    Args:
        files: maps wildcards and the path of the selection to the input files.
    """
    return lambda wildcards: files(wildcards, checkpoints.select.get().output.selection)
