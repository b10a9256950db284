"""Analysis: selection, comparisons with their uncertainty, and claims."""
