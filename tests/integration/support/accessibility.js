// Checks of what WCAG 2.1 AA asks that a script can see; returns the faults in words.
const faults = [];
const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}${e.className?.baseVal === undefined && e.className ? "." + e.className : ""}`;
const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
const all = (selector) => [...document.querySelectorAll(selector)];

if (!document.documentElement.lang) faults.push("no language");
if (!document.title) faults.push("no title");
if (all("main").length !== 1) faults.push("not one main");
if (all("h1").length !== 1) faults.push(`${all("h1").length} h1`);
let level = 0;
for (const heading of all("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) faults.push(`${name(heading)} skips a level`);
  level = own;
}
const ids = all("[id]").map((e) => e.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`id ${id} twice`);
for (const reference of ["aria-describedby", "aria-labelledby", "for"]) {
  for (const e of all(`[${reference}]`)) for (const id of e.getAttribute(reference).split(" ")) if (!ids.includes(id)) faults.push(`${name(e)} names ${id}, which is not there`);
}
for (const image of all("img")) if (!image.hasAttribute("alt")) faults.push(`${name(image)} without alt`);
for (const image of all("svg")) if (!image.closest("[aria-hidden]") && !image.getAttribute("aria-label")) faults.push(`${name(image)} without a name`);
for (const control of all("input:not([type=hidden]), textarea, select")) if (!control.labels.length && !control.ariaLabel) faults.push(`${name(control)} without a label`);
for (const control of all("a, button, summary")) if (!control.textContent.trim() && !control.ariaLabel) faults.push(`${name(control)} without a name`);
for (const e of all("[tabindex]")) if (e.tabIndex > 0) faults.push(`${name(e)} changes the order of focus`);
for (const control of all("button, select, textarea, input:not([type=hidden]), .block a, nav a")) {
  const { width, height } = control.getBoundingClientRect();
  if (seen(control) && (width < 24 || height < 24)) faults.push(`${name(control)} is small: ${width}×${height}`);
}

const labels = all("svg tspan, svg text:not(:has(tspan))").filter((e) => e.textContent && seen(e)).map((e) => [e, e.getBoundingClientRect()]);
labels.forEach(([e, one], at) => {
  for (const [other, two] of labels.slice(at + 1)) {
    const width = Math.min(one.right, two.right) - Math.max(one.left, two.left), height = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
    if (width > 1 && height > 4) faults.push(`"${e.textContent}" and "${other.textContent}" lie on each other`);
  }
});

const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const color = rgba(getComputedStyle(e).backgroundColor);
    if (color[3] > 250) return color;
  }
  return [255, 255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const judged = new Set();
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (judged.has(e) || !walker.currentNode.data.trim() || !seen(e) || e.closest(":disabled, noscript, script, title")) continue;
  judged.add(e);
  const style = getComputedStyle(e), isDrawn = e instanceof SVGElement;
  const [a, b] = [luminance(rgba(isDrawn ? style.fill : style.color)), luminance(behind(isDrawn ? e.closest("svg").parentElement : e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (contrast < (isLarge ? 3 : 4.5)) faults.push(`${name(e)} "${e.textContent.slice(0, 30)}" has contrast ${contrast.toFixed(2)}`);
}
return faults;
