"""kdev: make for developing inside Kubernetes."""

__version__ = "0.1.0"
