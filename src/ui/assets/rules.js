// The rules of a chain, checked on the very bytes that a miner sent.

import { endsWithZeros, hex, sha256, sha256Hex, utf8 } from "./sha256.js";

const PLAIN = String.raw`[^"\\\u0000-\u001f\u007f]*`;
const STRING = String.raw`"${PLAIN}(?:\\(?:["\\bfnrt]|u00[01][0-9a-f])${PLAIN})*"`;
const BLOCK = new RegExp(
  String.raw`^\{"index":(0|[1-9]\d*),"timestamp":(0|[1-9]\d*),"data":\{"id":"([0-9a-f]{32})","message":(${STRING})\},` +
    String.raw`"previous_hash":"([0-9a-f]{64})","proof":"([0-9a-f]{64})-(0|[1-9]\d*)"\}$`, "u");
const AHEAD_MAX = 2 * 3600 * 1e6;
const NONCE_END = 2n ** 64n;
const MESSAGE_BYTES_MAX = 65536;

export const fault = (field, found, expected) => ({ field, found: String(found).slice(0, 120), expected });

/** The first block of a network, spelled as every miner spells it. */
export const genesisLine = (network, difficulty) =>
  `{"index":0,"timestamp":0,"data":{"id":"${"0".repeat(32)}","message":"network=${network} difficulty=${difficulty}"},` +
  `"previous_hash":null,"proof":null}`;

/** What the next block has to know of the genesis block. */
export const genesisHead = (line) => ({ index: 0, timestamp: 0, hash: sha256Hex(line), proof: "" });

/**
 * Checks `line` as the block that follows `parent`, as of `now` (microseconds).
 * Returns { head, message } or { fault }; `message` is what may come only once: id and text.
 */
export function judge(parent, line, difficulty, now) {
  const broken = (field, found, expected) => ({ fault: fault(field, found, expected) });
  const parts = BLOCK.exec(line);
  if (!parts) return broken("line", line, "a block in its canonical spelling");
  const [, indexText, timeText, id, quoted, previous, seal, nonce] = parts;
  const index = Number(indexText), timestamp = Number(timeText), message = JSON.parse(quoted);
  if (message === "") return broken("data.message", "an empty one", "at least one byte");
  if (JSON.stringify(message) !== quoted) return broken("data.message", quoted, "the canonical escapes");
  if (utf8.encode(message).length > MESSAGE_BYTES_MAX) return broken("data.message", "a longer one", "at most 65,536 bytes");
  if (index !== parent.index + 1) return broken("index", indexText, String(parent.index + 1));
  if (previous !== parent.hash) return broken("previous_hash", previous, `the hash of block ${parent.index}, ${parent.hash}`);
  if (timestamp <= parent.timestamp) return broken("timestamp", timeText, `one above block ${parent.index}'s ${parent.timestamp}`);
  if (timestamp > now + AHEAD_MAX || timestamp >= 2 ** 53) return broken("timestamp", timeText, "at most two hours ahead of your clock");
  const found = sealOf(line);
  if (found !== seal) return broken("seal", `the seal ${seal}`, `the seal ${found}`);
  if (nonce.length > 19 && BigInt(nonce) >= NONCE_END) return broken("proof", nonce, "a nonce below 2^64");
  const proof = `${seal}-${nonce}`, work = sha256(utf8.encode(parent.proof + proof));
  if (!endsWithZeros(work, difficulty)) return broken("work", hex(work), `a hash that ends with ${difficulty} zeros`);
  return { head: { index, timestamp, hash: sha256Hex(line), proof }, message: id + (quoted.length > 64 ? sha256Hex(quoted) : quoted) };
}

/** The SHA-256 of a line without its proof, which is its last field. */
export const sealOf = (line) => sha256Hex(line.slice(0, line.lastIndexOf(',"proof":')) + "}");

/** The line of a block with these fields, each a text as it is shown. */
export const spell = ({ index, timestamp, id, message, previous, seal, nonce }) =>
  `{"index":${index},"timestamp":${timestamp},"data":{"id":${JSON.stringify(id)},"message":${JSON.stringify(message)}},` +
  `"previous_hash":${JSON.stringify(previous)},"proof":${JSON.stringify(`${seal}-${nonce}`)}}`;

/** What a child of a line has to know, even if the line is no valid block. */
export function headAsIs(line, index) {
  try {
    const block = JSON.parse(line);
    return { index: block.index, timestamp: block.timestamp, hash: sha256Hex(line), proof: block.proof || "" };
  } catch {
    return { index, timestamp: 0, hash: sha256Hex(line), proof: "" };
  }
}

/**
 * Judges blocks one after the other, each as the child of the one before as that is now;
 * with its hash, its seal and the hash of the proofs as they should be.
 */
export function judgeAll(parentLine, lines, difficulty) {
  let parent = headAsIs(parentLine), sound = true;
  return lines.map((line) => {
    const { fault: found, head } = judge(parent, line, difficulty, Date.now() * 1000);
    const after = parent;
    parent = head || headAsIs(line, after.index + 1);
    const inherited = !found && !sound ? fault("chain", `it follows block ${after.index}`, "a valid block before it") : null;
    if (found) sound = false;
    return { fault: found || inherited, hash: parent.hash, seal: sealOf(line), work: sha256Hex(after.proof + parent.proof) };
  });
}

/**
 * Cuts the blocks out of the body of an answer to /chain as they are spelled, since
 * writing them anew would hide how they came. Returns { lines, length }.
 */
export function cutLines(body) {
  const lines = [], open = body.indexOf("[");
  let depth = 0, start = 0, at = open + 1;
  for (; at < body.length; at++) {
    const c = body[at];
    if (c === '"') {
      for (at++; at < body.length && body[at] !== '"'; at++) if (body[at] === "\\") at++;
    } else if (c === "{") {
      if (depth++ === 0) start = at;
    } else if (c === "}") {
      if (--depth === 0) lines.push(body.slice(start, at + 1));
    } else if (c === "]" && depth === 0) break;
  }
  const length = /"length":(\d+)/.exec(body.slice(at));
  if (open < 0 || !length) throw new Error("the answer is no page of blocks");
  return { lines, length: Number(length[1]) };
}
