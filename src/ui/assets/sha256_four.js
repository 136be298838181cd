// SHA-256 of four texts at a time, in WebAssembly that is put together here, instruction by
// instruction.

import { ROUND } from "./sha256.js";

/** Texts at a time. */
export const LANES = 4;

/** Where the words of a block, the state before it and the state after it are: each of four lanes. */
const BLOCK = 0, BEFORE = 256, AFTER = 384;

const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
const vector = (code) => [0xfd, ...leb(code)];
const get = (local) => [0x20, local];
const set = (local, value) => [...value, 0x21, local];
const load = (at) => [0x41, 0, ...vector(0x00), 4, ...leb(at)];
const store = (at, value) => [0x41, 0, ...value, ...vector(0x0b), 4, ...leb(at)];
const constant = (n) => [...vector(0x0c), ...Array(LANES).fill([n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255]).flat()];
const operator = (code) => (one, ...others) => [...one, ...others.flatMap((other) => [...other, ...vector(code)])];
const and = operator(0x4e), or = operator(0x50), xor = operator(0x51), add = operator(0xae);
const left = (x, bits) => [...x, 0x41, bits, ...vector(0xab)];
const right = (x, bits) => [...x, 0x41, bits, ...vector(0xad)];
const turn = (x, bits) => or(right(x, bits), left(x, 32 - bits));

/** The instructions that take a block into a state: FIPS 180-4, 6.2.2, without a loop. */
function instructions() {
  const words = Array.from({ length: 16 }, (_, at) => at), sum = 24, code = [];
  let names = Array.from({ length: 8 }, (_, at) => 16 + at);
  for (const at of words) code.push(set(at, load(BLOCK + 16 * at)));
  names.forEach((name, at) => code.push(set(name, load(BEFORE + 16 * at))));
  for (let round = 0; round < 64; round++) {
    const word = round & 15, [a, b, c, d, e, f, g, h] = names.map(get);
    if (round >= 16) {
      const x = get((round + 1) & 15), y = get((round + 14) & 15);
      const early = xor(turn(x, 7), turn(x, 18), right(x, 3)), late = xor(turn(y, 17), turn(y, 19), right(y, 10));
      code.push(set(word, add(get(word), early, get((round + 9) & 15), late)));
    }
    const choice = xor(g, and(e, xor(f, g))), majority = or(and(a, b), and(c, or(a, b)));
    code.push(set(sum, add(h, xor(turn(e, 6), turn(e, 11), turn(e, 25)), choice, constant(ROUND[round]), get(word))));
    code.push(set(names[3], add(d, get(sum))));
    code.push(set(names[7], add(get(sum), xor(turn(a, 2), turn(a, 13), turn(a, 22)), majority)));
    names = [names[7], ...names.slice(0, 7)];
  }
  names.forEach((name, at) => code.push(store(AFTER + 16 * at, add(get(name), load(BEFORE + 16 * at)))));
  return code.flat();
}

/** A module with one function and one page of memory, both exported. */
function assemble() {
  const sized = (bytes) => [...leb(bytes.length), ...bytes], section = (id, bytes) => [id, ...sized(bytes)];
  const locals = [1, 25, 0x7b], text = (word) => sized([...word].map((letter) => letter.charCodeAt(0)));
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 0, 0]), ...section(3, [1, 0]), ...section(5, [1, 0, 1]),
    ...section(7, [2, ...text("run"), 0, 0, ...text("memory"), 2, 0]),
    ...section(10, [1, ...sized([...locals, ...instructions(), 0x0b])]),
  ]);
}

/**
 * What takes blocks of four texts into their states; null where a browser has no such
 * instructions. Each array holds the four lanes of a word side by side.
 */
export function fourLanes() {
  try {
    const { run, memory } = new WebAssembly.Instance(new WebAssembly.Module(assemble())).exports;
    const words = (at, count) => new Int32Array(memory.buffer, at, LANES * count);
    return { run, block: words(BLOCK, 16), before: words(BEFORE, 8), after: words(AFTER, 8) };
  } catch {
    return null;
  }
}
