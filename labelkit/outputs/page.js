
// Shows the findings that have a word and a severity; without it, all are shown.
"use strict";
(() => {
  const bar = document.querySelector("[data-filter]");
  if (!bar) return;
  bar.hidden = false;
  const word = bar.querySelector("input[type=search]");
  const boxes = [...bar.querySelectorAll("input[type=checkbox]")];
  const said = bar.querySelector("output");
  const items = [...document.querySelectorAll("[data-finding]")];
  const groups = [...document.querySelectorAll("[data-severity]")];
  const apply = () => {
    const wanted = word.value.trim().toLowerCase();
    const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const group of groups) {
      const heading = group.querySelector("h3").textContent.toLowerCase();
      let any = false;
      for (const item of group.querySelectorAll("[data-finding]")) {
        const fits = shown.has(group.dataset.severity)
          && (!wanted || heading.includes(wanted) || item.textContent.toLowerCase().includes(wanted));
        item.hidden = !fits;
        any = any || fits;
        count += fits ? 1 : 0;
      }
      group.hidden = !any;
    }
    said.textContent = count === items.length ? "" : `${count} of ${items.length} shown`;
  };
  word.addEventListener("input", apply);
  boxes.forEach((box) => box.addEventListener("change", apply));
})();
