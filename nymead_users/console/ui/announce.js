/** What a screen reader hears: one polite and one assertive region, a message every two seconds at most. */

const PAUSE = 2000;

class Region {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** @type {string[]} */
    this.waiting = [];
    this.timer = 0;
  }

  /** @param {string} text */
  say(text) {
    if (!text || this.waiting.at(-1) === text) return;
    this.waiting.push(text);
    if (!this.timer) this.next();
  }

  next() {
    const text = this.waiting.shift();
    const region = document.getElementById(this.id);
    if (text === undefined || region === null) {
      this.timer = 0;
      return;
    }
    // The same words again are a change too.
    region.textContent = region.textContent === text ? `${text}\u00a0` : text;
    // A modal dialog makes everything outside of it inert; its own region speaks then.
    for (const twin of document.querySelectorAll(`dialog[open] [data-region="${this.id}"]`)) twin.textContent = region.textContent;
    this.timer = setTimeout(() => this.next(), PAUSE);
  }
}

const regions = { polite: new Region("polite"), assertive: new Region("assertive") };

/** Say it when there is a pause. @param {string} text */
export const say = (text) => regions.polite.say(text);

/** Say it at once. @param {string} text */
export const alertUser = (text) => regions.assertive.say(text);
