"""A corpus of real prose in many languages, built from Debian's documentation packages.

The packages are downloaded and unpacked into a cache, never installed. Duplicates and junk that
real documentation has (navigation pages, licences, change logs, untranslated pages) are kept:
they are what a cleaning job is measured on. Nothing in the product depends on this package.
"""
