"""``python -m glc`` is the command ``glc``."""

from glc.cli import main

if __name__ == "__main__":
    main()
