"""Words of a text, in any script: what a search by the beginnings of words looks for.

Text is folded (`domain.text.fold`) and cut into words:

- letters, digits and the marks on them, as long as they follow each other, are a word; white space,
  punctuation, `_` and currency and mathematical signs stand between words. `it's` is two words;
- in scripts that are written without spaces (Chinese, Japanese kana, Thai, Lao, Khmer, Burmese),
  every character begins a word: it and its neighbour, and the last one of a run by itself (the
  bigrams of Apache Lucene's CJKBigramFilter). `订酒店` has the words `订酒`, `酒店` and `店`;
- a symbol such as an emoji is a word by itself.

Of a word, the first 64 characters count.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import category

from domain.text import fold

MAX_WORD: Final = 64

_UNSPACED: Final = re.compile(
    "[\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u3099-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)
# Folded text holds no NUL: one before a character says that it is of an unspaced script.
_TOKEN: Final = re.compile("(?:\x00.)+|[^ \x00]+", re.DOTALL)
_ASCII: Final = re.compile("[a-z0-9]+")


class _Signs(dict[int, str]):
    """What stands for a character while a text is cut; worked out when it is first met."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        kind = category(character)
        if _UNSPACED.match(character) and kind[0] in "LMN":
            sign = f"\x00{character}"
        elif kind[0] in "LMN":
            sign = character
        else:
            sign = f" {character} " if kind == "So" else " "
        self[point] = sign
        return sign


_SIGNS: Final = _Signs()


def words(texts: Iterable[str | None]) -> frozenset[str]:
    """The words of texts: a search for any beginning of one finds them."""
    found: set[str] = set()
    for text in texts:
        if text:
            for token in _tokens(fold(text)):
                if token[0] == "\x00":
                    run = token[1::2]
                    found.update(run[place : place + 2] for place in range(len(run)))
                else:
                    found.add(token[:MAX_WORD])
    return frozenset(found)


def terms(query: str) -> tuple[str, ...]:
    """What a query asks for: the beginnings of words that must all occur, each once.

    Of a run in an unspaced script it is all pairs of neighbours, or the one character.
    """
    asked: dict[str, None] = {}
    for token in _tokens(fold(query)):
        if token[0] == "\x00":
            run = token[1::2]
            pairs = [run[place : place + 2] for place in range(len(run) - 1)] or [run]
            asked.update(dict.fromkeys(pairs))
        else:
            asked[token[:MAX_WORD]] = None
    return tuple(asked)


def _tokens(folded: str) -> Iterator[str]:
    if folded.isascii():
        return iter(_ASCII.findall(folded))
    return iter(_TOKEN.findall(folded.translate(_SIGNS)))
