"use strict";
/* The panel of a cell. Text from data becomes text nodes only. */

glc.element = (name, text = "", attributes = {}) => {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

glc.label = (species) => (species.name ? `${species.name} (${species.id})` : `species ${species.id}`);

glc.number = (value) => {
  if (value === 0) return "0";
  return value >= 0.001 ? value.toFixed(3) : value.toPrecision(2);
};

glc.amount = (value, unit) => {
  if (unit === "m") return value >= 1000 ? `${(value / 1000).toFixed(1)} km` : `${Math.round(value)} m`;
  if (unit === "species") return `${value.toFixed(Math.abs(value - Math.round(value)) < 0.005 ? 0 : 1)} species`;
  return glc.number(value);
};

glc.panel = (site, places, layers, showSpecies) => {
  const LISTED = 25;
  const NONE = 65535;
  const target = document.getElementById("cell");
  const summary = document.getElementById("summary");
  let newest = 0;

  /* Stored numbers of all species of a cell. */
  async function stored(col, row) {
    const { side } = site;
    const [down, right] = [Math.floor(row / side), Math.floor(col / side)];
    const values = await glc.array(`blocks/${down}-${right}`);
    const cols = Math.min(side, site.cols - right * side);
    const rows = Math.min(side, site.rows - down * side);
    const at = (row % side) * cols + (col % side);
    return site.species.map((_, number) => values[number * rows * cols + at]);
  }

  async function facts(col, row) {
    const entries = await Promise.all(
      site.layers.map(async (layer) => {
        const value = (await glc.array(`grids/${layer.key}`))[row * site.cols + col];
        return value === NONE ? null : [layer.title, glc.amount(value * layer.scale, layer.unit).replace(" species", "")];
      }),
    );
    const known = entries.filter(Boolean);
    if (layers.isOutside(col, row)) known.push(["Area of applicability", "outside: unlike what the model learned from"]);
    if (layers.isInside(col, row)) known.push(["Area of applicability", "inside"]);
    return known;
  }

  function table(caption, heads, rows) {
    const whole = glc.element("table");
    whole.append(glc.element("caption", caption));
    const head = whole.createTHead().insertRow();
    heads.forEach((text, at) => head.append(glc.element("th", text, { scope: "col", class: at ? "n" : "" })));
    const body = whole.createTBody();
    for (const cells of rows) body.append(cells);
    return whole;
  }

  function speciesRow({ species, number, value }) {
    const row = glc.element("tr", "", { "data-id": species.id, "data-value": value });
    const name = row.insertCell();
    const button = glc.element("button", glc.label(species), { type: "button", title: "show on the map" });
    button.addEventListener("click", () => showSpecies(number));
    name.append(button);
    row.insertCell().textContent = glc.number(value);
    row.lastChild.className = "n";
    return row;
  }

  function speciesTable(every) {
    const box = glc.element("div");
    const caption = `${every.length.toLocaleString("en")} species of this map by ${site.values}`;
    const draw = (count) => {
      const rows = every.slice(0, count).map(speciesRow);
      box.replaceChildren(table(caption, ["Species", site.relative ? "suitability" : "probability"], rows));
      if (count < every.length) {
        const more = glc.element("button", `Show all ${every.length.toLocaleString("en")}`, { type: "button", class: "more" });
        more.addEventListener("click", () => {
          draw(every.length);
          box.querySelectorAll("tbody button")[LISTED]?.focus();
        });
        box.append(more);
      }
    };
    draw(LISTED);
    return box;
  }

  function surveyRow(survey) {
    const row = glc.element("tr", "", { "data-id": survey.id, "data-metres": survey.metres });
    for (const text of [glc.amount(survey.metres, "m"), survey.species, survey.year || "", survey.id]) {
      row.insertCell().textContent = text;
      row.lastChild.className = row.cells.length > 1 ? "n" : "";
    }
    return row;
  }

  function nothing(text) {
    layers.unchoose();
    delete target.dataset.col;
    delete target.dataset.row;
    target.replaceChildren(glc.element("p", text, { class: "soft" }));
    summary.textContent = text;
  }

  async function show(col, row) {
    const mine = ++newest;
    const [lon, lat] = places.degrees(col + 0.5, row + 0.5);
    const place = places.text(lon, lat);
    if (!layers.predicted(col, row)) return nothing("No prediction there: sea, or not on this map.");
    layers.choose(col, row);
    summary.textContent = `Reading the cell at ${place} …`;
    const [numbers, known, near] = await Promise.all([stored(col, row), facts(col, row), places.nearest(lon, lat)]);
    if (mine !== newest) return; // another cell was asked for meanwhile
    const every = numbers.map((value, number) => ({ species: site.species[number], number, value: value * site.scale }));
    every.sort((a, b) => b.value - a.value || a.species.id - b.species.id);
    const list = glc.element("dl");
    for (const [name, value] of [["Centre", place], ...known]) {
      list.append(glc.element("dt", name), glc.element("dd", value));
    }
    const nearest = table(
      "The five nearest training surveys", ["distance", "species", "year", "survey"], near.map(surveyRow),
    );
    target.replaceChildren(list, speciesTable(every), nearest);
    target.dataset.col = col;
    target.dataset.row = row;
    const first = every[0];
    const link = glc.element("a", "all species", { href: "#panel" });
    const trust = layers.isOutside(col, row) ? " Outside of what the model learned from." : "";
    const highest = `highest ${site.relative ? "suitability" : "probability"} ${glc.number(first.value)}`;
    summary.replaceChildren(`${place}: ${highest}, ${glc.label(first.species)}.${trust} See `, link, ".");
    const column = document.querySelector("main");
    if (column.scrollHeight > column.clientHeight && getComputedStyle(column).overflowY === "auto") {
      document.getElementById("panel").scrollIntoView(); // two columns: it may be below the controls
    }
  }

  return { show };
};
