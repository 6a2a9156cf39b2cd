/**
 * One pane's handover as a small drawing: when the node read and subscribed, and which chunks were
 * published around then. Positions are percent of a horizon that all panes share.
 */

/** Part of the horizon that lies before the connection, unless saving takes longer. */
const BEFORE = 0.12;

/**
 * @typedef {{opened: number, began: number, readMs: number | null, subscribedMs: number | null,
 *            firstLiveMs: number | null}} Join  `opened` and `began` (at the node) are on the page's
 *   clock, the node's readMs and subscribedMs after `began`, firstLiveMs after `opened`.
 * @typedef {{seq: number, at: number}} Seen  When a chunk was published, on the page's clock.
 */

/**
 * @param {HTMLElement} into
 * @param {Join} join
 * @param {{seen: Seen[], lost: Set<number>, fetched: Set<number>, horizonMs: number,
 *          saveMs: number}} more  `saveMs`: saved so long after (before: negative) publishing.
 */
export function drawTimeline(into, join, { seen, lost, fetched, horizonMs, saveMs }) {
  const beforeMs = Math.max(horizonMs * BEFORE, saveMs);
  const spanMs = beforeMs + horizonMs;
  const place = (ms) => ((ms + beforeMs) / spanMs) * 100;
  const drawn = [element("span", "axis")];
  const { readMs, subscribedMs } = join;
  if (readMs !== null && subscribedMs !== null) {
    const kind = subscribedMs > readMs ? "window" : "overlap";
    drawn.push(bar(`band ${kind}`, place(readMs), place(subscribedMs)));
  }
  drawn.push(flag("open", place(join.opened - join.began), "open"));
  const flags = [["read", readMs], ["subscribe", subscribedMs]].filter(([, ms]) => ms !== null);
  flags.sort(([, a], [, b]) => a - b);
  flags.forEach(([name, ms], row) => drawn.push(flag(`row${row}`, place(ms), name)));
  for (const { seq, at } of seen) {
    const ms = at - join.began;
    if (ms < -beforeMs || ms > horizonMs) continue;
    drawn.push(...chunkMark(seq, place(ms), (saveMs / spanMs) * 100, lost, fetched));
  }
  into.replaceChildren(...drawn);
}

function chunkMark(seq, at, savePercent, lost, fetched) {
  const kind = !lost.has(seq) ? "kept" : fetched.has(seq) ? "mended" : "bad";
  const mark = element("span", `chunk ${kind}`);
  mark.textContent = { kept: "", mended: "+", bad: "✕" }[kind];
  mark.title = `chunk ${seq}`;
  mark.style.left = `${at}%`;
  if (savePercent === 0) return [mark];
  return [bar(`save ${kind}`, at, Math.min(100, at + savePercent)), mark];
}

function bar(name, from, to) {
  const made = element("span", name);
  made.style.left = `${Math.max(0, Math.min(from, to))}%`;
  made.style.width = `${Math.abs(to - from)}%`;
  return made;
}

function flag(name, at, text) {
  const made = element("span", `flag ${name} ${at > 72 ? "leftwards" : ""}`);
  made.style.left = `${at}%`;
  made.append(Object.assign(document.createElement("span"), { textContent: text }));
  return made;
}

function element(tag, name) {
  return Object.assign(document.createElement(tag), { className: name });
}
