"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from) => Array.from((from || document).querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);

  // Theme: that of the system until the reader chooses. A file from disk may have no storage.
  const themeButton = byId("theme");
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; };
  try { const kept = localStorage.getItem("wssbench-theme"); if (kept === "dark" || kept === "light") root.dataset.theme = kept; } catch { /* none */ }
  themeButton.hidden = false;
  nameTheme();
  systemDark.addEventListener("change", nameTheme);
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("wssbench-theme", root.dataset.theme); } catch { /* none */ }
    nameTheme();
  });

  // Values on hover and on focus. The title of a mark becomes its label, so that the browser shows no second tooltip.
  const tip = byId("tip");
  const show = (mark) => {
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(6, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 6);
    const above = box.top - own.height - 8;
    tip.style.left = left + "px";
    tip.style.top = (above > 4 ? above : box.bottom + 8) + "px";
  };
  const hide = () => { tip.hidden = true; };
  for (const svg of all("figure svg")) {
    const marks = all(".m", svg);
    for (const mark of marks) {
      const title = mark.querySelector("title");
      mark.setAttribute("aria-label", title.textContent);
      mark.setAttribute("role", "img");
      mark.setAttribute("tabindex", "-1");
      title.remove();
    }
    if (!marks.length) continue;
    // One stop of the tab key per figure; arrows go from mark to mark.
    let current = 0;
    marks[0].setAttribute("tabindex", "0");
    const go = (index) => {
      marks[current].setAttribute("tabindex", "-1");
      current = Math.min(Math.max(0, index), marks.length - 1);
      marks[current].setAttribute("tabindex", "0");
      marks[current].focus();
    };
    svg.addEventListener("keydown", (event) => {
      const to = { ArrowRight: current + 1, ArrowDown: current + 1, ArrowLeft: current - 1, ArrowUp: current - 1, Home: 0, End: marks.length - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      go(to);
    });
    svg.addEventListener("focusin", (event) => {
      const mark = event.target.closest(".m");
      if (mark) { marks[current].setAttribute("tabindex", "-1"); current = marks.indexOf(mark); mark.setAttribute("tabindex", "0"); show(mark); }
    });
    svg.addEventListener("focusout", hide);
    svg.addEventListener("pointerover", (event) => { const mark = event.target.closest(".m"); if (mark) show(mark); });
    svg.addEventListener("pointerout", hide);
  }
  addEventListener("scroll", hide, { passive: true });

  // Tables that sort and filter.
  const value = (cell) => {
    const text = cell.textContent.trim();
    const number = parseFloat(text.replace(/^[≈\s]*(within\s+)?/, "").replace(/,/g, "").replace("−", "-"));
    // A tie is not a ratio: it counts as 1.
    if (text.startsWith("≈")) return 1;
    return text === "—" || text === "" ? null : Number.isNaN(number) || !/^[\d−-]/.test(text) ? text.toLowerCase() : number;
  };
  const order = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  };
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = Array.from(body.rows).map((row) => [value(row.cells[column]), row]);
        // What is missing comes last in both directions.
        rows.sort(([one], [other]) => (one === null || other === null ? order(one, other) : (down ? -1 : 1) * order(one, other)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  for (const input of all("input[data-filter]")) {
    const table = byId(input.dataset.filter), count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = Array.from(table.tBodies[0].rows);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    input.addEventListener("input", filter);
    filter();
  }

  // The clipboard needs a secure context, which a file from disk is not everywhere: select the text instead.
  for (const button of all("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = byId(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(from.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(from);
        button.textContent = "Selected: copy it with the keyboard";
      }
    });
  }

  // The embedded results.
  const download = byId("download"), results = all("script[data-name]");
  if (results.length && "DecompressionStream" in window) {
    download.hidden = false;
    download.addEventListener("click", async () => {
      for (const result of results) {
        const bytes = Uint8Array.from(atob(result.textContent.trim()), (c) => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        const link = document.createElement("a");
        link.href = URL.createObjectURL(await new Response(stream).blob());
        link.download = result.dataset.name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      }
    });
  }
})();
