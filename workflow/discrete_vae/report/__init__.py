"""The report: tables, notes and figures."""
