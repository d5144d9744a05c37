"""Operators: one small file each, parameters plus one method on Arrow. They know nothing above them."""
