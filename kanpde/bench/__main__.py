"""Run one measurement in a process of its own: ``python -m kanpde.bench TASK.json RESULT.json``."""

import os
import sys

if __name__ == "__main__":
    # Python searches the working folder first, where a user's numpy.py would hide the installed package.
    if sys.path[0] == os.getcwd():
        del sys.path[0]
    from kanpde.bench.worker import main

    sys.exit(main(sys.argv[1:]))
