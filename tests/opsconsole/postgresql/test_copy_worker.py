"""The program that moves rows, when whoever started it is gone."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from pathlib import Path

from opsconsole.engines.postgresql import copy_worker


def test_it_ends_without_a_word_when_its_last_answer_was_never_read() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [sys.executable, "-P", str(Path(copy_worker.__file__)), str(theirs.fileno())]
    with subprocess.Popen(argv, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE) as child:
        theirs.close()
        ours.send(json.dumps({"do": "connect", "parameters": {"host": "/nowhere"}, "statements": []}).encode())
        assert select.select([ours], [], [], 30)[0], "it gave no answer"
        ours.close()
        said = child.communicate(timeout=30)[1]
    assert (child.returncode, said) == (0, b"")
