"use strict";
// What the page does beyond showing itself: sort tables, page through lost chunks, draw timelines.
// Names that the run brought along only ever become text, never markup.
(() => {
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  // --- tables ---

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = element("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => sortBy(table, heads, column));
      head.append(button);
    });
  };

  // Numbers begin with the largest, texts with the first; what has no value stays at the end.
  const sortBy = (table, heads, column) => {
    const numeric = heads[column].classList.contains("number");
    const now = heads[column].getAttribute("aria-sort");
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const order = now === first ? second : first;
    const sign = order === "ascending" ? 1 : -1;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", order);
    const key = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (numeric ? Number(x) - Number(y) : x.localeCompare(y));
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  };

  document.querySelectorAll("table.sortable").forEach(makeSortable);

  addEventListener("beforeprint", () => {
    document.querySelectorAll("#making details").forEach((details) => { details.open = true; });
  });

  // --- lost chunks ---

  const { texts, causes, columns } = JSON.parse(byId("loss-data").textContent);
  const total = columns.seq.length;
  if (total === 0) return;

  const text = (column, row) => texts[column][columns[column][row]];
  const ms = (micro) => (micro / 1000).toFixed(3);

  const WORDS = {
    opens: ["", "client opens"], accepted: ["", "node accepts"], read: ["T1", "history read"],
    history: ["", "client has history"], publish: ["T2", "published"], save: ["T3", "saved"],
    subscribe: ["T4", "subscribed"], welcome: ["", "welcome"], first_live: ["T5", "first live chunk"],
    closed: ["", "connection ends"],
  };
  const LANES = [
    ["producer", ["publish", "save"]],
    ["node", ["read", "subscribe"]],
    ["client", ["opens", "history", "first_live", "closed"]],
  ];
  // What the lanes do not show is in the numbers below them.

  // Every event of a row that happened: {name, at, least, most} in microseconds.
  const eventsOf = (row) => Object.keys(WORDS).flatMap((name) => {
    const at = name === "opens" ? 0 : columns[name][row];
    if (at === null) return [];
    const end = (side) => columns[name + side]?.[row] ?? at;
    return [{ name, at, least: end("_least"), most: end("_most") }];
  });

  const apart = (a, b) => `${ms(Math.abs(a - b))} ms ${a < b ? "before" : "after"}`;

  const story = (events) => {
    const at = Object.fromEntries(events.map((event) => [event.name, event.at]));
    const parts = [];
    if ("publish" in at && "read" in at) parts.push(`${apart(at.publish, at.read)} the history was read`);
    if ("publish" in at && "subscribe" in at) parts.push(`${apart(at.publish, at.subscribe)} the subscription took effect`);
    const published = parts.length ? `Published ${parts.join(" and ")}. ` : "";
    const saved = "save" in at && "read" in at ? `Saved ${apart(at.save, at.read)} the history was read.` : "";
    return published + saved;
  };

  const describe = (row) => {
    const pairs = [
      ["session", text("session_id", row)],
      ["message", `${text("message_id", row)}, chunk ${columns.index[row]} of it`],
      ["connection", columns.connection[row]],
      ["node", text("node", row)],
    ];
    const last = columns.history_last_seq[row];
    pairs.push(["history read", last === null ? "was empty" : `ended with chunk ${last}`]);
    const receivers = columns.receivers[row];
    if (receivers !== null) pairs.push(["PUBLISH reached", `${receivers} ${receivers === 1 ? "node" : "nodes"}`]);
    return element("dl", { className: "making" }, ...pairs.map(([name, value]) =>
      element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))));
  };

  const instants = (events) => {
    const rows = [...events].sort((a, b) => a.at - b.at).map(({ name, at, least, most }) => {
      const half = Math.max(at - least, most - at);
      return element("tr", {},
        element("td", { className: "number" }, `${ms(at)} `,
          element("span", { className: "half", textContent: half ? `± ${ms(half)}` : "" })),
        element("td", { textContent: WORDS[name][0] }),
        element("td", { textContent: WORDS[name][1] }));
    });
    const titles = [["at, ms", "number"], ["label", ""], ["what happened", ""]];
    const head = titles.map(([title, className]) =>
      element("th", { scope: "col", className, textContent: title }));
    return element("table", {},
      element("caption", { textContent: "Milliseconds since the client opened" }),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows));
  };

  // --- the timeline ---

  const LETTER = 6.2; // its width, about, in the timeline's font

  const svg = (tag, attributes, content) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (content !== undefined) made.textContent = content;
    return made;
  };

  const drawn = new Set(LANES.flatMap(([, names]) => names));

  // What decides is always inside; the rest if it does not squeeze that.
  const extent = (events) => {
    const deciding = events.filter(({ name }) => ["opens", "read", "subscribe", "publish", "save"].includes(name));
    let low = Math.min(...deciding.map((event) => event.least));
    let high = Math.max(...deciding.map((event) => event.most));
    const reach = high + 1.2 * (high - low);
    for (const { at } of events) if (at > high && at <= reach) high = at;
    const pad = Math.max((high - low) * 0.03, 50);
    return [low - pad, high + pad];
  };

  const step = (span, count) => {
    const rough = span / count;
    const unit = 10 ** Math.floor(Math.log10(rough));
    return unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  };

  // Labels of one lane in as few lines as they fit into: [event, x, left edge, line].
  const placed = (events, x, left, width) => {
    const ends = [];
    return events.map((event) => {
      const [label, words] = WORDS[event.name];
      const caption = `${label} ${words} ${(event.at / 1000).toFixed(2)}`.trim();
      const length = caption.length * LETTER;
      const start = Math.min(Math.max(x(event.at) - length / 2, left), Math.max(left, width - length));
      let line = ends.findIndex((end) => end + 10 < start);
      if (line < 0) line = ends.length;
      ends[line] = start + length;
      return { event, caption, start, line };
    });
  };

  const timeline = (events, label, width) => {
    const [low, high] = extent(events);
    const left = 66, right = width - 8;
    const x = (micro) => left + ((micro - low) / (high - low)) * (right - left);
    const picture = svg("svg", { class: "timeline", width, role: "img", "aria-label": label });
    const at = Object.fromEntries(events.map((event) => [event.name, event.at]));
    const later = events.filter((event) => event.at > high && drawn.has(event.name));
    let y = 4;
    const lanes = LANES.map(([lane, names]) => {
      const inside = events.filter((event) => names.includes(event.name) && event.at <= high)
        .sort((a, b) => a.at - b.at);
      const labels = placed(inside, x, left, right);
      const lines = Math.max(1, ...labels.map(({ line }) => line + 1));
      const top = y;
      const base = top + lines * 15 + 8;
      y = base + (lane === "node" ? 20 : 10); // below the node ends the lost publication
      return { lane, labels, lines, top, base };
    });
    const bottom = y + 4;
    const shade = (from, to, index, name) => {
      if (!(from in at) || !(to in at) || at[to] <= at[from]) return;
      picture.append(svg("rect", { class: name, x: x(at[from]), width: x(at[to]) - x(at[from]),
        y: lanes[index].base - 9, height: 18, rx: 2 }));
    };
    const every = step(high - low, Math.max(2, width / 110));
    for (let tick = Math.ceil(low / every) * every; tick <= high; tick += every) {
      picture.append(svg("path", { class: "tick", d: `M${x(tick)} 4V${bottom}` }),
        svg("text", { class: "quiet", x: x(tick), y: bottom + 14, "text-anchor": "middle" },
          `${+(tick / 1000).toFixed(3)}${Math.abs(tick) < every / 2 ? " ms" : ""}`));
    }
    shade("publish", "save", 0, "unsaved");
    shade("read", "subscribe", 1, "deaf");
    for (const { lane, base } of lanes) {
      picture.append(svg("path", { class: "lane", d: `M${left} ${base}H${right}` }),
        svg("text", { class: "quiet", x: 0, y: base + 4 }, lane));
    }
    if ("publish" in at) {
      const fall = x(at.publish), end = lanes[1].base;
      picture.append(svg("path", { class: "fall", d: `M${fall} ${lanes[0].base}V${end + 8}` }),
        svg("path", { class: "fall", style: "stroke-dasharray:none",
          d: `M${fall - 4} ${end + 8}l8 8m0 -8l-8 8` }));
    }
    for (const { labels, lines, top, base } of lanes) {
      for (const { event, caption, start, line } of labels) {
        const spot = x(event.at), under = top + (lines - line) * 15 - 3;
        const anchor = Math.min(Math.max(spot, start + 6), start + caption.length * LETTER - 6);
        picture.append(
          svg("path", { class: "leader", d: `M${spot} ${base}L${anchor} ${under + 3}` }),
          svg("path", { class: "sure", d: `M${x(event.least)} ${base}H${x(event.most)}` }),
          svg("circle", { class: event.name === "publish" ? "dot bad" : "dot", cx: spot, cy: base, r: 4 }),
          svg("text", { x: start, y: under }, caption));
      }
    }
    let height = bottom + 20;
    if (later.length) {
      const words = later.map(({ name, at }) => `${WORDS[name].join(" ").trim()} at ${ms(at)}`).join(", ");
      picture.append(svg("text", { class: "quiet", x: right, y: height + 12, "text-anchor": "end" }, `later: ${words} ms →`));
      height += 18;
    }
    picture.setAttribute("height", height);
    return picture;
  };

  const legend = () => element("p", { className: "legend" },
    ...[["deaf", "history read, not yet subscribed"], ["unsaved", "published, not yet saved"],
      ["fall", "the lost publication"]].map(([name, words]) => element("span", {},
      element("span", { className: `swatch ${name}` }), words)));

  // --- the list ---

  const unfold = (details, row) => {
    const [cause, words] = causes[columns.cause[row]];
    const events = eventsOf(row);
    const told = story(events);
    const body = element("div", { className: "body" },
      element("p", {}, element("strong", { textContent: `${cause}: ` }), `${words}. ${told}`));
    details.append(body);
    const width = Math.max(300, Math.min(900, body.clientWidth - 40));
    body.append(timeline(events, `Timeline. ${told}`, width), legend(),
      element("div", { className: "beside" }, instants(events), describe(row)));
  };

  const item = (row) => {
    const summary = element("summary", {},
      element("span", { className: "cause", textContent: causes[columns.cause[row]][0] }),
      element("span", { className: "which", textContent: `chunk ${columns.seq[row]} of ${text("session_id", row)}` }),
      element("span", { className: "cell note", textContent: text("name", row) }),
      element("span", { className: "when", textContent: `${(columns.published[row] / 1e6).toFixed(3)} s`,
        title: "published, since the run began" }));
    const details = element("details", { className: "loss" }, summary);
    details.addEventListener("toggle", () => unfold(details, row), { once: true });
    return element("li", {}, details);
  };

  const haystack = (row) => ["session_id", "node", "message_id", "name"].map((column) => text(column, row))
    .concat(`connection=${columns.connection[row]};`, `chunk=${columns.seq[row]};`, causes[columns.cause[row]][0])
    .join("\n").toLowerCase();

  const inputs = { cell: byId("loss-cell"), cause: byId("loss-cause"), search: byId("loss-search") };
  let chosen = [];
  let page = 0;

  const show = () => {
    const first = page * PAGE;
    const rows = chosen.slice(first, first + PAGE);
    byId("loss-rows").replaceChildren(...rows.map(item));
    const many = (count) => count.toLocaleString("en");
    byId("loss-count").textContent = rows.length
      ? `${many(chosen.length)} of ${many(total)} lost chunks; ${many(first + 1)} to ${many(first + rows.length)} shown`
      : "No lost chunk fits.";
    const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
    byId("loss-page").textContent = `page ${page + 1} of ${pages}`;
    byId("loss-before").disabled = page === 0;
    byId("loss-after").disabled = page + 1 >= pages;
  };

  const filter = () => {
    const [cell, cause] = [inputs.cell.value, inputs.cause.value];
    // "chunk 7" means number 7, not whatever has a 7 in it.
    const words = inputs.search.value.toLowerCase()
      .replace(/\b(chunk|connection)\s+(\d+)/g, "$1=$2;").split(/\s+/).filter(Boolean);
    chosen = [];
    for (let row = 0; row < total; row += 1) {
      if (cell !== "" && columns.name[row] !== Number(cell)) continue;
      if (cause !== "" && columns.cause[row] !== Number(cause)) continue;
      if (words.length) {
        const where = haystack(row);
        if (!words.every((word) => where.includes(word))) continue;
      }
      chosen.push(row);
    }
    page = 0;
    show();
  };

  const turn = (by) => {
    page += by;
    show();
    byId("loss-count").scrollIntoView({ block: "nearest" });
  };

  const offer = (select, names) =>
    select.append(...names.map((name, value) => element("option", { value, textContent: name })));
  offer(inputs.cell, texts.name);
  offer(inputs.cause, causes.map(([title]) => title));
  inputs.cell.addEventListener("change", filter);
  inputs.cause.addEventListener("change", filter);
  inputs.search.addEventListener("input", filter);
  byId("loss-filter").addEventListener("submit", (event) => event.preventDefault());
  byId("loss-before").addEventListener("click", () => turn(-1));
  byId("loss-after").addEventListener("click", () => turn(1));
  byId("loss-list").hidden = false;
  filter();
})();
