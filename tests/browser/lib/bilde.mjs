// A picture for the guides: cut to what matters, the same each time it is taken, and small.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync, inflateSync, crc32 } from "node:zlib";

const folder = process.env.BILDER;
/** Space around what matters, in pixels. */
const MARGIN = 16;
const WIDTH = 1280;
/** The moment that all pictures tell of. */
const NOW = "2026-12-15T10:15:00";

/** What ids are called in pictures, in the order they were first seen. */
const ids = new Map();

function steadyId(id) {
  if (!ids.has(id)) {
    const n = (ids.size + 1).toString(16).padStart(2, "0");
    ids.set(id, `5e1f${n}a0-7c3b-4d${n}-8a5e-${n}b2c4d6e8f0`);
  }
  return ids.get(id);
}

/**
 * Takes a picture of the page from the top of `fra` to the bottom of `til`, at full width. With `ring`, there is a ring
 * around each of those elements; `under` is the space below. A dialog is taken with a little of what lies behind it.
 */
export async function bilde(page, navn, { fra, til = fra, ring = [], under = MARGIN }) {
  await page.evaluate(() => document.activeElement?.blur());
  await steady(page);
  for (const element of ring) await element.evaluate(drawRing);
  const dialog = page.locator("dialog[open]");
  const whole = (await dialog.count()) > 0 ? [await dialog.boundingBox(), await dialog.boundingBox()] : [await place(fra), await place(til)];
  const top = Math.max(0, Math.floor(whole[0].y - MARGIN));
  const bottom = Math.ceil(whole[1].y + whole[1].height + under);
  const png = await page.screenshot({
    fullPage: (await dialog.count()) === 0,
    clip: { x: 0, y: top, width: WIDTH, height: bottom - top },
    animations: "disabled",
    caret: "hide",
    scale: "css",
  });
  for (const element of ring) await element.evaluate(eraseRing);
  await writeFile(join(folder, `${navn}.png`), smaller(png));
  console.log(navn);
}

/** Where an element is on the page, however far it is scrolled. */
function place(locator) {
  return locator.evaluate((element) => {
    const { y, height } = element.getBoundingClientRect();
    return { y: y + scrollY, height };
  });
}

function drawRing(element) {
  element.style.outline = "3px solid #c8102e";
  element.style.outlineOffset = "3px";
}

function eraseRing(element) {
  element.style.outline = "";
  element.style.outlineOffset = "";
}

/** Puts the same ids and times into every run, and nothing in the place of secrets. */
async function steady(page) {
  const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
  const text = await page.evaluate(() => [document.body.innerText, ...[...document.querySelectorAll("input, textarea")].map((field) => field.value)].join("\n"));
  const known = new Set(ids.values());
  const replace = [...new Set(text.match(uuid) ?? [])].filter((id) => !known.has(id)).map((id) => [id, steadyId(id)]);
  await page.evaluate(
    ({ replace, now }) => {
      const STEP = 12;
      const swap = (text) => replace.reduce((text, [from, to]) => text.replaceAll(from, to), text);
      const fake = (length) => Array.from({ length }, (_, at) => ((at * 7) % 16).toString(16)).join("");
      for (const secret of document.querySelectorAll("[data-hemmelig] .kopi__verdi")) secret.textContent = "•".repeat(43);
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode;
        // Fingerprints and serial numbers of certificates.
        const steady = swap(node.data)
          .replace(/\b[0-9a-f]{30,64}\b/gi, (print) => fake(print.length === 64 ? 64 : 40))
          .replace(/[1-9]\d* ms /, `${STEP} ms `)
          .replace(/^[\d,]+(\s)GB er ledig/, "120$1GB er ledig");
        if (steady !== node.data) node.data = steady;
      }
      for (const field of document.querySelectorAll("input[type=text], input[type=search], textarea")) {
        if (swap(field.value) !== field.value) field.value = swap(field.value);
      }
      // As browsers in Norway show it, whatever the language of this one.
      for (const field of document.querySelectorAll("input[type=date]")) {
        const [year, month, date] = field.value.split("-");
        field.type = "text";
        field.value = date ? `${date}.${month}.${year}` : "dd.mm.åååå";
      }
      // Moments told to the millisecond are a step apart from each other.
      const moments = [...new Set([...document.querySelectorAll("time:not([data-rolig])")].map((time) => time.textContent))];
      const exact = moments.filter((text) => text.includes(",")).sort();
      // As long before or after the moment as it really is, in whole days.
      const day = 86_400_000;
      for (const time of document.querySelectorAll("time:not([data-rolig])")) {
        const days = Math.round((Date.parse(time.dateTime) - Date.now()) / day);
        const then = new Date(Date.parse(`${now}Z`) + days * day);
        const date = then.toISOString().slice(0, 10).split("-").reverse().join(".");
        const clock = exact.includes(time.textContent) ? `10.15.00,${100 + STEP * exact.indexOf(time.textContent)}` : "10.15";
        time.textContent = time.textContent.replace(/\d{2}\.\d{2}\.\d{4}/, date).replace(/\d{2}\.\d{2}(\.\d{2}(,\d{3})?)?$/, clock);
        time.dataset.rolig = "";
      }
    },
    { replace, now: NOW },
  );
}

/** The same picture in a palette of at most 256 colours. */
function smaller(png) {
  const { width, height, pixels } = decode(png);
  let bits = 8;
  let palette;
  do {
    palette = paletteOf(pixels, bits);
    bits -= 1;
  } while (palette.size > 256);
  const rows = Buffer.alloc((width + 1) * height);
  const mask = (0xff << (7 - bits)) & 0xff;
  for (let at = 0; at < width * height; at += 1) {
    const colour = colourAt(pixels, at, mask);
    rows[Math.floor(at / width) * (width + 1) + 1 + (at % width)] = palette.get(colour).index;
  }
  const colours = Buffer.from([...palette.values()].flatMap(({ first }) => [first >> 16, (first >> 8) & 0xff, first & 0xff]));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    png.subarray(0, 8),
    chunk("IHDR", head),
    chunk("PLTE", colours),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const colourAt = (pixels, at, mask) => ((pixels[at * 3] & mask) << 16) | ((pixels[at * 3 + 1] & mask) << 8) | (pixels[at * 3 + 2] & mask);

/** Colours that are the same in their first `bits` are one, and shown as the commonest of them. */
function paletteOf(pixels, bits) {
  const mask = (0xff << (8 - bits)) & 0xff;
  const counts = new Map();
  for (let at = 0; at < pixels.length / 3; at += 1) {
    const exact = colourAt(pixels, at, 0xff);
    counts.set(exact, (counts.get(exact) ?? 0) + 1);
  }
  const palette = new Map();
  for (const [exact] of [...counts].sort(([a, n], [b, m]) => m - n || a - b)) {
    const masked = exact & ((mask << 16) | (mask << 8) | mask);
    if (!palette.has(masked)) palette.set(masked, { index: palette.size, first: exact });
  }
  return palette;
}

/** Reads a PNG as the browser writes it: eight bits a channel, not interlaced, with or without alpha. */
function decode(png) {
  let at = 8;
  const data = [];
  let width, height, channels;
  while (at < png.length) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      channels = { 2: 3, 6: 4 }[body[9]];
      if (body[8] !== 8 || channels === undefined || body[12] !== 0) throw new Error("a PNG of another kind");
    }
    if (type === "IDAT") data.push(body);
    at += 12 + length;
  }
  const raw = inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const lines = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const left = x >= channels ? lines[y * stride + x - channels] : 0;
      const up = y > 0 ? lines[(y - 1) * stride + x] : 0;
      const corner = x >= channels && y > 0 ? lines[(y - 1) * stride + x - channels] : 0;
      lines[y * stride + x] = raw[y * (stride + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
  }
  const pixels = Buffer.alloc(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel += 1) lines.copy(pixels, pixel * 3, pixel * channels, pixel * channels + 3);
  return { width, height, pixels };
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function chunk(type, body) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const out = Buffer.alloc(12 + body.length);
  out.writeUInt32BE(body.length, 0);
  named.copy(out, 4);
  out.writeUInt32BE(crc32(named) >>> 0, 8 + body.length);
  return out;
}
