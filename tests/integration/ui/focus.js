// Tells what has the focus after a press of Tab: which of the elements that should get it
// in turn, and what is wrong with how it shows.
const wanted = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
const reachable = wanted.filter((e) => !e.matches(":disabled, [type=hidden]") && !e.closest("[inert]") && e.checkVisibility({ checkVisibilityCSS: true }));
const e = document.activeElement;
const name = `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""} "${(e.textContent || e.name || "").trim().slice(0, 30)}"`;
const faults = [];
const box = e.getBoundingClientRect(), style = getComputedStyle(e);
if (e !== document.body) {
  if (!e.matches(":focus-visible")) faults.push("does not count as visibly focused");
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) faults.push("has no outline");
  if (box.width === 0 || box.right < 0 || box.bottom < 0 || box.left > innerWidth || box.top > innerHeight) faults.push("is outside of the window");
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return a < 250 ? null : 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  let behind = null;
  for (let at = e.parentElement; at && behind === null; at = at.parentElement) behind = luminance(getComputedStyle(at).backgroundColor);
  const ring = luminance(style.outlineColor) ?? behind;
  const contrast = (Math.max(ring, behind) + 0.05) / (Math.min(ring, behind) + 0.05);
  if (contrast < 3) faults.push(`has an outline of contrast ${contrast.toFixed(2)}`);
}
return { place: reachable.indexOf(e), all: reachable.length, faults: faults.map((fault) => `${name} ${fault}`), name };
