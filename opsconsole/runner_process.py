"""`python -m opsconsole.runner_process OPERATION FENCE OUT_FD CONTROL_FD`: starts Django and runs one operation."""

from __future__ import annotations

import sys

from opsconsole import loading


def start() -> int:
    with loading.without_pages():
        from opsconsole import runner

    operation_id, fence, out_fd, control_fd = (int(word) for word in sys.argv[1:5])
    return runner.main(operation_id, fence, out_fd, control_fd)


if __name__ == "__main__":
    sys.exit(start())
