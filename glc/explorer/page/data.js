"use strict";
/* Values come as scripts: a page at file:// may not read other files, but may run them. */

const glc = (() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "data/");
  let kept = 40; // files in memory; the oldest is forgotten
  const files = new Map(); // name -> promise of its content
  const waiting = new Map(); // name -> what settles that promise

  /* Called by each script of values. */
  function put(name, content) {
    waiting.get(name)?.(content);
    waiting.delete(name);
  }

  function load(name, decode = (content) => content) {
    if (files.has(name)) {
      const known = files.get(name);
      files.delete(name);
      files.set(name, known);
      return known;
    }
    const content = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      waiting.set(name, resolve);
      script.src = `${folder}${name}.js`;
      script.onload = () => script.remove();
      script.onerror = () => {
        files.delete(name);
        script.remove();
        reject(new Error(`${name}.js cannot be read: copy the whole folder of this page again`));
      };
      document.head.append(script);
    }).then(decode);
    files.set(name, content);
    if (files.size > kept) files.delete(files.keys().next().value);
    return content;
  }

  /* An array of encode.py: differences, bytes by rank, deflated, base64. */
  async function numbers({ bytes, signed, cols, data }) {
    const packed = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const ranks = new Uint8Array(await new Response(stream).arrayBuffer());
    const count = ranks.length / bytes;
    const values = new { 1: Uint8Array, 2: Uint16Array, 4: signed ? Int32Array : Uint32Array }[bytes](count);
    for (let at = 0; at < count; at++) {
      let step = 0;
      for (let rank = 0; rank < bytes; rank++) step |= ranks[rank * count + at] << (8 * rank);
      values[at] = step + (at % cols ? values[at - 1] : 0); // wraps round, as the differences did
    }
    return values;
  }

  const array = (name) => load(name, numbers);

  async function surveys() {
    return load("surveys", async (columns) => {
      const names = Object.keys(columns);
      const values = await Promise.all(names.map((name) => numbers(columns[name])));
      return Object.fromEntries(names.map((name, at) => [name, values[at]]));
    });
  }

  /* Fewer files are kept of a map of many cells. */
  function keep(cells) {
    kept = Math.min(Math.max(Math.floor(3e8 / cells), 12), 40);
  }

  return { put, load, array, surveys, keep };
})();
