// What scripts of several pages share.

/** The element with this id. */
export const element = (id) => document.getElementById(id);

/** Makes an element; `properties` may be its class alone. */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), typeof properties === "string" ? { className: properties } : properties);
  made.append(...children);
  return made;
}

/** Whether the reader wants nothing to move. */
export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export const number = (n) => Math.round(n).toLocaleString("en");

/** `1 block`, `2 blocks`. */
export const plural = (n, noun) => `${number(n)} ${noun}${n === 1 ? "" : "s"}`;

/** The angle of the colour that stands for a hash, by its first digit. */
export const hueOf = (hash) => Math.round(parseInt(hash[0], 16) * 22.5);
