import { heading } from "./frame.js";
import { h } from "../ui/dom.js";
export function developerView() { return { title: "Developer", life: new AbortController(), element: h("div", {}, heading("Developer")) }; }
