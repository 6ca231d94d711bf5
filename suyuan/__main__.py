"""`python -m suyuan` is the command `suyuan`, for places where the console script is not on the path."""

import sys

from suyuan.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
