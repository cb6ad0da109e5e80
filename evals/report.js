"use strict";
// Renders the embedded questions: search, filters, rows on demand. Text enters the page as text only.
(async () => {
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", PAGE = 60;
  const get = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child != null));
    return node;
  };
  const unpack = async () => {
    const packed = Uint8Array.from(atob(get("questions").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  };

  if (!("DecompressionStream" in window)) {
    get("table").append(make("p", { class: "small" }, "This table needs a browser of 2023 or later."));
    return;
  }
  const questions = await unpack();
  for (const q of questions) {
    q.haystack = [q.id, q.source_id, q.change, q.problem, q.question, ...q.options, ...(q.tags || []),
      q.base.greedy_text, q.adapter.greedy_text].join("\n").toLowerCase();
  }
  const unread = (q) => q.adapter.winner === null || q.base.winner === null;
  const filters = [["all", () => true], ["fixed"], ["broken"], ["both right"], ["both wrong"], ["no answer", unread]]
    .map(([name, test]) => [name, test || ((q) => q.change === name)]);
  let chosen = "all", shown = [], drawn = 0;

  const mark = (winner, gold) =>
    make("b", { class: winner === gold ? "right" : "wrong" }, (winner || "–") + (winner === gold ? " ✓" : " ✗"));
  const votes = (reply, gold) => {
    const row = make("span", { class: "votes", "aria-label": "votes: " + reply.votes.map((v) => v || "none").join(", ") });
    for (const v of reply.votes) row.append(make("i", { class: v === null ? "none" : v === gold ? "right" : "wrong" }, v || "–"));
    return row;
  };
  const said = (text) => make("pre", { dir: "auto", tabindex: 0 }, text || "(empty)");
  const side = (name, reply, q) => {
    const samples = reply.texts.map((text, i) => make("li", {},
      make("p", { class: "small" }, make("b", {}, reply.votes[i] || "no answer"), " ", make("code", {}, reply.extractors[i] || "")),
      said(text)));
    return make("div", { class: "reply " + name },
      make("h4", {}, name, " ", mark(reply.winner, q.gold), " ", votes(reply, q.gold)),
      said(reply.greedy_text),
      make("p", { class: "small" }, `greedy reply, ${reply.greedy ? `read as ${reply.greedy} by` : "no answer:"} `, make("code", {}, reply.greedy_extractor)),
      samples.length ? make("details", {}, make("summary", {}, `${samples.length} sampled replies`), make("ol", { class: "samples" }, ...samples)) : null);
  };
  const detail = (q) => make("div", { class: "detail" },
    make("div", { class: "asked", lang: q.language, dir: "auto" },
      make("p", { class: "problem" }, q.problem), make("p", { class: "question" }, q.question),
      make("ol", { class: "options" }, ...q.options.map((text, i) => make("li", { class: LETTERS[i] === q.gold && "gold" },
        make("b", {}, LETTERS[i]), " ", make("span", {}, text), LETTERS[i] === q.gold ? make("em", {}, "key") : null)))),
    make("div", { class: "replies" }, side("base", q.base, q), side("adapter", q.adapter, q)));

  const toggle = (row, q, open) => {
    const button = row.querySelector("button");
    const now = open ?? button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", now);
    row.querySelector(".detail")?.remove();
    if (now) row.append(detail(q));
  };
  const row = (q) => {
    const item = make("li", { id: "q-" + q.id },
      make("button", { type: "button", "aria-expanded": false },
        make("span", { class: "change " + q.change.replace(" ", "-") }, q.change),
        make("span", { class: "text", lang: q.language }, q.question),
        make("span", { class: "where" }, q.source_id || q.id),
        make("span", { class: "letters" }, make("span", {}, "key ", make("b", {}, q.gold)),
          make("span", {}, "base ", mark(q.base.winner, q.gold)), make("span", {}, "adapter ", mark(q.adapter.winner, q.gold)))));
    item.firstChild.addEventListener("click", () => toggle(item, q));
    return item;
  };
  const list = make("ol", { class: "rows" });
  const more = make("button", { type: "button", class: "more" }, "Show more");
  const draw = (upto = drawn + PAGE) => {
    list.append(...shown.slice(drawn, upto).map(row));
    drawn = Math.min(shown.length, Math.max(drawn, upto));
    more.hidden = drawn >= shown.length;
  };
  const filter = () => {
    const words = get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const test = filters.find(([name]) => name === chosen)[1];
    shown = questions.filter((q) => test(q) && words.every((word) => q.haystack.includes(word)));
    get("found").textContent = shown.length === questions.length ? `${shown.length} questions` : `${shown.length} of ${questions.length} questions`;
    list.replaceChildren();
    drawn = 0;
    draw();
  };
  const show = (id) => {
    const q = questions.find((candidate) => candidate.id === id);
    if (!q) return;
    if (!shown.includes(q)) { chosen = "all"; get("search").value = ""; paint(); filter(); }
    draw(shown.indexOf(q) + 1);
    const item = get("q-" + id);
    toggle(item, q, true);
    item.scrollIntoView();
    item.querySelector("button").focus({ preventScroll: true });
  };

  const buttons = filters.map(([name, test]) => {
    const button = make("button", { type: "button" }, name, " ", make("span", {}, String(questions.filter(test).length)));
    button.addEventListener("click", () => { chosen = name; paint(); filter(); });
    return button;
  });
  const paint = () => buttons.forEach((button, i) => button.setAttribute("aria-pressed", filters[i][0] === chosen));
  get("filter").querySelector("fieldset").append(...buttons);
  get("filter").hidden = false;
  get("filter").addEventListener("submit", (event) => event.preventDefault());
  let waiting;
  get("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  get("table").append(list, more);
  more.addEventListener("click", () => draw());
  new IntersectionObserver((seen) => { if (seen[0].isIntersecting && drawn) draw(); }, { rootMargin: "400px" }).observe(more);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); get("search").focus(); }
    const item = event.target.closest(".rows > li");
    const next = event.key === "ArrowDown" ? item?.nextElementSibling : event.key === "ArrowUp" ? item?.previousElementSibling : null;
    if (next && event.target.parentNode === item) { event.preventDefault(); next.firstChild.focus(); }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-open]");
    if (link) { event.preventDefault(); history.replaceState(null, "", link.hash); show(link.dataset.open); }
  });
  const unfold = () => {
    const target = location.hash.startsWith("#example-") && get(decodeURIComponent(location.hash.slice(1)));
    if (target) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);
  addEventListener("beforeprint", () => document.querySelectorAll("details.example").forEach((d) => { d.open = true; }));
  unfold();
  paint();
  filter();
  if (location.hash.startsWith("#q-")) show(decodeURIComponent(location.hash.slice(3)));
})();
