"use strict";
// Keys, menus that act at once, and pages of what is under way kept fresh. Every page works without it.
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  for (const menu of all("select[data-submit]")) menu.addEventListener("change", () => menu.form.requestSubmit());
  for (const menu of all("select[data-to]")) {
    menu.addEventListener("change", () => { menu.form.querySelector("[data-target]").href = menu.value; });
  }
  // empty fields make no part of an address
  document.addEventListener("submit", (event) => {
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => all("form :disabled").forEach((field) => { field.disabled = false; }));

  const rows = () => all("[data-rows] > tbody > tr, [data-rows] > details").map((row) => ({
    row, focus: row.querySelector("a, summary") || row,
  }));
  const step = (by) => {
    const there = rows();
    const at = there.findIndex(({ row }) => row.contains(document.activeElement));
    const next = there[at < 0 ? (by > 0 ? 0 : there.length - 1) : at + by];
    if (!next) return;
    next.focus.focus({ preventScroll: true });
    next.row.scrollIntoView({ block: "nearest" });
  };
  const follow = (selector) => { const link = one(selector); if (link) location.href = link.href; };
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (going) {
      going = false;
      const link = one(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); location.href = link.href; }
      return;
    }
    const acts = {
      "/": () => { const search = one("[data-search]"); if (search) { search.focus(); search.select(); } },
      g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
      j: () => step(1), k: () => step(-1),
      "[": () => follow("a[rel=prev]"), "]": () => follow("a[rel=next]"),
    };
    if (Object.hasOwn(acts, event.key)) { event.preventDefault(); acts[event.key](); }
  });

  const bottom = () => all("[data-bottom]").forEach((log) => { log.scrollTop = log.scrollHeight; });
  bottom();
  const fetched = async (address) => {
    const reply = await fetch(address);
    if (!reply.ok) throw new Error(reply.status);
    return new DOMParser().parseFromString(await reply.text(), "text/html");
  };
  // A question's replies come when it is opened.
  document.addEventListener("toggle", async ({ target }) => {
    if (!target.open || !target.dataset?.load) return;
    const address = target.dataset.load;
    delete target.dataset.load;
    try {
      const fresh = (await fetched(`${address}&part=yes`)).querySelector(".detail");
      target.querySelector(".detail").replaceChildren(...fresh.childNodes);
    } catch { target.dataset.load = address; }
  }, true);
  // A run under way: its steps, loss and log are drawn anew; when it has ended, the whole page is.
  const live = async () => {
    const part = one("#live[data-live]");
    if (!part) return;
    try {
      const fresh = (await fetched(part.dataset.live)).querySelector("#live");
      if ("ended" in fresh.dataset) { location.reload(); return; }
      const open = all("details", part).map((d) => d.open);
      const logs = all(".log", part).map((l) => l.scrollTop + l.clientHeight >= l.scrollHeight - 4);
      const focused = part.contains(document.activeElement);
      if (!focused) {
        part.replaceChildren(...fresh.childNodes);
        all("details", part).forEach((d, i) => { d.open = open[i] || false; });
        all(".log", part).forEach((l, i) => { if (logs[i] ?? true) l.scrollTop = l.scrollHeight; });
      }
      part.classList.remove("stale");
    } catch { part.classList.add("stale"); }
    setTimeout(live, 1500);
  };
  if (one("#live[data-live]")) setTimeout(live, 1500);
  // The list of runs, where one is under way: its rows are replaced unless somebody is among them.
  const list = one("table[data-reload]");
  if (list) {
    setInterval(async () => {
      if (document.hidden || list.contains(document.activeElement)) return;
      try {
        const fresh = (await fetched(location.href)).querySelector("table[data-rows] > tbody");
        if (fresh) list.tBodies[0].replaceWith(fresh);
      } catch { /* the next look tells */ }
    }, Number(list.dataset.reload));
  }
})();
