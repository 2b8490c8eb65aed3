"use strict";
/* Degrees of cells, and surveys near them. */

glc.places = (site) => {
  const { steps, lon, lat } = site.lattice;
  const RADIANS = Math.PI / 180;

  function between(values, col, row) {
    const x = Math.min(Math.max((col / site.cols) * steps, 0), steps - 1e-9);
    const y = Math.min(Math.max((row / site.rows) * steps, 0), steps - 1e-9);
    const at = Math.floor(y) * (steps + 1) + Math.floor(x);
    const corners = [values[at], values[at + 1], values[at + steps + 1], values[at + steps + 2]];
    if (corners.includes(null)) return NaN;
    const [u, v] = [x % 1, y % 1];
    return (corners[0] * (1 - u) + corners[1] * u) * (1 - v) + (corners[2] * (1 - u) + corners[3] * u) * v;
  }

  /* Longitude (as far beyond 180 as the map goes) and latitude of a col and row within the map. */
  function degrees(col, row) {
    return [between(lon, col, row), between(lat, col, row)];
  }

  function metres(lonA, latA, lonB, latB) {
    const x = Math.sin(((latB - latA) * RADIANS) / 2);
    const y = Math.sin(((lonB - lonA) * RADIANS) / 2);
    const share = x * x + Math.cos(latA * RADIANS) * Math.cos(latB * RADIANS) * y * y;
    return 2 * site.radius_m * Math.asin(Math.min(1, Math.sqrt(share)));
  }

  /* Col and row of degrees, or null outside of the map: Newton's steps from the nearest node. */
  function cell(wantedLon, wantedLat) {
    let best = Infinity;
    let [col, row] = [0, 0];
    for (let node = 0; node < lon.length; node++) {
      if (lon[node] === null) continue;
      const away = metres(wantedLon, wantedLat, lon[node], lat[node]);
      if (away < best) {
        best = away;
        col = ((node % (steps + 1)) / steps) * site.cols;
        row = (Math.floor(node / (steps + 1)) / steps) * site.rows;
      }
    }
    const [width, height] = [site.cols / steps / 4, site.rows / steps / 4];
    const away = (at) => ((at + 540) % 360) - 180; // across 180 degrees
    for (let step = 0; step < 12; step++) {
      // one-sided differences, towards the middle of the map
      const right = col < site.cols / 2 ? width : -width;
      const down = row < site.rows / 2 ? height : -height;
      const here = degrees(col, row);
      const beside = degrees(col + right, row);
      const below = degrees(col, row + down);
      const a = (beside[0] - here[0]) / right, b = (below[0] - here[0]) / down;
      const c = (beside[1] - here[1]) / right, d = (below[1] - here[1]) / down;
      const [x, y] = [away(wantedLon - here[0]), wantedLat - here[1]];
      const area = a * d - b * c;
      if (!area) return null;
      col = Math.min(Math.max(col + (d * x - b * y) / area, 0), site.cols - 1e-6);
      row = Math.min(Math.max(row + (a * y - c * x) / area, 0), site.rows - 1e-6);
    }
    const [foundLon, foundLat] = degrees(col, row);
    return metres(wantedLon, wantedLat, foundLon, foundLat) < site.cell_m ? [col, row] : null;
  }

  /* The training surveys nearest to a place: metres, id, year and number of species of each. */
  async function nearest(placeLon, placeLat, count = 5) {
    const surveys = await glc.surveys();
    const best = [];
    for (let at = 0; at < surveys.lon.length; at++) {
      // a degree of latitude is never shorter than this, so most need no sines
      const far = Math.abs(surveys.lat[at] / 1e6 - placeLat) * RADIANS * site.radius_m;
      if (best.length === count && far > best[count - 1].metres) continue;
      const away = metres(placeLon, placeLat, surveys.lon[at] / 1e6, surveys.lat[at] / 1e6);
      if (best.length === count && away >= best[count - 1].metres) continue;
      const place = best.findIndex((other) => other.metres > away);
      best.splice(place < 0 ? best.length : place, 0, {
        metres: away,
        id: surveys.idMillions[at] * 1e6 + surveys.idRest[at],
        year: surveys.year[at],
        species: surveys.species[at],
      });
      best.length = Math.min(best.length, count);
    }
    return best;
  }

  function text(placeLon, placeLat) {
    const east = ((((placeLon + 180) % 360) + 360) % 360) - 180;
    const side = (value, letters) => `${Math.abs(value).toFixed(4)}° ${letters[value < 0 ? 1 : 0]}`;
    return `${side(placeLat, "NS")}, ${side(east, "EW")}`;
  }

  return { degrees, cell, nearest, text };
};
