"""The console's stores: the folder of its own, called `local`, and those that were added.

`opening` makes a store of a row and refuses one that is not what it should be; `asking` gives the parameters of the
changes that add, edit and retire one; `checking` looks whether one works.
"""

from opsconsole.stores.opening import (
    LOCAL,
    credentials_of,
    known,
    mark_in,
    names_for,
    open_row,
    reading,
    require_there,
    row_called,
    writable_names,
    writing,
)

__all__ = [
    "LOCAL",
    "credentials_of",
    "known",
    "mark_in",
    "names_for",
    "open_row",
    "reading",
    "require_there",
    "row_called",
    "writable_names",
    "writing",
]
