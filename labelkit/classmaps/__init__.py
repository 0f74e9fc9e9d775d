"""Class maps that ship with labelkit, one JSON table a file: old name → new name."""
