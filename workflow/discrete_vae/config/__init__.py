"""The configuration: the options of every section, and their validation."""
