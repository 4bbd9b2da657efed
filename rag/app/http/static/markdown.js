// Markdown as it comes from a model, which is hostile until proven otherwise: only elements of our
// own choice are made, every text becomes a text node, and a link leads to http or https or nowhere.

const DEEPEST = 6;
const LONGEST = 60000;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.+?)\s*#*$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(?:\s+|$)/;
const DIVIDER = /^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$/;

const CITATION = /\[(\d{1,4})\]/y;
const LINK = /!?\[([^[\]\n]{1,400})\]\(\s*<?([^()\s<>]{1,2000})>?(?:\s+"[^"\n]{0,200}")?\s*\)/y;
const ANGLED = /<(https?:\/\/[^\s<>]{1,2000})>/y;
const BARE = /https?:\/\/[^\s<>"'`|\\^{}]{1,2000}/y;
const CODE = /(`{1,8})(?!`)/y;
const WORD = /[\p{L}\p{N}_]/u;

/**
 * The text as elements. `cite(number)` gives the element for a citation, or null where the number
 * is none.
 */
export function markdown(text, cite) {
  const fragment = document.createDocumentFragment();
  if (text.length > LONGEST) fragment.append(element("p", text));
  else blocks(text.split(/\r\n|\n|\r/), cite, fragment, 0);
  return fragment;
}

/** The link if it leads to the web, or null. */
export function webLink(href) {
  try {
    const url = new URL(href);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** An anchor that opens elsewhere, or a plain span where the address is not one of the web. */
export function anchor(href, content) {
  const safe = webLink(href);
  if (!safe) return element("span", content);
  const link = element("a", content);
  link.href = safe;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.title = safe;
  return link;
}

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

// --- blocks ---------------------------------------------------------------------------------

function blocks(lines, cite, parent, depth) {
  if (depth > DEEPEST) {
    parent.append(element("p", lines.join("\n")));
    return;
  }
  let at = 0;
  while (at < lines.length) at = block(lines, at, cite, parent, depth);
}

function block(lines, at, cite, parent, depth) {
  const line = lines[at];
  if (!line.trim()) return at + 1;
  if (FENCE.test(line)) return fence(lines, at, parent);
  if (HEADING.test(line)) return heading(line, at, cite, parent);
  if (RULE.test(line)) {
    parent.append(element("hr"));
    return at + 1;
  }
  if (QUOTE.test(line)) return quote(lines, at, cite, parent, depth);
  if (ITEM.test(line)) return list(lines, at, cite, parent, depth);
  if (line.includes("|") && DIVIDER.test(lines[at + 1] ?? "")) return table(lines, at, cite, parent);
  return paragraph(lines, at, cite, parent);
}

function fence(lines, at, parent) {
  const mark = FENCE.exec(lines[at])[1];
  let end = at + 1;
  while (end < lines.length && !closes(lines[end].trim(), mark)) end += 1;
  const code = element("code", lines.slice(at + 1, end).join("\n"));
  const shown = element("pre", code);
  shown.tabIndex = 0; // so that the keyboard can scroll it
  parent.append(shown);
  return end + 1;
}

function closes(line, mark) {
  return line.length >= mark.length && [...line].every((sign) => sign === mark[0]);
}

function heading(line, at, cite, parent) {
  const [, marks, text] = HEADING.exec(line);
  // The page's own headings end at the second level.
  const made = element(`h${Math.min(marks.length + 2, 6)}`);
  inline(text, cite, made, 0);
  parent.append(made);
  return at + 1;
}

function quote(lines, at, cite, parent, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const made = element("blockquote");
  blocks(lines.slice(at, end).map((line) => line.replace(QUOTE, "")), cite, made, depth + 1);
  parent.append(made);
  return end;
}

function list(lines, at, cite, parent, depth) {
  const [, indent, mark] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(mark);
  const made = element(ordered ? "ol" : "ul");
  if (ordered) made.start = parseInt(mark, 10);
  let next = at;
  let last = 0;
  while (next < lines.length) {
    const found = ITEM.exec(lines[next]);
    if (!found || found[1].length > indent.length + 1 || /\d/.test(found[2]) !== ordered) break;
    // Numbers that begin anew behind a blank line are another list, of another source.
    const number = parseInt(found[2], 10);
    if (last > 1 && number <= last && !lines[next - 1].trim()) break;
    last = number;
    next = item(lines, next, found[0].length, cite, made, depth);
  }
  parent.append(made);
  return next;
}

function item(lines, at, width, cite, parent, depth) {
  const own = [lines[at].slice(width)];
  let next = at + 1;
  while (next < lines.length) {
    const line = lines[next];
    const indent = line.length - line.trimStart().length;
    if (!line.trim()) {
      const after = lines[next + 1] ?? "";
      if (!after.trim() || after.length - after.trimStart().length < 2) break;
    } else if (indent < 2 && startsBlock(line)) break;
    own.push(indent >= width ? line.slice(width) : line.trimStart());
    next += 1;
  }
  const made = element("li");
  blocks(own, cite, made, depth + 1);
  const [only] = made.childNodes;
  if (made.childNodes.length === 1 && only.nodeName === "P") only.replaceWith(...only.childNodes);
  parent.append(made);
  // One blank line between items does not end the list.
  const blank = next < lines.length && !lines[next].trim() && ITEM.test(lines[next + 1] ?? "");
  return blank ? next + 1 : next;
}

function startsBlock(line) {
  return [FENCE, HEADING, RULE, QUOTE, ITEM].some((start) => start.test(line));
}

function table(lines, at, cite, parent) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const head = element("thead", row(lines[at], "th", cite));
  const body = element("tbody", ...lines.slice(at + 2, end).map((line) => row(line, "td", cite)));
  const framed = element("div", element("table", head, body));
  framed.className = "table";
  framed.tabIndex = 0;
  parent.append(framed);
  return end;
}

function row(line, cell, cite) {
  const cells = line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/);
  const made = element("tr");
  for (const text of cells) {
    const one = element(cell);
    inline(text.trim(), cite, one, 0);
    made.append(one);
  }
  return made;
}

function paragraph(lines, at, cite, parent) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !startsBlock(lines[end])) end += 1;
  const made = element("p");
  inline(lines.slice(at, end).join("\n"), cite, made, 0);
  parent.append(made);
  return end;
}

// --- inside of a block ----------------------------------------------------------------------

function inline(text, cite, parent, depth) {
  const unclosed = new Set();
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) parent.append(plain);
    plain = "";
  };
  while (at < text.length) {
    const found = depth <= DEEPEST ? span(text, at, cite, depth, unclosed) : null;
    if (found) {
      flush();
      parent.append(found.node);
      at = found.end;
    } else if (text[at] === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  flush();
}

function span(text, at, cite, depth, unclosed) {
  switch (text[at]) {
    case "`":
      return codeSpan(text, at, unclosed);
    case "[":
      return citation(text, at, cite) ?? link(text, at, cite, depth);
    case "!":
      return link(text, at, cite, depth);
    case "*":
    case "_":
      return emphasis(text, at, cite, depth, unclosed);
    case "<":
      return angledLink(text, at);
    case "h":
      return bareLink(text, at);
    default:
      return null;
  }
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function codeSpan(text, at, unclosed) {
  const marks = match(CODE, text, at)?.[1];
  if (!marks || unclosed.has(marks)) return null;
  const start = at + marks.length;
  let end = text.indexOf(marks, start);
  while (end >= 0 && text[end + marks.length] === "`") {
    end = text.indexOf(marks, skipTicks(text, end));
  }
  if (end < 0) {
    unclosed.add(marks);
    return null;
  }
  const inner = text.slice(start, end).replace(/^ (.+) $/, "$1");
  return { node: element("code", inner), end: end + marks.length };
}

function skipTicks(text, at) {
  let end = at;
  while (text[end] === "`") end += 1;
  return end;
}

function citation(text, at, cite) {
  const found = match(CITATION, text, at);
  if (!found || text[at + found[0].length] === "(") return null;
  const node = cite(Number(found[1]));
  return node && { node, end: at + found[0].length };
}

function link(text, at, cite, depth) {
  const found = match(LINK, text, at);
  if (!found) return null;
  const label = document.createDocumentFragment();
  // No link inside of a link: the label's own ones stay text.
  inline(found[1], () => null, label, Math.max(depth + 1, DEEPEST));
  return { node: anchor(found[2], label), end: at + found[0].length };
}

function angledLink(text, at) {
  const found = match(ANGLED, text, at);
  return found && { node: anchor(found[1], breakable(found[1])), end: at + found[0].length };
}

function bareLink(text, at) {
  if (at > 0 && WORD.test(text[at - 1])) return null;
  const found = match(BARE, text, at);
  if (!found) return null;
  const href = found[0].replace(/[.,;:!?*_)\]]+$/, "");
  return { node: anchor(href, breakable(href)), end: at + href.length };
}

/** The address, which on a narrow screen breaks behind its slashes and before its other signs. */
function breakable(address) {
  const shown = document.createDocumentFragment();
  for (const piece of address.split(/(?<=[^/]\/)(?!\/)|(?=[.?&=#_~-])/)) {
    if (shown.hasChildNodes()) shown.append(element("wbr"));
    shown.append(piece);
  }
  return shown;
}

function emphasis(text, at, cite, depth, unclosed) {
  const sign = text[at];
  const mark = text[at + 1] === sign ? sign + sign : sign;
  const inWord = at > 0 && WORD.test(text[at - 1]);
  const start = at + mark.length;
  if (unclosed.has(mark) || (sign === "_" && inWord) || /\s|^$/.test(text[start] ?? "")) return null;
  const end = closing(text, mark, start);
  if (end < 0) {
    unclosed.add(mark);
    return null;
  }
  const node = element(mark.length === 2 ? "strong" : "em");
  inline(text.slice(start, end), cite, node, depth + 1);
  return { node, end: end + mark.length };
}

function closing(text, mark, start) {
  let end = text.indexOf(mark, start + 1);
  while (end >= 0) {
    const doubled = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
    const inWord = mark[0] === "_" && WORD.test(text[end + mark.length] ?? "");
    if (!doubled && !inWord && !/\s/.test(text[end - 1])) return end;
    end = text.indexOf(mark, end + 1);
  }
  return -1;
}
