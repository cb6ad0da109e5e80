"use strict";
{% include "walk.js" %}
// Searches and filters the questions that stand in the page.
(() => {
  const get = (id) => document.getElementById(id);
  const list = get("rows"), search = get("search"), items = [...list.children];
  const text = new Map(items.map((item) => [item, item.textContent.toLowerCase()]));
  const changes = ["all", ...new Set(items.map((item) => item.dataset.change))];
  let chosen = "all", waiting;
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      item.hidden = !((chosen === "all" || item.dataset.change === chosen) && words.every((word) => text.get(item).includes(word)));
    }
    const left = items.filter((item) => !item.hidden).length;
    get("found").textContent = left === items.length ? `${left} questions` : `${left} of ${items.length} questions`;
  };
  const choose = (change) => {
    chosen = change;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", changes[i] === chosen));
    filter();
  };
  const buttons = changes.map((change) => {
    const button = document.createElement("button"), count = document.createElement("span");
    count.textContent = String(items.filter((item) => change === "all" || item.dataset.change === change).length);
    button.type = "button";
    button.append(change + " ", count);
    button.addEventListener("click", () => choose(change));
    return button;
  });
  const form = get("filter");
  form.querySelector("fieldset").append(...buttons);
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  const reset = () => { search.value = ""; choose("all"); };
  walk({ list, search, filter, reset });
  choose("all");
})();
