"""The grid: cells, groups and the study, and what the paper ran."""
