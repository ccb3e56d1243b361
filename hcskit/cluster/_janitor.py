"""Waits for the end of a driver, and takes away what it left on the disk and in the queue, even if it was killed.

``python _janitor.py FOLDER [COMMAND …]`` runs the command and removes the folder at the end of its standard input.
"""

import shutil
import subprocess
import sys

if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    if command:
        subprocess.run(command, timeout=60, check=False)  # noqa: S603 - from our own cluster
