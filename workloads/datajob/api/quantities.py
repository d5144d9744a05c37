"""Kubernetes resource quantities as numbers, since Ray expects cores and bytes."""

_FACTORS = {"m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def number(quantity: str) -> float:
    """`500m` -> 0.5, `2Gi` -> 2147483648.0."""
    for suffix in sorted(_FACTORS, key=len, reverse=True):
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * _FACTORS[suffix]
    return float(quantity)
