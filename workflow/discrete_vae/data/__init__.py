"""Datasets: source files, their download, and binarized images."""
