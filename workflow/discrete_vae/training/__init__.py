"""Training: a stack of cells, epoch by epoch, to the files of their runs."""
