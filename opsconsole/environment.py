"""The environment as settings read it: what does not fit is told by the name of its variable, and guessed at nowhere.

django-environ takes any unknown word for no, and the digits out of any text for a number; a console must not start with
the demo on, or with 30 hours for 30 minutes, because of a slip of the pen. No message shows a value: some are secrets.
"""

from __future__ import annotations

import math
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

YES = frozenset({"1", "true", "yes", "y", "on", "ok"})
NO = frozenset({"", "0", "false", "no", "n", "off"})
WANTED = {
    bool: "yes or no", int: "a whole number", float: "a number", list: "a list with commas",
    dict: "a list of NAME=VALUE with commas",
}  # fmt: skip
SCHEMES = frozenset({"sqlite", "postgres", "postgresql"})
WHERE = "Correct it in the environment or in .env; docs/operators-guide.md lists every setting."


class Environment(environ.Env):
    def get_value(self, var: str, cast: Any = None, *given: Any, **more: Any) -> Any:
        """Raises ImproperlyConfigured, which names the variable and never its value."""
        value = str(self.ENVIRON.get(var, ""))
        if value.startswith("$") and value.lstrip("$") not in self.ENVIRON:  # a default in its place would be a guess
            raise ImproperlyConfigured(f"{var} begins with $, and no variable has the name that follows. {WHERE}")
        try:
            return super().get_value(var, cast, *given, **more)
        except ValueError:
            raise ImproperlyConfigured(f"{var} is not {WANTED.get(cast, 'what it should be')}. {WHERE}") from None

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        if cast is bool and isinstance(value, str):
            if (word := value.strip().lower()) not in YES | NO:
                raise ValueError
            return word in YES
        if cast is float:
            if not math.isfinite(number := float(value)):
                raise ValueError
            return number
        return super().parse_value(value, cast)

    def one_of(self, var: str, *words: str) -> str:
        """One of these words; the first where none is given."""
        if (word := self.str(var, words[0])) not in words:
            raise ImproperlyConfigured(f"{var} is none of {', '.join(words)}. {WHERE}")
        return str(word)

    def database(self, var: str, default: str = "") -> dict[str, Any]:
        """A database's URL as Django's settings of it."""
        wrong = f"{var} is neither sqlite:///PATH nor postgres://USER:PASSWORD@HOST:PORT/NAME. {WHERE}"
        if (url := self.str(var, default)).partition("://")[0] not in SCHEMES:
            raise ImproperlyConfigured(wrong)  # before anything warns of the whole of it
        try:
            found: dict[str, Any] = self.db_url_config(url)
        except ValueError:
            raise ImproperlyConfigured(wrong) from None
        return found
