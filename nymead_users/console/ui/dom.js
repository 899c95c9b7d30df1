/** Building elements without ever parsing markup. */

/** @typedef {Node | string | number | null | undefined | false | Array<any>} Child */

/**
 * An element with its properties and children.
 * Keys beginning with "on" are listeners; true and false set and leave out attributes.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...Child} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value") element.value = value;
    else if (key === "checked") element.checked = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, String(value));
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Child[]} children */
function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replace what is in an element. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** An icon of the page's sheet, silent for screen readers: words stand beside it. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A message with icon, word and colour. @param {"ok"|"warn"|"danger"|"info"} kind @param {...Child} children */
export function note(kind, ...children) {
  return h("div", { class: `note ${kind}` }, kind === "info" ? null : icon(kind), h("div", { class: "stack tight" }, ...children));
}

let ids = 0;

/** An id that is used nowhere else on the page. */
export function uniqueId() {
  ids += 1;
  return `id-${ids}`;
}

/** A button that sends something: it is off while there is no connection. */
export function sender(props, ...children) {
  const offline = document.body.dataset.connection !== "online";
  return h("button", { type: "button", ...props, "data-sends": true, "aria-disabled": offline ? "true" : null }, ...children);
}
