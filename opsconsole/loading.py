"""Loading Django into a program, which costs every program that the console starts a good part of a second.

Programs that show no page (the runner of an operation, its worker) leave out the admin site, pages,
chores and the libraries that only they need, and load a kind when it is asked for. The console's own models, kinds,
events and guards are the same there.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

pages = True  # whether this program shows pages, ticks or carries out changes; what is loaded depends on it


@contextmanager
def at_once() -> Iterator[None]:
    """Loading modules makes many objects and hardly any garbage, so that looking for garbage meanwhile is in vain.

    What was loaded inside stays as long as the process, and is not looked through later on either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_pages() -> Iterator[None]:
    """Inside, Django is set up. It must come before anything reads the settings."""
    global pages
    pages = False
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
    with at_once():
        import django

        django.setup()
        yield
