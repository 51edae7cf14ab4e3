"""Searching a text for an expression in linear time.

Thompson's construction, simulated on all states at once (Ken Thompson, "Regular Expression Search
Algorithm", CACM 11:6, 1968; Russ Cox, https://swtch.com/~rsc/regexp/regexp1.html). Python's `re`
backtracks: `(a|ab|b)*c` or `a*a*b` keeps it busy for ever on a text that a caller chose, and
criteria come from callers.
"""

import attrs

from ports.criteria.expressions import Chars, Choice, Edge, Expression, Repetition, Sequence

_CACHED = 4_096


@attrs.define(eq=False)
class _Moment:
    """What is known between two characters: a state of the deterministic automaton.

    `active` are the states that await a character, a bit each. `met`: a match ended here.
    """

    active: int
    met: bool
    met_if_text_ends: bool
    moves: "dict[str, _Moment]" = attrs.field(factory=dict)


class Automaton:
    """Finds an expression anywhere in a text.

    A character costs a lookup where its like was met before, and otherwise at most a step for
    each of the expression's positions. At most `_CACHED` moves are remembered.
    """

    def __init__(self, expression: Expression) -> None:
        self._kinds: list[Chars | Edge | None] = []
        self._ways: list[tuple[int, ...]] = []
        self._met = self._added(None)
        self._entry = self._before(expression, self._met)
        self._awaiting: dict[Chars, int] = {}
        for state, kind in enumerate(self._kinds):
            if isinstance(kind, Chars):
                self._awaiting[kind] = self._awaiting.get(kind, 0) | 1 << state
        self._forget()

    def found_in(self, text: str) -> bool:
        """Whether a part of `text` (the empty one, too) matches."""
        moment = self._first
        for sign in text:
            if moment.met:
                return True
            moment = moment.moves.get(sign) or self._move(moment, sign)
        return moment.met or moment.met_if_text_ends

    def _forget(self) -> None:
        self._remembered = 0
        self._moments: dict[int, _Moment] = {}
        self._first = self._moment((self._entry,), at_start=True)

    def _move(self, moment: _Moment, sign: str) -> _Moment:
        admitting = sum(states for chars, states in self._awaiting.items() if chars.admits(sign))
        satisfied = moment.active & admitting
        if self._remembered >= _CACHED:
            self._forget()
        found = self._moments.get(satisfied)
        if found is None:
            found = self._moments[satisfied] = self._moment((self._entry, *self._next(satisfied)))
        moment.moves[sign] = found
        self._remembered += 1
        return found

    def _moment(self, states: tuple[int, ...], *, at_start: bool = False) -> _Moment:
        active, met = self._reached(states, at_start=at_start)
        _, met_if_text_ends = self._reached(states, at_start=at_start, at_end=True)
        return _Moment(active, met, met_if_text_ends)

    def _next(self, satisfied: int) -> list[int]:
        ways: list[int] = []
        while satisfied:
            lowest = satisfied & -satisfied
            ways += self._ways[lowest.bit_length() - 1]
            satisfied ^= lowest
        return ways

    def _reached(
        self, states: tuple[int, ...], *, at_start: bool = False, at_end: bool = False
    ) -> tuple[int, bool]:
        """The states that await a character, and whether there is a match, without reading on."""
        pending, seen, awaiting = list(states), set(states), 0
        while pending:
            state = pending.pop()
            kind = self._kinds[state]
            if isinstance(kind, Chars):
                awaiting |= 1 << state
            elif kind is None or (at_start if kind.start else at_end):
                fresh = [way for way in self._ways[state] if way not in seen]
                seen.update(fresh)
                pending += fresh
        return awaiting, self._met in seen

    def _added(self, kind: Chars | Edge | None, *ways: int) -> int:
        self._kinds.append(kind)
        self._ways.append(ways)
        return len(self._kinds) - 1

    def _before(self, node: Expression, then: int) -> int:
        """The state from which `node` leads to `then`."""
        if isinstance(node, Chars | Edge):
            return self._added(node, then)
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                then = self._before(part, then)
            return then
        if isinstance(node, Choice):
            return self._added(None, *(self._before(branch, then) for branch in node.branches))
        return self._repeated(node, then)

    def _repeated(self, node: Repetition, then: int) -> int:
        if node.high is None:
            loop = self._added(None)
            self._ways[loop] = (self._before(node.part, loop), then)
            then = loop
        else:
            skip = then
            for _ in range(node.high - node.low):
                then = self._added(None, self._before(node.part, then), skip)
        for _ in range(node.low):
            then = self._before(node.part, then)
        return then
