"""Waits for the end of a driver, and removes what it left on the disk and in the queue, even if it was killed.

``python _janitor.py FOLDER [COMMAND …]`` removes the folder and runs the command at the end of its standard input. If
that ends without a final message, it runs the command again later: a job may have been on its way to the queue.
"""

import shutil
import subprocess
import sys
import time

_LATER = 5.0  # seconds

if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    killed = not sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    for pause in [0.0, _LATER] if killed else [0.0]:
        time.sleep(pause)
        if command:
            subprocess.run(command, timeout=60, check=False)  # noqa: S603 - from our own cluster
