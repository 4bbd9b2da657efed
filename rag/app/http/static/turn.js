// One question and what became of it: an answer, a refusal, an error, or half an answer.

import { anchor, markdown } from "./markdown.js";
import { ask, Problem } from "./stream.js";
import { wordsOf, writeWords } from "./words.js";

let made = 0;

export class Turn {
  constructor(question, language, retry) {
    this.question = question;
    this.language = language;
    this.number = ++made;
    this.answer = null;
    this.reset();
    this.element = document.getElementById("turn").content.firstElementChild.cloneNode(true);
    this.part(".asked-text").textContent = question;
    this.part(".again button").addEventListener("click", retry);
    this.speak(language);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  reset() {
    this.text = "";
    this.problem = null;
    this.stopped = false;
    this.drawing = 0;
  }

  /** Ask, and show what comes. Never fails: an error is shown as one. */
  async run(bot, question, signal) {
    this.reset();
    this.element.classList.add("working");
    this.part(".answer").setAttribute("aria-busy", "true");
    this.draw();
    try {
      this.answer = await ask(bot, question, (text) => this.take(text), signal);
      this.text = this.answer.text;
    } catch (error) {
      this.stopped = signal.aborted;
      this.problem = this.stopped ? null : asProblem(error);
    }
    cancelAnimationFrame(this.drawing);
    this.element.classList.remove("working");
    this.part(".answer").removeAttribute("aria-busy");
    this.draw();
  }

  take(text) {
    this.text += text;
    // Tokens come faster than a screen shows them: one drawing a frame.
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  speak(language) {
    this.language = language;
    writeWords(this.element, language);
    this.draw();
  }

  /** What a screen reader is told when the turn is over. */
  spoken() {
    const words = wordsOf(this.language);
    if (this.answer) return words.ready(this.part(".text").textContent);
    return this.verdict().join(": ");
  }

  /** What there is to say about the answer, and a sentence more; nothing where it is a plain one. */
  verdict() {
    const words = wordsOf(this.language);
    if (this.problem) return [words.failed, this.problem.words(words)];
    if (this.stopped) return [words.stopped, words.stoppedDetail];
    if (this.answer?.refusal) return [words.refused];
    return this.answer?.cut ? [words.cut, words.cutDetail] : [];
  }

  draw() {
    this.drawVerdict(...this.verdict());
    this.part(".again").hidden = !(this.problem || this.stopped);
    const text = this.part(".text");
    if (this.answer) text.lang = this.answer.language;
    text.replaceChildren(markdown(this.text, (number) => this.cite(number)));
    this.drawSources();
    this.drawOrigin();
  }

  drawVerdict(verdict = "", detail = "") {
    const refused = Boolean(this.answer?.refusal);
    this.element.classList.toggle("refused", refused);
    this.element.classList.toggle("failed", Boolean(this.problem));
    this.element.classList.toggle("broken", verdict !== "" && !refused);
    this.element.classList.toggle("begun", this.text !== "" || verdict !== "");
    this.part(".verdict").hidden = verdict === "";
    this.part(".verdict b").textContent = verdict;
    this.part(".verdict .detail").textContent = detail;
  }

  cite(number) {
    const cited = this.citation(number);
    if (this.answer && !cited) return null;
    const mark = document.createElement("sup");
    mark.className = "cite";
    if (!cited) {
      mark.textContent = number;
      return mark;
    }
    const link = document.createElement("a");
    link.href = `#${this.sourceId(number)}`;
    link.textContent = number;
    link.title = titleOf(cited);
    link.setAttribute("aria-label", wordsOf(this.language).source(number, titleOf(cited)));
    link.addEventListener("click", (event) => this.pointAt(event, number));
    mark.append(link);
    return mark;
  }

  citation(number) {
    return this.answer?.citations.find((each) => each.number === number);
  }

  sourceId(number) {
    return `source-${this.number}-${number}`;
  }

  /** Go to the source without writing into the page's address, which names the bot. */
  pointAt(event, number) {
    event.preventDefault();
    const source = document.getElementById(this.sourceId(number));
    source.scrollIntoView({ block: "nearest" });
    (source.querySelector("a") ?? source).focus({ preventScroll: true });
  }

  drawSources() {
    const citations = this.answer?.citations ?? [];
    this.part(".sources").hidden = citations.length === 0;
    const inOrder = [...citations].sort((one, other) => one.number - other.number);
    this.part(".sources ol").replaceChildren(...inOrder.map((each) => this.source(each)));
  }

  source(cited) {
    const item = document.createElement("li");
    item.id = this.sourceId(cited.number);
    item.value = cited.number;
    item.tabIndex = -1;
    const number = document.createElement("span");
    number.className = "number";
    number.setAttribute("aria-hidden", "true");
    number.textContent = cited.number;
    const about = document.createElement("div");
    about.append(anchor(cited.url, titleOf(cited)));
    const path = cited.heading_path.filter((each, i) => i > 0 || each !== cited.title);
    if (path.length > 0) {
      const place = document.createElement("p");
      place.textContent = path.join(" › ");
      about.append(place);
    }
    item.append(number, about);
    return item;
  }

  drawOrigin() {
    const { generator, generation, timings } = this.answer?.refusal ? {} : (this.answer ?? {});
    const stages = Object.values(timings ?? {}).reduce((sum, each) => sum + (each ?? 0), 0);
    const spent = timings?.total ?? stages;
    const seconds = spent >= 0.05 && spent.toLocaleString(this.language, { maximumFractionDigits: 1 });
    const known = wordsOf(this.language).origin(generator, generation, seconds).filter(Boolean);
    this.part(".origin").hidden = known.length === 0;
    this.part(".origin").textContent = known.join(" · ");
  }
}

function titleOf(cited) {
  return cited.title || cited.record_id;
}

function asProblem(error) {
  const type = error instanceof Problem ? error.type : "internal";
  return {
    words(words) {
      const known = words.problems[type] ?? words.problems.internal;
      // These two say something of their own: which bound was broken, which number to report.
      const own = type === "bad_question" || type === "internal" ? error.message : "";
      return error instanceof Problem && own ? `${known} (${own})` : known;
    },
  };
}
