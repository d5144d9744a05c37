"""Compiled kernels on the UTF-8 bytes of Arrow columns (numba; see docs/adr/0006-text-kernels.md).

Operators import these modules inside their methods: importing one imports numba and loads its machine code from the
cache, or compiles it if there is none. `python -m datajob.operators.kernels` fills the cache at image build.
"""
