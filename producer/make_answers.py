"""`python -m chunk7.producer.make_answers`: prose and a seeded model of streaming, into the corpus.

Tokens. A word with the space before it is a token; one of more than 7 letters is cut into pieces of
3 to 6, as sub-word vocabularies do. A run of digits, a punctuation mark (with the space before it)
and a paragraph break are tokens. Joined, the tokens are the prose.

Timing of an answer of n tokens, all draws independent:

- speed: v tokens/s, log-uniform, v = 20 (150 / 20)^U
- first token: log-normal, T = 350 ms exp(0.5 Z)
- gap before each later token: Gamma of shape 2 and mean 1/v, -(ln U1 + ln U2) / (2 v)
- stall: with probability 0.006 a gap is longer by 0.3 to 1.5 s, uniform (a busy batch, a
  retransmission)
- burst: with probability 0.08 a token and the next B - 1 reach the client together, when the last
  of them is ready; B - 2 is geometric with P(one more) = 0.5, and B <= 8 (a proxy or Nagle gathers)

U is uniform over [0, 1), Z standard normal. The instants are rounded to 0.1 ms. The generator is
seeded with the seed and the answer's name, and only `random.Random.random` is drawn from, whose
sequence Python guarantees across versions.
"""

import json
import math
import random
import re
from pathlib import Path
from statistics import NormalDist

from chunk7.producer.answers import SHIPPED

PROSE = Path(__file__).parent / "prose"
SEED = 7
LONGEST_WORD = 7
SHORTEST_PIECE, LONGEST_PIECE = 3, 6
SLOWEST, FASTEST = 20.0, 150.0
TTFT_MEDIAN_S, TTFT_SIGMA = 0.35, 0.5
P_STALL, SHORTEST_STALL_S, LONGEST_STALL_S = 0.006, 0.3, 1.5
P_BURST, P_ONE_MORE, LARGEST_BURST = 0.08, 0.5, 8

_TOKEN = re.compile(r"\n+| ?[^\W\d_]+| ?\d+| ?[^\w\s]|\s|_")


def main() -> None:
    """Write one JSONL file for each file of prose."""
    for path in sorted(PROSE.glob("*.txt")):
        (SHIPPED / f"{path.stem}.jsonl").write_bytes(answer_of(path))


def answer_of(path: Path) -> bytes:
    """The answer that is made of one file of prose, as JSONL."""
    draw = random.Random(f"{SEED} {path.stem}")
    texts = tokens(unwrapped(path.read_text(encoding="utf-8")), draw)
    lines = [
        json.dumps({"text": text, "at_ms": at_ms}, ensure_ascii=False)
        for text, at_ms in zip(texts, instants_ms(len(texts), draw), strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def unwrapped(prose: str) -> str:
    """The prose with its paragraphs on one line each."""
    paragraphs = prose.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


def tokens(text: str, draw: random.Random) -> list[str]:
    """The text in pieces as an LLM emits it; joined, they are the text."""
    pieces: list[str] = []
    for token in _TOKEN.findall(text):
        pieces += _cut(token, draw) if len(token.strip()) > LONGEST_WORD else [token]
    return pieces


def _cut(word: str, draw: random.Random) -> list[str]:
    """A long word in pieces; the space before it counts as one of the first one's letters."""
    pieces: list[str] = []
    while len(word) > LONGEST_PIECE:
        most = min(LONGEST_PIECE, len(word) - SHORTEST_PIECE)
        size = SHORTEST_PIECE + int(draw.random() * (most - SHORTEST_PIECE + 1))
        pieces.append(word[:size])
        word = word[size:]
    return [*pieces, word]


def instants_ms(count: int, draw: random.Random) -> list[float]:
    """When each of `count` tokens reaches the client, in ms after the request."""
    speed = SLOWEST * (FASTEST / SLOWEST) ** draw.random()
    at_s = TTFT_MEDIAN_S * math.exp(TTFT_SIGMA * NormalDist().inv_cdf(_above_zero(draw)))
    ready_s = [at_s]
    for _ in range(count - 1):
        at_s -= (math.log(_above_zero(draw)) + math.log(_above_zero(draw))) / (2 * speed)
        if draw.random() < P_STALL:
            at_s += SHORTEST_STALL_S + (LONGEST_STALL_S - SHORTEST_STALL_S) * draw.random()
        ready_s.append(at_s)
    return [round(1_000 * at_s, 1) for at_s in _in_bursts(ready_s, draw)]


def _in_bursts(ready_s: list[float], draw: random.Random) -> list[float]:
    """The instants with some neighbours gathered at the last one's."""
    arrived_s: list[float] = []
    while len(arrived_s) < len(ready_s):
        size = 1
        if arrived_s and draw.random() < P_BURST:  # the first token is never held back
            size = 2
            while size < LARGEST_BURST and draw.random() < P_ONE_MORE:
                size += 1
        size = min(size, len(ready_s) - len(arrived_s))
        arrived_s += [ready_s[len(arrived_s) + size - 1]] * size
    return arrived_s


def _above_zero(draw: random.Random) -> float:
    """Uniform over (0, 1)."""
    return draw.random() or 2.0**-54


if __name__ == "__main__":
    main()
