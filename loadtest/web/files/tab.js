// The Delivery tab of Locust's page: a panel in <main>, there while the tab is chosen. It is what a
// page opens on that was not asked for another: Locust reads the tab from the address, once it runs.
//
// Locust can show a table of its own in a tab, but asks for it only while a test runs; what is
// judged of the last second would never be seen. So the panel asks by itself.
(() => {
  "use strict";
  const address = new URL(location.href);
  if (!address.searchParams.has("tab")) {
    address.searchParams.set("tab", "delivery");
    history.replaceState(history.state, "", address);
  }
  const EVERY_MS = 2000;
  const LOOK_MS = 250;
  const panel = document.createElement("section");
  panel.className = "chunk7";
  panel.id = "chunk7-panel";
  panel.innerHTML =
    '<p class="links"><a href="./delivery">Live charts</a>' +
    '<a href="./delivery/csv">Download CSV</a></p><div id="chunk7-table"></div>';
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "./delivery/files/delivery.css";
  document.head.append(style);

  const unfolded = new WeakSet();
  let asking = false;
  let shown = null;
  let asked_ms = -Infinity;

  const chosen = () => {
    const tab = document.querySelector('[role="tab"][aria-selected="true"]');
    return tab !== null && tab.textContent.trim() === "Delivery";
  };

  const isDark = () => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g) || [255, 255, 255];
    return Number(red) + Number(green) + Number(blue) < 384;
  };

  const show = (html) => {
    if (html !== shown) {
      shown = html;
      panel.querySelector("#chunk7-table").innerHTML = html;
    }
  };

  const ask = async () => {
    asking = true;
    try {
      const answer = await fetch("./delivery/table", { signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      show(await answer.text());
    } catch {
      show('<div class="verdict bad"><p class="headline">Locust does not answer</p></div>');
    } finally {
      asking = false;
      asked_ms = performance.now();
    }
  };

  // Our options are what a test is about, and Locust folds them away. Once for each form: who
  // folds them again wants it so.
  const unfold = () => {
    for (const fold of document.querySelectorAll('button[aria-expanded="false"]')) {
      if (fold.textContent.trim() === "Custom parameters" && !unfolded.has(fold)) {
        unfolded.add(fold);
        fold.click();
      }
    }
  };

  const look = () => {
    unfold();
    if (!chosen()) {
      panel.remove();
      return;
    }
    const main = document.querySelector("main");
    if (main === null) return;
    if (panel.parentNode !== main) {
      main.append(panel);
      asked_ms = -Infinity;
    }
    panel.dataset.theme = isDark() ? "dark" : "light";
    if (!asking && !document.hidden && performance.now() - asked_ms >= EVERY_MS) ask();
  };

  setInterval(look, LOOK_MS);
  document.addEventListener("click", () => setTimeout(look, 0));
})();
