"""``python -m kanpde.bench TASK.json RESULT.json``: one measurement, in a process of its own."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working folder first, where a user's numpy.py would take the place of the real one.
    if sys.path[0] == os.getcwd():
        del sys.path[0]
    from kanpde.bench.worker import main

    sys.exit(main(sys.argv[1:]))
