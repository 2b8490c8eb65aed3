"""The parts of a report: one module with one function, and one template, for each."""
