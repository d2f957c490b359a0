"""``python -m kanpde``: the same as the command ``kanpde``."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working folder first, where a user's numpy.py would take the place of the real one.
    if sys.path[0] == os.getcwd():
        del sys.path[0]
    from kanpde.cli import main

    sys.exit(main())
