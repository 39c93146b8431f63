"""`python -m tests.support.worker_process OPERATION`: one pool child that gets one message, in a process of its own."""

from __future__ import annotations

import sys

import django


def main() -> None:
    django.setup()
    from opsconsole import worker

    worker.run_operation(int(sys.argv[1]))


if __name__ == "__main__":
    main()
