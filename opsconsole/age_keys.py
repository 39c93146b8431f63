"""Keys of age (X25519): their texts, and the private ones that this console keeps in `HOME/keys/age/NAME.txt`.

A public key (age1...) is a recipient: whatever is encrypted for it, only its private key (AGE-SECRET-KEY-1...) opens.
It is its own fingerprint. The files are those of `age-keygen`, so that the age program reads them too. Whoever needs
one key for one operation hands it over (`using`); it is at hand then in this thread, and nowhere else.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pyrage import IdentityError, RecipientError, x25519

from opsconsole import private_files
from opsconsole.exceptions import OpsError, Refused, Usage

_IDENTITY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")
_RECIPIENT = re.compile(r"age1[0-9a-z]{58}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HANDED_OVER: ContextVar[Mapping[str, str]] = ContextVar("identities handed over", default={})  # noqa: B039 - never changed


@dataclass(frozen=True)
class Kept:
    """A private key of this console: the name of its file, and its public key."""

    name: str
    public_key: str


def public_of(identity: str) -> str:
    """The public key (age1...) of a private one. Raises Usage when it is none."""
    try:
        return str(x25519.Identity.from_str(identity).to_public())
    except IdentityError:
        raise _no_identity() from None


def recipient(text: str) -> str:
    """A public key without the blanks around it. Raises Usage when it is none that can be encrypted for."""
    found = text.strip()
    try:
        if not _RECIPIENT.fullmatch(found):
            raise RecipientError
        return str(x25519.Recipient.from_str(found))
    except RecipientError:
        secret = "That is a private key: keep it secret, and give" if is_private(text) else "Give"
        raise Usage(
            "not_a_recipient",
            "That is no public key of age.",
            f"{secret} the line that begins with age1 (age-keygen -y FILE prints it).",
        ) from None


def is_private(text: str) -> bool:
    """Whether a text holds, or begins, a private key."""
    return "AGE-SECRET-KEY-" in text.upper()


def identities_in(text: str) -> dict[str, str]:
    """By public key, the private keys in a text: a file of age-keygen, or the key alone. Raises Usage without any."""
    found = {public_of(identity): identity for identity in _IDENTITY.findall(text)}
    if not found:
        raise _no_identity()
    return found


def at_hand(home: Path) -> dict[str, str]:
    """By public key, the private keys that this console keeps, and those that were handed over here."""
    return {**_of_files(home), **_HANDED_OVER.get()}


def handed_over() -> tuple[str, ...]:
    """The public keys of the private ones that were handed over here."""
    return tuple(_HANDED_OVER.get())


def fitting(home: Path, recipients: Iterable[str]) -> tuple[str, ...]:
    """The private keys at hand for any of these public ones."""
    keys = at_hand(home)
    return tuple(keys[public] for public in recipients if public in keys)


@contextmanager
def using(text: str) -> Iterator[None]:
    """Have the private keys of a text at hand within this context; none when it is empty. Raises Usage."""
    token = _HANDED_OVER.set({**_HANDED_OVER.get(), **(identities_in(text) if text else {})})
    try:
        yield
    finally:
        _HANDED_OVER.reset(token)


# -- the keys that this console keeps ---------------------------------------------------------------------------------


def kept(home: Path) -> list[Kept]:
    """The private keys that this console keeps, by name. Raises OpsError: key_exposed, key_damaged."""
    return [Kept(path.stem, next(iter(_read(path)))) for path in _files(home)]


def generate(home: Path, name: str) -> Kept:
    """Make a new private key and keep it. Raises Usage, Refused("name_taken")."""
    return keep(home, name, str(x25519.Identity.generate()))


def keep(home: Path, name: str, text: str) -> Kept:
    """Keep the private key in a text. Raises Usage, Refused when the name is taken or the key is kept already."""
    if not _NAME.fullmatch(name):
        raise Usage("bad_name", f"{name!r} is no name for a key.", "Use small letters, digits, - and _.")
    keys = identities_in(text)
    if len(keys) > 1:
        raise Usage("several_keys", "That holds more than one private key.", "Add them one by one, each with its name.")
    ((public, identity),) = keys.items()
    if public in (held := {key.public_key: key.name for key in kept(home)}):
        raise Refused("key_kept", f"The key {public} is kept already, as {held[public]}.", "There is nothing to do.")
    data = f"# public key: {public}\n{identity}\n".encode()
    if not private_files.create(_folder(home) / f"{name}.txt", data):
        raise Refused("name_taken", f"There is a key called {name} already.", "Choose another name.")
    return Kept(name, public)


def find(home: Path, name: str) -> Kept:
    """The key of that name. Raises Usage with the list of what there is."""
    keys = {key.name: key for key in kept(home)}
    if name not in keys:
        listed = ", ".join(keys) or "none"
        raise Usage("unknown_key", f"This console keeps no age key called {name}.", f"There are: {listed}.")
    return keys[name]


def forget(home: Path, key: Kept, *, although_needed: bool = False) -> list[str]:
    """Remove the file of a key; gives back what needed it. Raises Refused("still_needed") unless that is known."""
    needed = [words for reader in _NEEDS for words in reader(key.public_key)]
    if needed and not although_needed:
        raise Refused(
            "still_needed",
            f"The key {key.name} still opens {', '.join(needed)}.",
            f"Keep a copy of {_folder(home) / key.name}.txt elsewhere, then repeat this with --although-needed: "
            "whoever restores them has to hand the key over then.",
        )
    (_folder(home) / f"{key.name}.txt").unlink(missing_ok=True)
    return needed


def register_need(reader: Callable[[str], list[str]]) -> None:
    """Have another place asked what is encrypted for a public key, in words, before its private key is removed."""
    _NEEDS.append(reader)


_NEEDS: list[Callable[[str], list[str]]] = []


def passing() -> tuple[str, str]:
    """(private, public) key of this moment, kept nowhere."""
    made = x25519.Identity.generate()
    return str(made), str(made.to_public())


def _of_files(home: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _files(home):
        found |= _read(path)
    return found


def _read(path: Path) -> dict[str, str]:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise OpsError("key_exposed", f"Others may read the private key {path}.", f"Run: chmod 600 {path}")
    try:
        return identities_in(path.read_text(errors="replace"))
    except Usage:
        raise OpsError("key_damaged", f"{path} holds no private key of age.", "Put it back from its copy.") from None


def _files(home: Path) -> list[Path]:
    return sorted(path for path in _folder(home).glob("*.txt") if not path.name.startswith("."))


def _folder(home: Path) -> Path:
    return home / "keys" / "age"


def _no_identity() -> Usage:
    return Usage(
        "not_an_identity",
        "That holds no private key of age.",
        "Give the line that begins with AGE-SECRET-KEY-1, or the whole file of age-keygen.",
    )
