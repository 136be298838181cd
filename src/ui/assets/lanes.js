// A lane for each miner: the blocks of its chain by height. Draws only while something moves.

import { hueOf, isStill } from "./page.js";

const ARRIVAL_MILLISECONDS = 450;

/** Sizes by the room there is: a projector shows large blocks, a phone or a crowd small ones. */
function sizes(width, miners) {
  const isNarrow = width < 500, row = Math.max(26, Math.min(isNarrow ? 40 : 68, (innerHeight * 0.62) / miners));
  const cell = Math.max(32, row), type = Math.max(11, Math.min(17, row * 0.3));
  return { row, cell, gap: isNarrow ? 5 : 9, label: isNarrow ? 58 : 40 + type * 4, type };
}

/** Blocks of each lane that were drawn, and when each arrived. */
const arrived = new Map();
let canvas = null, state = null, isAsked = false, isFirst = true;

/** Colours of the page, as they are now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink"), soft: of("--soft"), line: of("--line"), branch: of("--branch"), sheet: of("--sheet"), bad: of("--bad"), onTone: of("--on-tone"), lightness: of("--lightness"), chroma: of("--chroma") };
}

/** The colour of a block by its hash, the same as on all pages. */
const tone = (colours, hash) => `oklch(${colours.lightness} ${colours.chroma} ${hueOf(hash)})`;

export function drawLanes(where, fresh) {
  canvas = where;
  state = fresh;
  const now = performance.now(), isAtOnce = isFirst || isStill();
  const shown = new Set();
  state.miners.forEach((miner, place) => {
    for (const { hash } of state.chain(miner.head, 40)) {
      const key = `${place} ${hash}`;
      shown.add(key);
      if (!arrived.has(key)) arrived.set(key, isAtOnce ? -Infinity : now);
    }
  });
  for (const key of arrived.keys()) if (!shown.has(key)) arrived.delete(key);
  isFirst = false;
  ask();
}

function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(draw);
}

function fit() {
  const width = canvas.parentElement.clientWidth, size = sizes(width, state.present.length);
  const height = size.row * state.present.length + 26, dots = devicePixelRatio;
  const [wide, high] = [Math.round(width * dots), Math.round(height * dots)];
  if (canvas.width !== wide || canvas.height !== high) {
    [canvas.width, canvas.height] = [wide, high];
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.textBaseline = "middle";
  return { pen, width, height, size };
}

const write = (pen, text, x, y, size, colour, weight = "", room = undefined) => {
  pen.fillStyle = colour;
  pen.font = `${weight} ${size}px system-ui, sans-serif`;
  pen.fillText(text, x, y, room);
};

function draw(now) {
  isAsked = false;
  if (!state) return;
  const { pen, width, height, size } = fit(), paint = colours();
  // Another size or other colours: other pictures. Those of old blocks go, too, by and by.
  const look = JSON.stringify([size, paint, devicePixelRatio]);
  if (look !== picturesOf || pictures.size > 500) pictures.clear();
  picturesOf = look;
  const step = size.cell + size.gap;
  const room = Math.max(1, Math.floor((width - size.label) / step));
  const highest = Math.max(0, ...state.heads.map((head) => state.heightOf(head)));
  const first = Math.max(0, highest - room + 1), xOf = (index) => size.label + (index - first) * step;
  let moves = false;
  state.present.forEach((place, lane) => {
    const miner = state.miners[place], middle = (lane + 0.5) * size.row, kind = state.stateOf(place), isRunning = kind === "running";
    pen.textAlign = "left";
    write(pen, state.nameOf(place).slice(0, 12), 2, middle - (isRunning ? 0 : size.type * 0.55), size.type, isRunning ? paint.ink : paint.bad, "600", size.label - 8);
    if (!isRunning) write(pen, kind, 2, middle + size.type * 0.6, size.type * 0.85, paint.bad);
    pen.globalAlpha = isRunning ? 1 : 0.45;
    const height = state.heightOf(miner.head);
    if (height >= 0 && height < first) write(pen, `← at block ${height}`, size.label, middle, size.type, paint.soft);
    for (const block of state.chain(miner.head, room + 1)) {
      if (block.index < first) break;
      const since = now - (arrived.get(`${place} ${block.hash}`) ?? -Infinity);
      const done = Math.min(1, Math.max(0, since / ARRIVAL_MILLISECONDS));
      if (done < 1) moves = true;
      cell(pen, paint, size, block, xOf(block.index), lane * size.row, done);
    }
    pen.globalAlpha = 1;
  });
  pen.textAlign = "center";
  for (let index = first; index <= highest; index++) write(pen, index, xOf(index) + size.cell / 2, height - 11, 12, paint.soft);
  if (moves) ask();
}

/** Pictures of blocks: the same block is in all lanes, and its text takes most of the time. */
const pictures = new Map();
let picturesOf = "";

/** A block: its colour by its hash, the name of its finder; one that is not in the best chain has a border. */
function picture(paint, size, block, isApart, finder) {
  const key = `${block.hash} ${isApart} ${finder}`;
  if (pictures.has(key)) return pictures.get(key);
  const made = document.createElement("canvas"), dots = devicePixelRatio, high = size.row * 0.7, edge = 3;
  [made.width, made.height] = [Math.ceil((size.cell + 2 * edge) * dots), Math.ceil((high + 2 * edge) * dots)];
  const pen = made.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, edge * dots, edge * dots);
  pen.fillStyle = tone(paint, block.hash);
  pen.beginPath();
  pen.roundRect(0, 0, size.cell, high, 7);
  pen.fill();
  if (isApart) {
    pen.strokeStyle = paint.branch;
    pen.lineWidth = 3;
    pen.setLineDash([5, 3]);
    pen.stroke();
  }
  [pen.textAlign, pen.textBaseline] = ["center", "middle"];
  write(pen, finder, size.cell / 2, high / 2, Math.min(size.type, size.cell / 3), paint.onTone, "600");
  pictures.set(key, { made, edge });
  return pictures.get(key);
}

/** Draws a block, which comes in from the right; one that is not in the best chain lies lower. */
function cell(pen, paint, size, block, x, y, done) {
  const isApart = !state.main.has(block.hash), eased = 1 - (1 - done) ** 3, high = size.row * 0.7;
  const top = y + size.row * (isApart ? 0.24 : 0.08), left = x + (1 - eased) * 40, alpha = pen.globalAlpha;
  const finder = block.index === 0 ? "first" : (state.finderOf(block) ?? block.hash.slice(0, 4)).slice(0, 5);
  const { made, edge } = picture(paint, size, block, isApart, finder);
  pen.globalAlpha = alpha * eased;
  pen.fillStyle = paint.soft;
  if (block.previous) pen.fillRect(left - size.gap, top + high / 2, size.gap, 1.5);
  // On whole dots, or its text is blurred.
  const whole = (length) => Math.round(length * devicePixelRatio) / devicePixelRatio;
  pen.drawImage(made, whole(left - edge), whole(top - edge), made.width / devicePixelRatio, made.height / devicePixelRatio);
  pen.globalAlpha = alpha;
}

addEventListener("resize", () => canvas && ask());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => canvas && ask());
