// The page: which bot, which language, one conversation a bot.

import { Conversation } from "./conversation.js";
import { listBots } from "./stream.js";
import { firstLanguage, keepLanguage, wordsOf, writeWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const question = byId("question");
const page = { language: firstLanguage(), limits: null, conversations: new Map(), current: null };

function words() {
  return wordsOf(page.language);
}

function speak(language) {
  page.language = language;
  document.documentElement.lang = language;
  document.title = words().title;
  writeWords(document, language);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  for (const conversation of page.conversations.values()) conversation.speak(language);
  for (const radio of byId("bots").querySelectorAll("input")) {
    radio.nextElementSibling.textContent = page.conversations.get(radio.value).bot.title[language];
  }
  count();
}

function show(name) {
  page.current = page.conversations.get(name);
  for (const conversation of page.conversations.values()) {
    conversation.element.hidden = conversation !== page.current;
  }
  for (const radio of byId("bots").querySelectorAll("input")) radio.checked = radio.value === name;
  history.replaceState(null, "", `#${name}`);
  refresh();
  page.current.toEnd();
}

/** What the controls offer depends on the conversation that is shown. */
function refresh() {
  const working = page.current.working;
  const stopFocused = document.activeElement === byId("stop");
  byId("send").hidden = working;
  byId("stop").hidden = !working;
  byId("fresh").hidden = page.current.empty;
  if (stopFocused && !working) question.focus();
  count();
}

function count() {
  const limit = page.limits?.question_chars ?? Infinity;
  const left = limit - question.value.length;
  byId("count").hidden = left > 200;
  byId("count").textContent = left < 0 ? words().over(-left) : words().left(left);
  question.setAttribute("aria-invalid", String(left < 0));
  byId("send").disabled = left < 0 || !question.value.trim();
}

function grow() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight, 200)}px`;
}

function send() {
  const text = question.value.trim();
  if (byId("send").disabled || !text || !page.current || page.current.working) return;
  question.value = "";
  grow();
  page.current.ask(text);
  refresh();
}

function addBot(bot) {
  const announce = (text) => {
    byId("status").textContent = text;
  };
  const conversation = new Conversation(bot, {
    limits: page.limits,
    announce,
    changed: () => page.current && refresh(),
  });
  page.conversations.set(bot.name, conversation);
  byId("conversations").append(conversation.element);
  const radio = document.createElement("input");
  radio.type = "radio";
  radio.name = "bot";
  radio.value = bot.name;
  radio.addEventListener("change", () => show(bot.name));
  const label = document.createElement("label");
  label.append(radio, document.createElement("span"));
  byId("bots").append(label);
}

function unreachable() {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = words().again;
  again.addEventListener("click", () => {
    notice.remove();
    start();
  });
  notice.append(words().unreachable, " ", again);
  byId("conversations").append(notice);
}

async function start() {
  let listed;
  try {
    listed = await listBots();
  } catch {
    unreachable();
    return;
  }
  page.limits = listed.limits;
  listed.bots.forEach(addBot);
  speak(page.language);
  const first = asked() ?? listed.bots[0]?.name;
  if (first) show(first);
}

/** The bot that the page's address names, if there is one of that name. */
function asked() {
  const name = location.hash.slice(1);
  return page.conversations.has(name) ? name : null;
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
question.addEventListener("input", () => {
  grow();
  count();
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") page.current?.stop();
});
window.addEventListener("hashchange", () => asked() && show(asked()));
byId("stop").addEventListener("click", () => page.current?.stop());
byId("fresh").addEventListener("click", () => {
  page.current.clear();
  refresh();
  question.focus();
});
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    keepLanguage(button.dataset.language);
    speak(button.dataset.language);
  });
}

speak(page.language);
start();
