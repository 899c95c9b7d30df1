"""The rules for names, passwords and texts."""

from __future__ import annotations

import re
import unicodedata

from nymead_users.identity.errors import InvalidUsername, WeakPassword

#: The longest password that is looked at, in bytes of UTF-8: hashing must not become a memory attack.
MAX_PASSWORD_BYTES = 1024

#: The longest display name, e-mail address or device name, in characters.
MAX_TEXT = 255

_USERNAME = re.compile(r"[A-Za-z0-9_.+@-]{3,254}")
_PASSWORD = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{8,}", re.DOTALL)


def canonical_username(username: str) -> str:
    """The name as it is stored and answered. Raises InvalidUsername for what can't be a new user's name."""
    if not _USERNAME.fullmatch(username):
        raise InvalidUsername("a username has 3 to 254 characters of A-Z a-z 0-9 _ . + @ -")
    return username.lower()


def check_password(password: str) -> None:
    """Raise WeakPassword with the rule that a new password breaks."""
    if len(password.encode(errors="surrogatepass")) > MAX_PASSWORD_BYTES:
        raise WeakPassword(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
    if not _PASSWORD.fullmatch(password):
        raise WeakPassword(
            "a password has at least 8 characters, among them a lower-case letter, an upper-case letter and a digit"
        )


def check_text(text: str) -> str:
    """A display name, e-mail address or device name as it is. Raises ValueError saying what is wrong with it."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"at most {MAX_TEXT} characters, got {len(text)}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("control characters are not allowed")
    return text
