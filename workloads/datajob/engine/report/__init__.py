"""The report of a run, as a model and as an HTML page. Nothing here reads or changes rows."""
