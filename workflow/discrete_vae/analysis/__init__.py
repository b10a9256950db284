"""Analysis: selection, comparisons with their uncertainty, claims, use of the codes, and costs."""
