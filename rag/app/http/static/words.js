// What the page says, in both of its languages.

const WORDS = {
  de: {
    title: "Campus-Assistenz",
    brand: "Campus-Assistenz",
    skip: "Zur Frage springen",
    bots: "Wen fragen?",
    languages: "Sprache der Seite",
    fresh: "Neuer Chat",
    label: "Ihre Frage",
    placeholder: "Stellen Sie eine Frage …",
    send: "Frage senden",
    stop: "Antwort stoppen",
    hint: "Antworten schreibt eine Maschine. Prüfen Sie die Quellen.",
    heading: "Was möchten Sie wissen?",
    welcome: "Jede Antwort stützt sich auf Seiten der Hochschule und nennt, woher sie stammt. Ist nichts Passendes zu finden, wird das gesagt.",
    examples: "Beispiele",
    turns: "Gespräch",
    asked: "Sie fragen: ",
    sources: "Quellen",
    source: (number, title) => `Quelle ${number}: ${title}`,
    again: "Noch einmal versuchen",
    writing: "Die Antwort wird geschrieben.",
    ready: (text) => `Antwort: ${text}`,
    stopped: "Gestoppt",
    stoppedDetail: "Diese Antwort ist unvollständig.",
    cut: "Hier bricht die Antwort ab",
    cutDetail: "Sie wurde länger als erlaubt. Fragen Sie nach einem Teil davon.",
    refused: "Dazu gibt es keine belegte Antwort",
    failed: "Das hat nicht geklappt",
    origin: (generator, generation, seconds) =>
      [generator && `Geschrieben von „${generator}“`, generation && `Index ${generation}`, seconds && `${seconds} s`],
    left: (count) => `Noch ${count} Zeichen`,
    over: (count) => `${count} Zeichen zu viel`,
    unreachable: "Der Dienst ist nicht zu erreichen. Prüfen Sie die Verbindung.",
    problems: {
      busy: "Gerade fragen sehr viele. Versuchen Sie es gleich noch einmal.",
      retry_later: "Im Moment ist keine Antwort zu bekommen. Versuchen Sie es gleich noch einmal.",
      unavailable: "Der Dienst ist noch nicht vollständig eingerichtet.",
      took_too_long: "Die Antwort hat zu lange gedauert.",
      stream_broken: "Die Antwort ist mittendrin abgebrochen.",
      refused: "Eine Regel dieses Dienstes verbietet die Antwort.",
      access_refused: "Der Dienst kennt Sie nicht.",
      bad_question: "Diese Frage kann so nicht gestellt werden.",
      network: "Der Dienst ist nicht zu erreichen. Prüfen Sie die Verbindung.",
      internal: "Im Dienst ist ein Fehler aufgetreten.",
    },
  },
  en: {
    title: "Campus assistant",
    brand: "Campus assistant",
    skip: "Skip to the question",
    bots: "Who to ask?",
    languages: "Language of the page",
    fresh: "New chat",
    label: "Your question",
    placeholder: "Ask a question …",
    send: "Send question",
    stop: "Stop the answer",
    hint: "Answers are written by a machine. Check the sources.",
    heading: "What would you like to know?",
    welcome: "Every answer rests on the university's own pages and says where it comes from. Where nothing fits, you are told so.",
    examples: "Examples",
    turns: "Conversation",
    asked: "You ask: ",
    sources: "Sources",
    source: (number, title) => `Source ${number}: ${title}`,
    again: "Try again",
    writing: "The answer is being written.",
    ready: (text) => `Answer: ${text}`,
    stopped: "Stopped",
    stoppedDetail: "This answer is not complete.",
    cut: "The answer ends here",
    cutDetail: "It grew longer than it may. Ask for a part of it.",
    refused: "There is no answer with a source for this",
    failed: "That did not work",
    origin: (generator, generation, seconds) =>
      [generator && `Written by “${generator}”`, generation && `index ${generation}`, seconds && `${seconds} s`],
    left: (count) => `${count} characters left`,
    over: (count) => `${count} characters too many`,
    unreachable: "The service can't be reached. Check your connection.",
    problems: {
      busy: "A lot of people are asking at the moment. Try again shortly.",
      retry_later: "There is no answer to be had just now. Try again shortly.",
      unavailable: "The service is not completely set up yet.",
      took_too_long: "The answer took too long.",
      stream_broken: "The answer broke off in the middle.",
      refused: "A rule of this service forbids the answer.",
      access_refused: "The service does not know you.",
      bad_question: "This question can't be asked like this.",
      network: "The service can't be reached. Check your connection.",
      internal: "Something went wrong in the service.",
    },
  },
};

const KEPT = "campus-language";

/** The language that was chosen here before, or else the browser's. */
export function firstLanguage() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEPT);
  } catch {
    chosen = null; // storage can be forbidden; then the browser's language counts
  }
  const wanted = [chosen, ...navigator.languages].filter(Boolean);
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in WORDS);
  return known ?? "en";
}

export function keepLanguage(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    return; // it then lasts as long as the page
  }
}

export function wordsOf(language) {
  return WORDS[language];
}

/** Write the words into every element below the root that names one. */
export function writeWords(root, language) {
  const words = WORDS[language];
  for (const element of root.querySelectorAll("[data-word]")) {
    element.textContent = words[element.dataset.word];
  }
  for (const element of root.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", words[element.dataset.wordLabel]);
  }
  for (const element of root.querySelectorAll("[data-word-placeholder]")) {
    element.setAttribute("placeholder", words[element.dataset.wordPlaceholder]);
  }
}
