// Walks the rows of a list by keys: / searches, j k and arrows move, Enter in the search goes to the first row,
// Escape back to all. A row's first child takes the focus and opens it; hidden rows are passed over.
const walk = ({ list, search, filter, reset, grow = () => {} }) => {
  const row = (node) => [...list.children].find((item) => item.contains(node));
  const step = (by) => {
    let next = row(document.activeElement);
    do next = next ? (by > 0 ? next.nextElementSibling : next.previousElementSibling) : list.firstElementChild;
    while (next?.hidden);
    if (!next) return;
    if (!next.nextElementSibling) grow();
    next.firstElementChild.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea"), searching = event.target === search;
    const onRow = event.target.parentNode?.parentNode === list;
    const acts = {
      "/": !typing && (() => search.focus()),
      j: !typing && (() => step(1)), k: !typing && (() => step(-1)),
      ArrowDown: (onRow || searching) && (() => step(1)), ArrowUp: onRow && (() => step(-1)),
      Enter: searching && (() => { filter(); step(1); }),
      Escape: (onRow || searching) && (() => { reset(); search.focus(); }),
    };
    if (Object.hasOwn(acts, event.key) && acts[event.key]) { event.preventDefault(); acts[event.key](); }
  });
};
