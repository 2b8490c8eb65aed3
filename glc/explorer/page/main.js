"use strict";
/* The map, its controls, and what happens when they are used. */

glc.start = async () => {
  const by = (id) => document.getElementById(id);
  const fail = (error) => {
    by("summary").textContent = error.message;
    console.warn(error.message);
  };
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser is too old for the page: expected Chrome 90, Firefox 113, Safari 16.4 or later.");
  }
  const site = await glc.load("site");
  glc.keep(site.rows * site.cols);
  const places = glc.places(site);

  // one unit is a cell; at zoom 0 the whole map just fits, so that tiles are never scaled
  const box = by("map").getBoundingClientRect();
  const fit = 0.96 * Math.min(box.width / site.cols, box.height / site.rows / site.stretch);
  const crs = L.extend({}, L.CRS.Simple, {
    transformation: new L.Transformation(1, 0, -site.stretch, 0),
    scale: (zoom) => fit * 2 ** zoom,
    zoom: (scale) => Math.log2(scale / fit),
    distance: (a, b) => Math.hypot(a.lng - b.lng, a.lat - b.lat) * site.cell_m,
  });
  const bounds = L.latLngBounds([-site.rows, 0], [0, site.cols]);
  const map = L.map("map", {
    crs,
    minZoom: -2,
    maxZoom: Math.max(3, Math.ceil(Math.log2(64 / fit))),
    maxBounds: bounds.pad(0.5),
    attributionControl: false, // the credits are on the page
    fadeAnimation: false,
    zoomAnimation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    preferCanvas: true,
  }).setView([-Math.floor(site.rows / 2) - 0.5, Math.floor(site.cols / 2) + 0.5], 0); // in a cell, not on an edge
  L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
  map.getContainer().append(glc.element("div", "", { class: "cross", "aria-hidden": "true" }));
  new ResizeObserver(() => map.invalidateSize()).observe(map.getContainer());

  const layers = glc.layers(site, map);
  layers.inside(await glc.array("grids/inside"));

  // the list of layers
  const every = [
    ...site.layers.map((layer) => ({ value: `grids/${layer.key}`, text: layer.title, layer })),
    ...site.species.map((species, at) => ({ value: `species/${at}`, text: glc.label(species), species })),
  ];
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  for (const entry of every) entry.words = plain(entry.species ? `${entry.species.name} ${entry.species.id}` : entry.text);
  let current = every[0];

  function list() {
    const wanted = plain(by("search").value).split(/\s+/).filter(Boolean);
    const matches = (entry) => wanted.every((word) => entry.words.includes(word));
    const group = (label, entries) => {
      const element = glc.element("optgroup", "", { label });
      for (const entry of entries) element.append(new Option(entry.text, entry.value, false, entry === current));
      return element;
    };
    const general = every.filter((entry) => entry.layer && matches(entry));
    const species = every.filter((entry) => entry.species && matches(entry));
    const groups = [general.length ? group("All species together", general) : "", species.length ? group("Species", species) : ""];
    by("layer").replaceChildren(...groups.filter(Boolean));
    if (![...general, ...species].includes(current)) by("layer").selectedIndex = -1;
    by("matches").textContent = wanted.length
      ? `${species.length.toLocaleString("en")} of ${site.species.length.toLocaleString("en")} species`
      : `${site.species.length.toLocaleString("en")} species`;
    return [...general, ...species];
  }

  async function range(entry) {
    const values = await glc.array(entry.value);
    if (entry.species) {
      const high = by("same-scale").checked ? 1 : entry.species.highest || site.scale;
      const step = (entry.species.highest || site.scale) / 254;
      return { values, none: 255, low: 0, high: high / step, lowText: "0", highText: glc.number(high), unit: site.values, step };
    }
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (value === 65535) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const text = (value) => glc.amount(value * entry.layer.scale, entry.layer.unit);
    return { values, none: 65535, low, high, lowText: text(low), highText: text(high), unit: "", step: entry.layer.scale };
  }

  let shown = null;
  async function show(entry) {
    current = entry;
    const drawn = await range(entry);
    if (entry !== current) return; // another layer was chosen meanwhile
    shown = drawn;
    layers.show(drawn);
    by("legend-title").textContent = entry.species ? `${entry.text}: ${drawn.unit}` : entry.text;
    by("legend-low").textContent = drawn.lowText;
    by("legend-high").textContent = drawn.highText;
    legend();
    for (const option of by("layer").options) option.selected = option.value === entry.value;
    document.body.dataset.layer = entry.value;
  }

  function legend() {
    const context = by("legend-bar").getContext("2d");
    layers.colours().forEach((colour, at) => {
      context.fillStyle = colour;
      context.fillRect(at, 0, 1, 1);
    });
    by("legend-hatch").hidden = !by("show-hatch").checked;
    by("legend-surveys").hidden = !by("show-surveys").checked;
  }

  const panel = glc.panel(site, places, layers, (number) => {
    by("search").value = "";
    current = every.find((entry) => entry.species === site.species[number]);
    list();
    show(current).catch(fail);
  });
  const pick = (point) => panel.show(Math.floor(point.lng), Math.floor(-point.lat)).catch(fail);

  by("search").addEventListener("input", list);
  by("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = list().find((entry) => entry.species) ?? list()[0];
    if (first) show(first).catch(fail);
  });
  by("layer").addEventListener("change", () => {
    const entry = every.find((other) => other.value === by("layer").value);
    if (entry) show(entry).catch(fail);
  });
  by("same-scale").addEventListener("change", () => show(current).catch(fail));
  by("show-hatch").addEventListener("change", (event) => { layers.toggleHatch(event.target.checked); legend(); });
  by("show-lines").addEventListener("change", (event) => layers.toggleLines(event.target.checked));
  by("show-surveys").addEventListener("change", (event) => {
    layers.toggleSurveys(event.target.checked).catch(fail);
    legend();
  });
  by("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    const [lon, lat] = ["lon", "lat"].map((id) => parseFloat(by(id).value.replace(",", ".")));
    const cell = Number.isFinite(lon) && Number.isFinite(lat) ? places.cell(lon, lat) : null;
    if (!cell) {
      by("summary").textContent = "That place is not on this map: give degrees, such as 3.9 and 43.6, west and south negative.";
      return;
    }
    const point = L.latLng(-cell[1], cell[0]);
    map.setView(point, Math.max(map.getZoom(), 2));
    pick(point);
  });
  map.on("click", (event) => pick(event.latlng));
  map.getContainer().addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target !== map.getContainer()) return;
    event.preventDefault();
    pick(map.getCenter());
  });
  // the cross in the middle is for those who move the map with keys
  document.addEventListener("keydown", () => document.body.classList.add("keys"));
  document.addEventListener("pointerdown", () => document.body.classList.remove("keys"));
  map.on("mousemove", (event) => {
    const [col, row] = [Math.floor(event.latlng.lng), Math.floor(-event.latlng.lat)];
    const within = col >= 0 && row >= 0 && col < site.cols && row < site.rows;
    const value = within && shown ? shown.values[row * site.cols + col] : null;
    const known = value !== null && value !== shown?.none;
    const amount = known ? `: ${glc.amount(value * shown.step, current.layer?.unit)}` : "";
    by("pointer").textContent = within ? `${places.text(...places.degrees(event.latlng.lng, -event.latlng.lat))}${amount}` : "";
  });
  map.on("mouseout", () => { by("pointer").textContent = ""; });
  layers.onRepaint(legend);

  // what the page says of the map
  const about = glc.element("dl");
  for (const [name, value] of site.about) about.append(glc.element("dt", name), glc.element("dd", value));
  by("about").append(about, ...site.notes.map((note) => glc.element("p", note, { class: "note" })));
  for (const [text, address] of site.credits) {
    const item = glc.element("li", address ? "" : text);
    const local = !address.startsWith("https:");
    const href = local ? `index.files/${address}` : address;
    if (address) item.append(glc.element("a", text, { href, rel: "noopener noreferrer" }));
    by("credits").append(item);
  }

  if (!layers.anyOutside()) by("show-hatch").closest("label").remove();
  list();
  layers.toggleHatch(true);
  layers.lines(await glc.load("basemap"));
  layers.toggleLines(true);
  await show(current);
  by("summary").textContent = `${site.title}. Click a cell for its species.`;
  document.body.dataset.ready = "yes";
};

glc.start().catch((error) => {
  document.getElementById("summary").textContent = error.message;
  console.error(error);
});
