"""The grid: cells, groups and the study, and what the paper's study ran."""
