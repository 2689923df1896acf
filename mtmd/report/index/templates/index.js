"use strict";
(() => {
  const source = document.getElementById("data");
  if (!source) return;
  document.documentElement.classList.add("script");
  const runs = JSON.parse(source.textContent);
  const rows = [...document.querySelectorAll("#list tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase().replace(/\s+/g, " "));
  const search = document.getElementById("search");
  const verdicts = [...document.querySelectorAll("input[name=verdict]")];

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(verdicts.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    rows.forEach((row, place) => {
      const fits = wanted.has(row.dataset.verdict) && words.every((word) => texts[place].includes(word));
      row.hidden = !fits;
      shown += fits;
    });
    document.getElementById("shown").textContent = `${shown} of ${rows.length} runs`;
  }
  search.addEventListener("input", filter);
  verdicts.forEach((box) => box.addEventListener("change", filter));

  // Text of records is only ever set as text, never as HTML.
  function make(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }
  function table(heads, lines) {
    const made = make("table");
    const head = made.appendChild(make("thead")).appendChild(make("tr"));
    heads.forEach((name, place) => head.append(make("th", name, place && lines.numbers ? "n" : "")));
    const body = made.appendChild(make("tbody"));
    lines.forEach((line) => {
      const row = body.appendChild(make("tr"));
      row.append(make("th", line[0]));
      line.slice(1).forEach((cell) => {
        row.append(cell instanceof Node ? cell : make("td", cell, lines.numbers ? "n" : "text"));
      });
    });
    return made;
  }
  const minus = (text) => text.replace("-", "\u2212");
  const form = (value, digits) => (value === null || value === undefined ? "\u2013" : minus(value.toFixed(digits)));
  function share(value) {
    if (value === null || value === undefined) return "\u2013";
    const text = (100 * value).toFixed(1);
    return `${Number(text) === 0 ? "0.0" : minus(value > 0 ? `+${text}` : text)}%`;
  }

  function facts(a, b) {
    return table(["", "A", "B"], a.facts.map(([name, value], place) => [name, value, b.facts[place][1]]));
  }
  function figures(a, b) {
    const names = [...new Set([...a.tasks, ...b.tasks].map((task) => task[0]))];
    const lines = names.map((name) => {
      const [one, other] = [a, b].map((run) => run.tasks.find((task) => task[0] === name) || []);
      const better = one[2] && other[2] !== null && other[2] !== undefined ? 1 - other[2] / one[2] : null;
      return [
        name, form(one[2], 4), form(other[2], 4), share(better), form(one[3], 3), form(other[3], 3),
        form(one[4], 3), form(other[4], 3), share(one[5]), share(other[5]),
      ];
    });
    lines.numbers = true;
    const heads = ["task", "LogMAE A", "LogMAE B", "B better", "calibration A", "calibration B", "AUC A", "AUC B",
      "A over its champion", "B over its champion"];
    return table(heads, lines);
  }
  function gate(run, name) {
    const cell = make("td", undefined, "text");
    const found = run.gates.find((one) => one[0] === name);
    if (!found) {
      cell.textContent = "not asked";
      return cell;
    }
    const marks = {pass: "\u2713", fail: "\u2717"};
    const kind = found[1] === "pass" && found[3] !== "pass" ? "part" : marks[found[1]] && found[1];
    cell.append(make("span", `${marks[found[1]] || "\u2013"} ${found[3]}`, kind), ` ${found[2]}`);
    return cell;
  }
  function gates(a, b) {
    const names = [...new Set([...a.gates, ...b.gates].map((one) => one[0]))];
    return table(["gate", "A", "B"], names.map((name) => [name, gate(a, name), gate(b, name)]));
  }
  function title(letter, run) {
    const made = make("p");
    made.append(make("b", `${letter}  `), `${run.day}  `);
    const name = make("code", run.model || "");
    if (run.page) {
      const link = make("a");
      link.href = run.page;
      link.append(name);
      made.append(link);
    } else {
      made.append(name);
    }
    return made;
  }

  const boxes = [...document.querySelectorAll("input[name=choose]")];
  const panel = document.getElementById("side-by-side");
  const bar = document.getElementById("chosen");
  let chosen = [];
  function show() {
    boxes.forEach((box) => (box.checked = chosen.includes(box.value)));
    bar.hidden = chosen.length === 0;
    const told = document.getElementById("chosen-words");
    told.textContent = chosen.map((one, place) => `${"AB"[place]}: ${runs[one].day} ${runs[one].model}`).join("   ");
    document.getElementById("to-compare").hidden = chosen.length < 2;
    panel.replaceChildren();
    if (chosen.length < 2) {
      panel.append(make("p", "Tick two runs in the list above.", "note"));
      return;
    }
    const [a, b] = chosen.map((one) => runs[one]);
    const words = a.day === b.day
      ? "Both are measured on the same held-out day."
      : "Each is measured on its own held-out day, so a difference may be that of the days. The page of a run compares its candidate with the champion on the same rows.";
    panel.append(title("A", a), title("B", b), make("p", words, "note"));
    [["Run", facts(a, b)], ["Metrics", figures(a, b)], ["Gates", gates(a, b)]].forEach(([name, one]) => {
      const scroll = make("div", undefined, "scroll");
      scroll.append(one);
      panel.append(make("h3", name), scroll);
    });
  }
  boxes.forEach((box) =>
    box.addEventListener("change", () => {
      chosen = box.checked ? [...chosen, box.value].slice(-2) : chosen.filter((one) => one !== box.value);
      show();
    }),
  );
  document.getElementById("clear").addEventListener("click", () => {
    chosen = [];
    show();
  });
  filter();
  show();
})();
