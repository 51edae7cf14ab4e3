"""Text: what is admitted, and how two texts compare when case and form don't matter."""

from unicodedata import normalize


def text_fault(value: str) -> str | None:
    """Why `value` is not text that every store keeps whole, or None if it is."""
    if "\x00" in value:
        return "holds a NUL character"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds a lone surrogate"
    return None


def fold(value: str) -> str:
    """The form in which text is compared by `i…` operators and by search.

    NFKC around a full case folding, as in toNFKC_Casefold of the Unicode Standard, section 3.13
    (without the removal of default ignorable code points): `ﬁ` finds `FI`, `Straße` finds
    `STRASSE`, full-width finds plain. Folding twice changes nothing more. Stores keep this form
    beside the field, so that all of them agree by construction; a new Unicode version in Python
    asks for a re-fold (`doctor` tells).

    A folded whole isn't always its folded parts, since a mark joins the letter before it. So a
    part is found as a reader sees it: `e` isn't a part of `é`, whichever way that is written.
    """
    if value.isascii():
        return value.lower()
    return normalize("NFKC", normalize("NFKC", value).casefold())
