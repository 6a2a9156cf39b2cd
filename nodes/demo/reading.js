/**
 * What a reader sees: receipts in, pieces of text out. Pure, so that tests can compare it whole.
 *
 * @typedef {import("./chat-client.js").Receipt} Receipt
 * @typedef {"text" | "hole" | "double" | "late" | "mended"} Kind
 *   text: as it should be. hole: missing. double: had already come. late: came after a higher
 *   number. mended: was missing, and fetched.
 * @typedef {{kind: Kind, via: import("./chat-client.js").Via | null, from: number, to: number,
 *            count: number, text: string}} Piece
 */

/**
 * A client that shows what comes, as it comes. Fetched chunks are left out: it asks for none.
 * @param {Receipt[]} receipts  In the order they came.
 * @param {number} head  Holes are marked up to this number.
 * @returns {Piece[]}
 */
export function plainReading(receipts, head) {
  const wire = receipts.filter(({ via }) => via !== "fetch");
  const holes = new Map(holesIn(wire, head).map((hole) => [hole.from - 1, hole]));
  const pieces = holes.has(0) ? [holes.get(0)] : [];
  const seen = new Set();
  let highest = 0;
  for (const { chunk, via } of wire) {
    const { seq } = chunk;
    const kind = seen.has(seq) ? "double" : seq < highest ? "late" : "text";
    append(pieces, kind, via, chunk);
    if (!seen.has(seq) && holes.has(seq)) pieces.push(holes.get(seq));
    seen.add(seq);
    highest = Math.max(highest, seq);
  }
  return pieces;
}

/**
 * A client that drops doubles, puts in order and shows what it fetched.
 * @param {Receipt[]} receipts
 * @param {number} head
 * @returns {Piece[]}
 */
export function repairedReading(receipts, head) {
  const first = new Map();
  for (const receipt of receipts) {
    if (!first.has(receipt.chunk.seq)) first.set(receipt.chunk.seq, receipt);
  }
  const holes = new Map(holesIn(receipts, head).map((hole) => [hole.from, hole]));
  const pieces = [];
  for (let seq = 1; seq <= Math.max(head, ...first.keys()); seq += 1) {
    if (holes.has(seq)) pieces.push(holes.get(seq));
    const receipt = first.get(seq);
    if (receipt) append(pieces, receipt.via === "fetch" ? "mended" : "text", receipt.via, receipt.chunk);
  }
  return pieces;
}

/**
 * What the wire did to this client, by the rules of docs/verdicts.md; `fetched` came by a fetch.
 * @param {Receipt[]} receipts
 * @param {number} head
 * @returns {{lost: number[], doubled: number, late: number, fetched: number[]}}
 */
export function count(receipts, head) {
  const wire = receipts.filter(({ via }) => via !== "fetch");
  const pieces = plainReading(wire, head);
  const total = (kind) => pieces.reduce((n, p) => n + (p.kind === kind ? p.count : 0), 0);
  const lost = holesIn(wire, head).flatMap(({ from, to }) => numbers(from, to));
  const came = new Set(receipts.map(({ chunk }) => chunk.seq));
  return {
    lost,
    doubled: total("double"),
    late: total("late"),
    fetched: lost.filter((seq) => came.has(seq)),
  };
}

/** Numbers from `from` to `to`. */
export function numbers(from, to) {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

/** @returns {Piece[]} A hole for each run of numbers up to `head` that never came. */
function holesIn(receipts, head) {
  const came = new Set(receipts.map(({ chunk }) => chunk.seq));
  const holes = [];
  for (const seq of numbers(1, head)) {
    if (came.has(seq)) continue;
    const last = holes.at(-1);
    if (last?.to === seq - 1) Object.assign(last, { to: seq, count: last.count + 1 });
    else holes.push({ kind: "hole", via: null, from: seq, to: seq, count: 1, text: "" });
  }
  return holes;
}

/** Add a chunk, to the last piece if it goes on in the same way. */
function append(pieces, kind, via, { seq, text }) {
  const last = pieces.at(-1);
  if (last?.kind === kind && last.via === via && last.to === seq - 1) {
    Object.assign(last, { to: seq, count: last.count + 1, text: last.text + text });
  } else {
    pieces.push({ kind, via, from: seq, to: seq, count: 1, text });
  }
}
