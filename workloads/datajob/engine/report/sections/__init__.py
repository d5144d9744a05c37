"""The sections of the report page, one function each: a report in, lines of HTML out."""
