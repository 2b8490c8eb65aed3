"""One file per registered net; `Net` is what a new one is a subclass of."""

from glc.nets.architectures._base import Net

__all__ = ["Net"]
