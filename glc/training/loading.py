"""Files that torch.save wrote: plain values and weights, read without running any code that such a file can hold."""

import pickle
import re

import torch

from glc.types import JSON, StrPath

_GLOBAL = re.compile(r"GLOBAL (\S+)")
_FOREIGN = "it is not a file of torch.save"


def load(path: StrPath) -> JSON:
    """What the file holds, tensors on the CPU.

    A FileNotFoundError, or a ValueError that says why it cannot be read; never in PyTorch's own words, which advise to
    load the file without this protection.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        name = _GLOBAL.search(str(error))
        if name is None:
            raise ValueError(_FOREIGN) from error
        raise ValueError(f"it holds {name[1]}, which is code and not plain data") from error
    except (OSError, RuntimeError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    except Exception as error:  # what the unpickler meets in a file that is no pickle
        raise ValueError(_FOREIGN) from error
