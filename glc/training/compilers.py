"""Whether torch can compile nets here."""

import os
import shutil
from importlib.util import find_spec

import torch

_CPP = ("g++", "clang++", "c++")


def missing(accelerator: str) -> str:
    """What torch.compile needs and this machine does not have, and how to get it; empty where nothing is missing.

    accelerator : Lightning's; a GPU takes Triton besides the compiler that a CPU takes
    """
    own = os.environ.get("CXX", "")
    if not any(shutil.which(name) for name in ([own] if own else _CPP)):
        wanted = own or ", ".join(_CPP)
        return f"there is no C++ compiler ({wanted}); try: apt install g++"
    if accelerator != "cpu" and torch.cuda.is_available() and find_spec("triton") is None:
        return "Triton is not installed, which a GPU needs; try: pip install triton"
    return ""
