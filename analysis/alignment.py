"""Which chunks of an answer one connection received, found by their text where nothing names them.

A **piece** is what one frame brought: a chunk, half of one, or a history joined into one text. The
session's text is all its chunks one after the other; a piece that can be read where the piece
before it ended costs nothing, and a **jump** to another place is a hole (forward) or a repeat
(back). What is sought is the explanation with the fewest jumps, then those that leave and land
between chunks, then the shortest. Going on for as long as the text does is never worse than jumping
sooner, since the same jump can be made later; so only a piece that cannot go on is looked for
elsewhere. Work is bounded by the MOST_... below; beyond them the explanation found may have a jump
more than the best, and a piece that is cut up too often counts as unexpected.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

MOST_PLACES = 8
"""Places to jump to, on each side, of each kind (between chunks, anywhere), for each look ahead."""
MOST_SOURCES = 8
"""Explanations that a jump may start from."""
MOST_EXPLANATIONS = 64
"""Explanations carried on at a time."""
MOST_FOUND = 4_096
"""Places of one text that are looked at."""
MOST_REMEMBERED = 1_000_000
"""Characters of texts, and places of theirs, that are remembered."""
MOST_CUTS = 4_096
"""Holes inside one piece."""
MOST_TRIES = 20_000
"""Searches for such holes, in one connection."""
ANCHOR = 12
"""So many characters from a chunk's head on are not there by chance."""
LOOK_AHEAD = (8, 4, 2, 1)
"""A place is looked for where so many pieces can be read, one after the other."""

JUMP, OUTSIDE = 4 << 40, 3 << 40
"""Costs of a jump, and of each of its ends that is not between two chunks; a character costs 1."""


@dataclass(frozen=True, slots=True)
class ExpectedChunk:
    """One chunk of what was published: `seq` counts from 1, `index` from 0 within its message."""

    seq: int
    message_id: str | None
    index: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ReceivedPiece:
    """What one frame brought; null for what it does not say."""

    text: str | None = None
    seq: int | None = None
    message_id: str | None = None
    index: int | None = None
    foreign: bool = False
    """It says that it is of another session."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Chunks `first`..`last`, by their place in the session's text; `at` is its first character
    there and `characters` its length. `piece` is the piece at which it showed.

    `ambiguous`: the same text would have come had the neighbouring chunks been hit instead.
    """

    first: int
    last: int
    at: int
    characters: int
    piece: int
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Alignment:
    """What a connection received.

    completed: a tuple a piece, the chunks (by place) of which it brought the last missing part.
    unexpected: for each piece, whether it, or some of it, is in no chunk, or is not what the chunk
        it names says.
    ends: for each piece, how many characters of the session's text come before its end.
    by: how the pieces were told apart, by the weakest means used: seq, index or text.
    holes: chunks never completed, of those before the highest completed.
    repeats: chunks completed again, one stretch for each time.
    swaps: chunks completed for the first time after a higher one.
    """

    completed: tuple[tuple[int, ...], ...]
    unexpected: tuple[bool, ...]
    ends: tuple[int, ...]
    by: str
    holes: tuple[Stretch, ...]
    repeats: tuple[Stretch, ...]
    swaps: tuple[Stretch, ...]


class SessionText:
    """A session's chunks in their order, indexed for alignment; serves all its connections."""

    def __init__(self, chunks: Sequence[ExpectedChunk]) -> None:
        self.chunks = tuple(chunks)
        self.text = "".join(chunk.text for chunk in chunks)
        self.bounds = [0, *accumulate(len(chunk.text) for chunk in chunks)]
        """Chunk i is text[bounds[i]:bounds[i + 1]]."""
        self.borders = frozenset(self.bounds)
        self._heads = {chunk.text[0] for chunk in chunks if chunk.text}
        self._anchors = {self.text[at : at + ANCHOR] for at in self.bounds}
        self.longest = max((len(chunk.text) for chunk in chunks), default=0)
        self._named: dict[object, list[int]] = {}
        self._found: dict[str, tuple[list[int], list[int]]] = {}
        self._remembered = 0
        self._messages: dict[str | None, tuple[int, int]] = {}
        for place, chunk in enumerate(self.chunks):
            for name in (chunk.seq, (chunk.message_id, chunk.index), ("", chunk.index)):
                self._named.setdefault(name, []).append(place)
            low, _ = self._messages.get(chunk.message_id, (self.bounds[place], 0))
            self._messages[chunk.message_id] = low, self.bounds[place + 1]

    def named(self, piece: ReceivedPiece) -> list[int] | None:
        """The chunks that a piece names, by place; None when it leaves that to its text.

        A message that nobody published has a name of the target's own making: then its index
        alone counts.
        """
        if piece.seq is not None:
            return self._named.get(piece.seq, [])
        if piece.index is None:
            return None
        is_known = piece.message_id is not None and piece.message_id in self._messages
        return self._named.get((piece.message_id if is_known else "", piece.index), [])

    def range_of(self, message_id: str | None) -> tuple[int, int]:
        """Where a message's text lies; everywhere for one that nobody published under its name."""
        if message_id is None:
            return 0, len(self.text)
        return self._messages.get(message_id, (0, len(self.text)))

    def places(self, text: str) -> tuple[list[int], list[int]]:
        """Where a text begins: at the head of a chunk, and elsewhere; each ascending."""
        if len(text) > len(self.text):
            return [], []
        if text not in self._found:
            if self._remembered > MOST_REMEMBERED:
                self._found.clear()
                self._remembered = 0
            at_heads: list[int] = []
            elsewhere: list[int] = []
            at = self.text.find(text)
            while at >= 0 and len(at_heads) + len(elsewhere) < MOST_FOUND:
                (at_heads if at in self.borders else elsewhere).append(at)
                at = self.text.find(text, at + 1)
            self._found[text] = at_heads, elsewhere
            self._remembered += len(text) + len(at_heads) + len(elsewhere)
        return self._found[text]

    def read_to_border(self, text: str, at: int) -> int:
        """How much of the beginning of `text` can be read from `at` to the end of a chunk."""
        most = min(len(text), len(self.text) - at) + 1
        length = bisect_left(
            range(most), True, key=lambda n: not self.text.startswith(text[:n], at)
        )
        border = self.bounds[bisect_right(self.bounds, at + length - 1) - 1]
        return max(0, border - at)

    def sooner(self, left: int, begin: int, reach: int) -> int:
        """How many characters sooner a jump leaves and lands between chunks, of `reach` at most.

        0 if that cannot be, or it does so as it is.
        """
        if left in self.borders and begin in self.borders:
            return 0
        for back in range(1, min(reach, begin, self.longest) + 1):
            if self.text[left - back] != self.text[begin - back]:
                return 0
            if left - back in self.borders and begin - back in self.borders:
                return back
        return 0

    def next_anchor(self, text: str, after: int) -> int:
        """The first place in `text`, from `after` on, where a chunk begins beyond doubt; or -1."""
        places = range(after, len(text) - ANCHOR + 1)
        return next((at for at in places if text[at : at + ANCHOR] in self._anchors), -1)

    def whole_chunks(
        self, text: str, low: int, high: int, at_head: bool, before_head: bool = True
    ) -> tuple[int, int]:
        """How much of `text` can be read up to the end of a chunk (0: nothing), and how many
        searches that took.

        `at_head`: reading must begin at the head of a chunk; `before_head`: what comes after must
        be one's, too.
        """
        length = bisect_left(
            range(len(text) + 1), True, key=lambda n: self.text.find(text[:n], low, high) < 0
        )
        searches = length.bit_length() + 1
        most = min(length - 1, len(text) - 1)
        for cut in range(most, max(0, length - 2 - self.longest), -1):
            if not before_head or text[cut] in self._heads:
                searches += 1
                at_heads, elsewhere = self.places(text[:cut])
                starts = at_heads if at_head else [*at_heads, *elsewhere]
                if any(
                    low <= at and at + cut <= high and at + cut in self.borders for at in starts
                ):
                    return cut, searches
        return 0, searches


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece, or some of one: text that lies in low..high, or else one of `chunks`."""

    piece: int
    text: str = ""
    low: int = 0
    high: int = 0
    chunks: tuple[tuple[int, int, int], ...] = ()
    """(begin, end, place) of each chunk that it may be."""

    def end(self, text: str, begin: int) -> int:
        """Where it ends if it begins at `begin`; -1 if it cannot."""
        if self.chunks:
            return next((end for at, end, _ in self.chunks if at == begin), -1)
        end = begin + len(self.text)
        fits = self.low <= begin and end <= self.high and text.startswith(self.text, begin)
        return end if fits else -1


@dataclass(frozen=True, slots=True)
class _Jump:
    """The latest jump of an explanation: within which part, after how many characters of it (none
    of one that is named), and to where."""

    part: int
    read: int
    begin: int
    before: "_Jump | None"


_Explanation = tuple[int, int, _Jump | None]
"""What it costs, the character after the last part, its latest jump."""
_Span = tuple[_Part, int, int]
"""A part, and where in the session's text it begins and ends."""


def align(
    session: SessionText, pieces: Sequence[ReceivedPiece], after: int = 0, owed: int | None = None
) -> Alignment:
    """Explain what one connection received.

    `after`: how many characters of the session's text the client said it has. `owed`: the first
    chunk that it has not, where chunks without text leave that open. Whatever the pieces are,
    there is an answer.
    """
    owed = bisect_left(session.bounds, after) if owed is None else owed
    parts, unexpected = _parts(session, pieces)
    spans = _on_borders(session, _explain(session, parts, after))
    completed, ends = _completed(session, spans, len(pieces), after)
    used = {_means(piece) for piece in pieces}
    by = next((means for means in ("text", "index", "seq") if means in used), "text")
    holes, repeats, swaps = (
        tuple(_stretch(session, *run, by_text=by == "text") for run in _runs(places))
        for places in _misplaced(completed, owed)
    )
    return Alignment(
        completed=tuple(tuple(places) for places in completed),
        unexpected=tuple(unexpected),
        ends=tuple(ends),
        by=by,
        holes=holes,
        repeats=repeats,
        swaps=swaps,
    )


def _means(piece: ReceivedPiece) -> str:
    if piece.seq is not None:
        return "seq"
    return "text" if piece.index is None else "index"


# --- pieces to parts -----------------------------------------------------------------------


def _parts(session: SessionText, pieces: Sequence[ReceivedPiece]) -> tuple[list[_Part], list[bool]]:
    """What there is to explain, in order, and which pieces nothing explains."""
    parts: list[_Part] = []
    unexpected = [False] * len(pieces)
    tries = MOST_TRIES
    for number, piece in enumerate(pieces):
        named = None if piece.foreign else session.named(piece)
        if piece.foreign:
            unexpected[number] = True
        elif named is not None:
            chunks = tuple(
                (session.bounds[place], session.bounds[place + 1], place)
                for place in named
                if piece.text in (None, session.chunks[place].text)
            )
            unexpected[number] = not chunks
            parts += [_Part(number, chunks=chunks)] if chunks else []
        elif piece.text:
            low, high = session.range_of(piece.message_id)
            texts, damaged, tried = _readable(session, piece.text, low, high, tries)
            tries -= tried
            unexpected[number] = damaged
            parts += [_Part(number, text, low, high) for text in texts]
    return parts, unexpected


def _readable(
    session: SessionText, text: str, low: int, high: int, tries: int
) -> tuple[list[str], bool, int]:
    """A text cut, between chunks, into texts that can be read somewhere; whether some of it cannot,
    and is left out; and the searches it took.

    What cannot be read ends where a chunk begins beyond doubt, so that the rest of a history in
    which one chunk was altered is not lost with it; and beside it only what is as long as to be
    beyond doubt, too, counts as read.
    """
    texts: list[str] = []
    damaged, tried = False, 0
    while text and tried < tries and len(texts) <= MOST_CUTS:
        at_head = damaged or bool(texts)
        if _is_readable(session, text, low, high, at_head):
            texts.append(text)
            text = ""
            continue
        cut, searches = session.whole_chunks(text, low, high, at_head)
        tried += searches
        resumed = cut
        if not cut:
            damaged = True
            cut, searches = session.whole_chunks(text, low, high, at_head, before_head=False)
            tried += searches
            resumed = session.next_anchor(text, max(cut, 1))
            if texts and session.text.find(texts[-1] + text[:cut], low, high) >= 0:
                texts[-1] += text[:cut]
                cut = 0
        texts += [text[:cut]] if cut else []
        text = text[resumed:] if resumed >= 0 else ""
    if text:
        return [], True, tried
    return [one for one in texts if not damaged or len(one) >= ANCHOR], damaged, tried


def _is_readable(session: SessionText, text: str, low: int, high: int, at_head: bool) -> bool:
    if at_head:
        return any(low <= at <= high - len(text) for at in session.places(text)[0])
    return session.text.find(text, low, high) >= 0


# --- the cheapest explanation --------------------------------------------------------------


def _explain(session: SessionText, parts: list[_Part], after: int) -> list[_Span]:
    explanations: list[_Explanation] = [(0, after, None)]
    for number, part in enumerate(parts):
        going = [
            (cost, end, jump)
            for cost, at, jump in explanations
            if (end := part.end(session.text, at)) >= 0
        ]
        least = min((cost for cost, _, _ in going), default=None)
        stuck = [
            one
            for one in explanations
            if part.end(session.text, one[1]) < 0 and (least is None or one[0] + JUMP < least)
        ]
        if stuck:
            going += _jumps(session, parts, number, stuck)
        explanations = _cheapest(going, MOST_EXPLANATIONS)
    return _spans(session, parts, after, explanations[0][2])


def _cheapest(explanations: list[_Explanation], most: int) -> list[_Explanation]:
    """The cheapest for each end, cheapest first."""
    best: dict[int, _Explanation] = {}
    for one in sorted(explanations, key=lambda one: one[:2]):
        best.setdefault(one[1], one)
        if len(best) == most:
            break
    return list(best.values())


def _jumps(
    session: SessionText, parts: list[_Part], number: int, stuck: list[_Explanation]
) -> list[_Explanation]:
    """Every way on from the stuck that is looked at."""
    part, sources = parts[number], _cheapest(stuck, MOST_SOURCES)
    found: list[_Explanation] = []
    for begin in _landings(session, parts, number, near=sources[0][1]):
        cost, which = min(
            (one[0] + _cost(session, one, begin), which) for which, one in enumerate(sources)
        )
        to = _Jump(number, 0, begin, sources[which][2])
        found.append((cost, part.end(session.text, begin), to))
    for cost, at, jump in sources if not part.chunks else ():
        read = session.read_to_border(part.text, at)
        for begin in _landings(session, parts, number, at + read, read) if read else ():
            end = begin + len(part.text) - read
            further = cost + JUMP + abs(at + read - begin)
            found.append((further, end, _Jump(number, read, begin, jump)))
    return found


def _cost(session: SessionText, source: _Explanation, begin: int) -> int:
    _, at, jump = source
    outside = (at not in session.borders) + (begin not in session.borders)
    if outside and session.sooner(at, begin, at - (jump.begin if jump else 0)):
        outside = 0
    return JUMP + OUTSIDE * outside + abs(at - begin)


def _landings(
    session: SessionText, parts: list[_Part], number: int, near: int, read: int = 0
) -> set[int]:
    """Where a part can begin; of many places those near `near`, and those where more parts fit.

    With `read`, where the rest of it can, after so many characters: between two chunks.
    """
    part = parts[number]
    if part.chunks:
        return {begin for begin, _, _ in part.chunks}
    following = parts[number : number + LOOK_AHEAD[0]]
    texts = [one.text for one in takewhile(lambda one: not one.chunks, following)]
    texts[0] = text = part.text[read:]
    # Where a long text hides in more places than are remembered.
    landings = set() if read else {session.text.find(text, part.low, part.high)}
    for ahead in {min(length, len(texts)) for length in LOOK_AHEAD}:
        at_heads, elsewhere = session.places("".join(texts[:ahead]))
        landings.update(_near(at_heads, near), () if read else _near(elsewhere, near))
    return {begin for begin in landings if part.low <= begin <= part.high - len(text)}


def _near(places: list[int], to: int) -> list[int]:
    middle = bisect_left(places, to)
    return places[max(0, middle - MOST_PLACES) : middle + MOST_PLACES]


def _spans(session: SessionText, parts: list[_Part], after: int, jump: _Jump | None) -> list[_Span]:
    landed: dict[int, _Jump] = {}
    while jump is not None:
        landed[jump.part] = jump
        jump = jump.before
    spans, at = [], after
    for number, part in enumerate(parts):
        to = landed.get(number)
        if to is not None and to.read:
            spans.append((part, at, at + to.read))
            begin, at = to.begin, to.begin + len(part.text) - to.read
        else:
            begin = at if to is None else to.begin
            at = part.end(session.text, begin)
        spans.append((part, begin, at))
    return spans


def _on_borders(session: SessionText, spans: list[_Span]) -> list[_Span]:
    """The same explanation, jumping a little sooner where that is between two chunks.

    What comes after a hole often begins as what is missing does, and was read as that.
    """
    moved: list[_Span] = []
    for span in spans:
        back = _characters_back(session, moved, span)
        begin = span[1]
        taken: list[_Span] = []
        while back:
            part, first, end = moved.pop()
            cut = max(first, end - back)
            if cut > first:
                moved.append((part, first, cut))
            taken.append((part, begin - (end - cut), begin))
            begin -= end - cut
            back -= end - cut
        moved += [*reversed(taken), span]
    return moved


def _characters_back(session: SessionText, before: list[_Span], span: _Span) -> int:
    """How many characters sooner a jump leaves and lands between chunks; 0: as it is."""
    part, begin, _ = span
    if not before or part.chunks or before[-1][2] == begin:
        return 0
    reach, at = 0, before[-1][2]
    for earlier, first, end in reversed(before):
        if earlier.chunks or end != at or reach > session.longest:
            break
        reach, at = reach + end - first, first
    return session.sooner(before[-1][2], begin, reach)


# --- what it comes to ----------------------------------------------------------------------


def _completed(
    session: SessionText, spans: list[_Span], pieces: int, after: int
) -> tuple[list[list[int]], list[int]]:
    """The chunks that each piece completed, and where each piece ended."""
    bounds = session.bounds
    completed: list[list[int]] = [[] for _ in range(pieces)]
    ended: dict[int, int] = {}
    # Who goes on inside a chunk has its beginning.
    at, begun = after, bounds[max(0, bisect_right(bounds, after) - 1)]
    for part, begin, end in spans:
        begun = begun if begin == at else begin
        if part.chunks:
            completed[part.piece].append(next(p for b, _, p in part.chunks if b == begin))
        else:
            place = bisect_left(bounds, max(begun, bounds[bisect_right(bounds, begin) - 1]))
            while place < len(session.chunks) and bounds[place + 1] <= end:
                if bounds[place + 1] > begin:
                    completed[part.piece].append(place)
                place += 1
        at = ended[part.piece] = end
    return completed, list(_ends(ended, pieces, after))


def _ends(ended: dict[int, int], pieces: int, after: int) -> Iterator[int]:
    """Where each piece ended; one that nothing explains ends where the one before it did."""
    for piece in range(pieces):
        after = ended.get(piece, after)
        yield after


_Places = list[tuple[int, int]]
"""(place of a chunk, piece at which it showed)."""


def _misplaced(completed: list[list[int]], owed: int) -> tuple[_Places, _Places, _Places]:
    """What is missing, came again, came late."""
    seen: set[int] = set()
    highest, repeats, swaps = _Places(), _Places(), _Places()
    for piece, places in enumerate(completed):
        for place in places:
            if place in seen:
                repeats.append((place, piece))
            elif highest and place < highest[-1][0]:
                swaps.append((place, piece))
            else:
                highest.append((place, piece))
            seen.add(place)
    end = highest[-1][0] if highest else 0
    missing = [place for place in range(owed, end) if place not in seen]
    holes = [(place, highest[bisect_left(highest, (place, 0))][1]) for place in missing]
    return holes, repeats, swaps


def _runs(places: _Places) -> Iterator[tuple[int, int, int]]:
    """(first place, last place, first piece) of neighbours that follow each other."""
    run: tuple[int, int, int] | None = None
    for place, piece in places:
        if run is not None and place == run[1] + 1:
            run = run[0], place, run[2]
        else:
            if run is not None:
                yield run
            run = place, place, piece
    if run is not None:
        yield run


def _stretch(session: SessionText, first: int, last: int, piece: int, by_text: bool) -> Stretch:
    chunks, at, end = session.chunks, session.bounds[first], session.bounds[last + 1]
    same_before = first > 0 and chunks[first - 1].text == chunks[last].text
    same_after = last + 1 < len(chunks) and chunks[last + 1].text == chunks[first].text
    return Stretch(first, last, at, end - at, piece, by_text and (same_before or same_after))
