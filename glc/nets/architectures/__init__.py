"""One file per registered net."""
