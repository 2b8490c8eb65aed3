"use strict";
/* What is drawn: values, the hatch and the surveys as tiles of canvases, coasts and borders as lines. */

glc.layers = (site, map) => {
  const TILE = 256;
  const NOT_PREDICTED = 255;
  const HATCH_STEP = 9; // pixels between the lines of the hatch
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const bounds = L.latLngBounds([-site.rows, 0], [0, site.cols]);

  function rgb(hex) {
    const value = parseInt(hex.slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }

  /* What is much differs most from the ground: dark on a light page, bright on a dark one. */
  function colours() {
    return dark.matches ? site.colours : [...site.colours].reverse();
  }

  const Cells = L.GridLayer.extend({
    options: { tileSize: TILE, minZoom: -20, maxZoom: 30, bounds, noWrap: true, keepBuffer: 1 },

    createTile(coords) {
      const tile = document.createElement("canvas");
      const sharp = Math.min(window.devicePixelRatio || 1, 2);
      const size = Math.round(TILE * sharp);
      tile.width = tile.height = size;
      const context = tile.getContext("2d");
      const scale = map.options.crs.scale(coords.z);
      const image = context.createImageData(size, size);
      const pixels = new Uint32Array(image.data.buffer);
      const cols = Int32Array.from({ length: size }, (_, x) => (coords.x * TILE + (x + 0.5) / sharp) / scale);
      for (let y = 0; y < size; y++) {
        const top = coords.y * TILE + (y + 0.5) / sharp;
        const row = Math.floor(top / scale / site.stretch);
        if (row < 0 || row >= site.rows) continue;
        this.paint(pixels.subarray(y * size, (y + 1) * size), cols, row, coords.x * TILE, top, sharp);
      }
      context.putImageData(image, 0, 0);
      return tile;
    },
  });

  const Values = Cells.extend({
    /* layer : values, none (no value), low and high (of the colours) */
    show(layer) {
      this.layer = layer;
      this.table = Uint32Array.from(colours(), (hex) => {
        const [red, green, blue] = rgb(hex);
        return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
      });
      this.redraw();
    },
    paint(pixels, cols, row) {
      if (!this.layer) return;
      const { values, none, low, high } = this.layer;
      const steps = 255 / Math.max(high - low, 1e-9);
      for (let x = 0; x < cols.length; x++) {
        const col = cols[x];
        if (col < 0 || col >= site.cols) continue;
        const value = values[row * site.cols + col];
        if (value !== none) pixels[x] = this.table[Math.min(Math.max(Math.round((value - low) * steps), 0), 255)];
      }
    },
  });

  const Hatch = Cells.extend({
    paint(pixels, cols, row, left, top, sharp) {
      if (!this.inside) return;
      const [red, green, blue] = rgb(style("--outside"));
      const ink = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
      for (let x = 0; x < cols.length; x++) {
        const col = cols[x];
        if (col < 0 || col >= site.cols || this.inside[row * site.cols + col] !== 0) continue;
        const along = (left + x / sharp + top) % HATCH_STEP;
        if ((along + HATCH_STEP) % HATCH_STEP < 2) pixels[x] = ink;
      }
    },
  });

  const Surveys = L.GridLayer.extend({
    options: { ...Cells.prototype.options, bounds: undefined, pane: "overlayPane" },

    take(surveys) {
      this.surveys = surveys;
      // by squares of cells, so that a tile looks at those near it only
      this.side = Math.max(1, Math.max(site.rows, site.cols) / 64);
      this.squares = new Map();
      for (let at = 0; at < surveys.col.length; at++) {
        const key = this.key(surveys.col[at] / 64, surveys.row[at] / 64);
        if (!this.squares.has(key)) this.squares.set(key, []);
        this.squares.get(key).push(at);
      }
      this.redraw();
    },
    key(col, row) {
      return `${Math.floor(col / this.side)} ${Math.floor(row / this.side)}`;
    },
    createTile(coords) {
      const tile = document.createElement("canvas");
      const sharp = Math.min(window.devicePixelRatio || 1, 2);
      tile.width = tile.height = TILE * sharp;
      if (!this.surveys) return tile;
      const context = tile.getContext("2d");
      const scale = map.options.crs.scale(coords.z);
      const radius = Math.min(Math.max(1.7 + 0.7 * coords.z, 1.2), 4.5);
      const [left, top] = [coords.x * TILE, coords.y * TILE];
      context.scale(sharp, sharp);
      context.fillStyle = style("--survey");
      context.strokeStyle = style("--survey-edge");
      context.lineWidth = 0.8;
      const span = (start, step) => [(start - 8) / step, (start + TILE + 8) / step];
      const [west, east] = span(left, scale);
      const [north, south] = span(top, scale * site.stretch);
      for (let row = Math.floor(north / this.side); row <= south / this.side; row++) {
        for (let col = Math.floor(west / this.side); col <= east / this.side; col++) {
          for (const at of this.squares.get(`${col} ${row}`) ?? []) {
            context.beginPath();
            const x = (this.surveys.col[at] / 64) * scale - left;
            const y = (this.surveys.row[at] / 64) * scale * site.stretch - top;
            context.arc(x, y, radius, 0, 2 * Math.PI);
            context.fill();
            context.stroke();
          }
        }
      }
      return tile;
    },
  });

  const values = new Values().addTo(map);
  const hatch = new Hatch({ zIndex: 2 });
  const surveys = new Surveys({ zIndex: 3 });
  const lines = L.layerGroup();
  let chosen = null;

  function repaint() {
    lines.eachLayer((line) => line.setStyle({ color: style(`--${line.options.kind}`) }));
    if (values.layer) values.show(values.layer);
    hatch.redraw();
    surveys.redraw();
    chosen?.setStyle({ color: style("--chosen") });
  }
  dark.addEventListener("change", repaint);

  return {
    colours,
    onRepaint: (listener) => dark.addEventListener("change", listener),
    show: (layer) => values.show(layer),
    inside: (array) => { hatch.inside = array; },
    predicted: (col, row) =>
      col >= 0 && row >= 0 && col < site.cols && row < site.rows
      && hatch.inside[row * site.cols + col] !== NOT_PREDICTED,
    isOutside: (col, row) => hatch.inside[row * site.cols + col] === 0,
    isInside: (col, row) => hatch.inside[row * site.cols + col] === 1,
    anyOutside: () => hatch.inside.includes(0),
    toggleHatch: (on) => (on ? hatch.addTo(map) : hatch.remove()),
    toggleLines: (on) => (on ? lines.addTo(map) : lines.remove()),
    async toggleSurveys(on) {
      if (!on) return surveys.remove();
      surveys.addTo(map);
      if (!surveys.surveys) surveys.take(await glc.surveys());
    },
    lines(outline) {
      for (const kind of ["border", "coast"]) {
        for (const flat of outline[kind]) {
          const points = [];
          for (let at = 0; at < flat.length; at += 2) points.push([-flat[at + 1], flat[at]]);
          const weight = kind === "coast" ? 1.2 : 0.8;
          L.polyline(points, { kind, weight, interactive: false, color: style(`--${kind}`) }).addTo(lines);
        }
      }
    },
    choose(col, row) {
      chosen?.remove();
      const square = [[-row, col], [-row - 1, col + 1]];
      const ink = { color: style("--chosen"), fill: false, interactive: false };
      // the circle shows a cell that is too small to be seen
      const circle = L.circleMarker([-row - 0.5, col + 0.5], { ...ink, radius: 9, weight: 1.5 });
      chosen = L.featureGroup([L.rectangle(square, { ...ink, weight: 2.5 }), circle]).addTo(map);
    },
    unchoose() { chosen?.remove(); },
  };
};
