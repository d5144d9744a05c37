"""What runs in the Ray image, and the language of jobs. Never imports `controller`."""

__version__ = "0.1.0"
