"""What somebody gives a kind: texts by name, checked against the parameters that it declares."""

from __future__ import annotations

from collections.abc import Mapping

from opsconsole import kinds
from opsconsole.exceptions import Usage


def clean(kind: kinds.Kind, given: Mapping[str, str]) -> dict[str, str]:
    """Parameters by name, with defaults. Raises Usage for an unknown name, a missing or an impossible value."""
    known = {parameter.name: parameter for parameter in kind.parameters if not parameter.secret}
    if found := sorted({parameter.name for parameter in kind.parameters if parameter.secret} & set(given)):
        raise Usage(
            "secret_in_the_open", f"{found[0]} is a secret, and others could see it here.",
            "Use its field in the form, or --identity-stdin on the command line.",
        )  # fmt: skip
    if unknown := sorted(set(given) - set(known)):
        listed = ", ".join(sorted(known)) or "none"
        raise Usage("unknown_parameter", f"{kind.label} has no setting called {unknown[0]}.", f"It has: {listed}.")
    values = {}
    for name, parameter in known.items():
        value = str(given.get(name) or parameter.default)
        _refuse_bad(parameter, value)
        if parameter.required and not value:
            raise Usage("missing_value", f"{kind.label} needs a value for {name}.", parameter.help)
        if not parameter.local:
            values[name] = value
    return values


def _refuse_bad(parameter: kinds.Parameter, value: str) -> None:
    if parameter.local and value:
        raise Usage(
            "only_local", f"{parameter.name} is a path that only the command line reads.", "Bring the file on its page."
        )
    choices = [choice for choice, _ in parameter.choices]
    wrong = [each for each in (value.split(",") if parameter.several else [value]) if each and each not in choices]
    if choices and wrong:
        listed = ", ".join(filter(None, choices))
        raise Usage("bad_value", f"{wrong[0]!r} is no value of {parameter.name}.", f"Use one of: {listed}.")
