"""One module for each paper: its tables as tasks over the experiments of the library."""
