"""Media values: what they are in a table, their headers and their decoded content, for formats and operators alike."""
