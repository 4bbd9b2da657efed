// One conversation with one bot: its turns, and what is sent along with the next question.

import { Turn } from "./turn.js";
import { wordsOf, writeWords } from "./words.js";

// More history than this helps no bot to understand the next question.
const KEPT_TURNS = 8;

export class Conversation {
  constructor(bot, { limits, announce, changed }) {
    this.bot = bot;
    this.limits = limits;
    this.announce = announce;
    this.changed = changed;
    this.turns = [];
    this.stopper = null;
    this.id = newId();
    this.element = document.getElementById("conversation").content.firstElementChild.cloneNode(true);
  }

  get working() {
    return this.stopper !== null;
  }

  get empty() {
    return this.turns.length === 0;
  }

  speak(language) {
    this.language = language;
    writeWords(this.element, language);
    this.element.querySelector(".bot").textContent = this.bot.title[language];
    this.element.querySelector(".examples").replaceChildren(
      ...(this.bot.examples[language] ?? []).map((text) => this.example(text)),
    );
    for (const turn of this.turns) turn.speak(language);
  }

  example(text) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => {
      document.getElementById("question").focus();
      this.ask(text);
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  ask(text) {
    if (this.working) return;
    const turn = new Turn(text, this.language, () => this.retry(turn));
    this.turns.push(turn);
    this.element.querySelector(".turns").append(turn.element);
    this.element.classList.add("begun");
    this.run(turn);
  }

  /** Ask again what failed; later turns, if there are any, stay where they are. */
  retry(turn) {
    if (this.working) return;
    this.element.querySelector(".turns").append(turn.element);
    this.turns = [...this.turns.filter((each) => each !== turn), turn];
    this.run(turn);
  }

  async run(turn) {
    this.stopper = new AbortController();
    this.changed();
    this.announce(wordsOf(this.language).writing);
    turn.element.scrollIntoView({ block: "start" });
    const question = { question: turn.question, history: this.history(turn), conversation: this.id };
    await turn.run(this.bot.name, question, this.stopper.signal);
    this.stopper = null;
    this.announce(turn.spoken());
    this.changed();
  }

  /** The newest whole turns before this one that the service takes. */
  history(turn) {
    const sent = [];
    let room = this.limits.history_chars;
    for (const { question, answer } of this.turns.filter((each) => each !== turn).reverse()) {
      if (!answer) continue;
      room -= question.length + answer.text.length;
      if (room < 0 || sent.length + 2 > Math.min(this.limits.turns, KEPT_TURNS)) break;
      sent.unshift({ role: "user", text: question }, { role: "assistant", text: answer.text });
    }
    return sent;
  }

  stop() {
    this.stopper?.abort();
  }

  clear() {
    this.stop();
    this.turns = [];
    this.id = newId();
    this.element.querySelector(".turns").replaceChildren();
    this.element.classList.remove("begun");
  }

  toEnd() {
    this.turns.at(-1)?.element.scrollIntoView({ block: "start" });
  }
}

/** Not a secret; crypto.randomUUID is missing on pages without TLS. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
