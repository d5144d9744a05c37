"""A corpus of real prose in many languages, built from Debian documentation packages.

The packages are downloaded and unpacked into a cache, but not installed. Duplicates and junk in real documentation (navigation
pages, licenses, change logs, untranslated pages) are kept, because cleaning jobs are tested on them.
"""
