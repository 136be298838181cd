// SHA-256 (FIPS 180-4) for a worker: browsers keep crypto.subtle from pages that come by
// plain http over a local network.

/** The first 32 bits of the fractional parts of `root` of the first `count` primes. */
const fractions = (count, root) => {
  const primes = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p)) primes.push(n);
  return Int32Array.from(primes, (p) => ((root(p) % 1) * 2 ** 32) | 0);
};

export const ROUND = fractions(64, Math.cbrt);
const START = fractions(8, Math.sqrt);
const SCHEDULE = new Int32Array(64);

/** Takes the 64 bytes of `bytes` from `at` on into `state`. */
function compress(state, bytes, at) {
  const w = SCHEDULE;
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0;
    d = c; c = b; b = a; a = (one + two) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

/** What follows the last whole block: the rest, a one bit, zeros, the length in bits. */
export function lastBlocks(rest, length) {
  const tail = new Uint8Array(rest.length < 56 ? 64 : 128);
  tail.set(rest);
  tail[rest.length] = 0x80;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(tail.length - 4, (length * 8) >>> 0);
  return tail;
}

/** The state after the whole blocks of `bytes`. */
export function absorb(bytes) {
  const state = START.slice();
  for (let at = 0; at + 64 <= bytes.length; at += 64) compress(state, bytes, at);
  return state;
}

/** The SHA-256 of `bytes`, as eight words. */
export function sha256(bytes) {
  const state = absorb(bytes);
  const tail = lastBlocks(bytes.subarray(bytes.length & ~63), bytes.length);
  for (let at = 0; at < tail.length; at += 64) compress(state, tail, at);
  return state;
}

export const hex = (words) => Array.from(words, (w) => (w >>> 0).toString(16).padStart(8, "0")).join("");

export const utf8 = new TextEncoder();

/** The SHA-256 of bytes or of text as UTF-8, in hex. */
export const sha256Hex = (data) => hex(sha256(typeof data === "string" ? utf8.encode(data) : data));

/** Whether the hex form of a hash of eight words ends with so many zeros. */
export function endsWithZeros(words, zeros) {
  let word = 7;
  for (; zeros >= 8; zeros -= 8, word--) if (words[word] !== 0) return false;
  return zeros === 0 || (words[word] & (2 ** (4 * zeros) - 1)) === 0;
}

/**
 * Searches the smallest number from `from` up to before `end` that, written behind
 * `prefix`, gives a hash ending in `zeros` zeros; null if there is none.
 */
export function searchNonce(prefix, zeros, from, end) {
  const bytes = utf8.encode(prefix);
  const ahead = absorb(bytes), rest = bytes.subarray(bytes.length & ~63);
  const state = new Int32Array(8);
  let digits = "", tail = null;
  for (let nonce = from; nonce < end; nonce++) {
    const text = String(nonce);
    if (text.length !== digits.length) {
      const whole = new Uint8Array(rest.length + text.length);
      whole.set(rest);
      tail = lastBlocks(whole, bytes.length + text.length);
    }
    digits = text;
    for (let i = 0; i < text.length; i++) tail[rest.length + i] = text.charCodeAt(i);
    state.set(ahead);
    for (let at = 0; at < tail.length; at += 64) compress(state, tail, at);
    if (endsWithZeros(state, zeros)) return nonce;
  }
  return null;
}
