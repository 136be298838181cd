// Signed messages: a convention inside the text, `text ⟦key signature⟧`, Ed25519 by WebCrypto.

const FORM = /^([\s\S]*) ⟦([A-Za-z0-9_-]{43}) ([A-Za-z0-9_-]{86})⟧$/;

const encoded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decoded = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const bytesOf = (text) => new TextEncoder().encode(text);

let keys = null;

/** The text with key and signature behind it. The keys are made at the first call. */
export async function sign(text) {
  if (!globalThis.crypto?.subtle) throw new Error("this browser signs only on a page opened as 127.0.0.1 or over HTTPS");
  keys ??= await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const key = await crypto.subtle.exportKey("raw", keys.publicKey);
  const signature = await crypto.subtle.sign("Ed25519", keys.privateKey, bytesOf(text));
  return `${text} ⟦${encoded(key)} ${encoded(signature)}⟧`;
}

/** The parts of a signed message; `null` of another one. */
export function readSigned(message) {
  const [, text, key, signature] = FORM.exec(message) ?? [];
  return text === undefined ? null : { text, key, signature };
}

/** Whether the signature is that of this key for this text. */
export async function verify({ text, key, signature }) {
  const known = await crypto.subtle.importKey("raw", decoded(key), "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", known, decoded(signature), bytesOf(text));
}
