"""Several devices at once: a process for each, over files or over parts of one file."""
