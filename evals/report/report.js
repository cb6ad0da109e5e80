"use strict";
{% include "walk.js" %}
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
  const subjects = JSON.parse(get("table").dataset.subjects).map(([label, style]) => ({ label, style }));
  const questions = await unpack();
  for (const q of questions) {
    q.haystack = [q.id, q.source_id, q.change, q.problem, q.question, ...q.options, ...(q.tags || []),
      ...q.subjects.flatMap((s) => [s.greedy_text, s.greedy_extractor, ...s.texts, ...new Set(s.extractors)])].join("\n").toLowerCase();
  }
  const unread = (q) => q.subjects.some((s) => s.winner === null);
  const differ = (q) => new Set(q.subjects.slice(1).map((s) => s.winner)).size > 1;
  const filters = [["all", () => true], ["fixed"], ["broken"], ["both right"], ["both wrong"], ["no answer", unread],
    ...(subjects.length > 2 ? [["adapters differ", differ]] : [])]
    .map(([name, test]) => [name, test || ((q) => q.change === name)]);
  let chosen = "all", shown = [], drawn = 0;

  const mark = (winner, gold) =>
    make("b", { class: winner === gold ? "right" : "wrong" }, (winner || "–") + (winner === gold ? " ✓" : " ✗"));
  const votes = (reply, gold) => {
    const row = make("span", { class: "votes", "aria-label": "votes: " + reply.votes.map((v) => v || "none").join(", ") });
    for (const v of reply.votes) row.append(make("i", { class: v === null ? "none" : v === gold ? "right" : "wrong" }, v || "–"));
    return row;
  };
  // Places count characters, JavaScript's strings count halves of some of them.
  const said = (text, at) => {
    const node = make("pre", { dir: "auto", tabindex: 0 });
    const all = at ? Array.from(text) : [];
    const part = (from, to) => all.slice(from, to).join("");
    node.append(...(at ? [part(0, at[0]), make("mark", {}, part(...at)), part(at[1])] : [text || "(empty)"]));
    return node;
  };
  const read = (answer, by) => [answer ? `read as ${answer} by ` : "no answer: ", make("code", {}, by)];
  const side = ({ label, style }, reply, q) => {
    const samples = reply.texts.map((text, i) => make("li", {},
      make("p", { class: "small" }, ...read(reply.votes[i], reply.extractors[i] || "")), said(text, reply.at[i])));
    return make("div", { class: "reply " + style },
      make("h4", {}, label, " ", mark(reply.winner, q.gold), " ", votes(reply, q.gold)),
      ...(reply.greedy_extractor ? [said(reply.greedy_text, reply.greedy_at),
        make("p", { class: "small" }, "greedy reply, ", ...read(reply.greedy, reply.greedy_extractor))] : []),
      samples.length ? make("details", {}, make("summary", {}, `${samples.length} sampled replies`), make("ol", { class: "samples" }, ...samples)) : null);
  };
  const detail = (q) => make("div", { class: "detail" },
    make("div", { class: "asked", lang: q.language, dir: "auto" },
      make("p", { class: "problem" }, q.problem), make("p", { class: "question" }, q.question),
      make("ol", { class: "options" }, ...q.options.map((text, i) => make("li", { class: LETTERS[i] === q.gold && "gold" },
        make("b", {}, LETTERS[i]), " ", make("span", {}, text), LETTERS[i] === q.gold ? make("em", {}, "key") : null)))),
    make("div", { class: "replies" }, ...q.subjects.map((reply, i) => side(subjects[i], reply, q))));

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
          ...q.subjects.map((reply, i) => make("span", {}, subjects[i].label + " ", mark(reply.winner, q.gold))))));
    item.firstChild.addEventListener("click", () => toggle(item, q));
    return item;
  };
  const list = make("ol", { class: subjects.length > 2 ? "rows many" : "rows" });
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
    if (!shown.includes(q)) reset();
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

  const reset = () => { chosen = "all"; get("search").value = ""; paint(); filter(); };
  walk({ list, search: get("search"), filter, reset, grow: () => draw() });
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
