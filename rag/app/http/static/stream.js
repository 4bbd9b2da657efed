// Talks to the API: which bots there are, and one answer as it comes.

/** What went wrong: `type` is the API's, or `network` where nothing came back. */
export class Problem extends Error {
  constructor(type, message = "") {
    super(message);
    this.type = type;
  }
}

export async function listBots() {
  const response = await reach("bots", {});
  return response.json();
}

/** Ask a bot: every token's text goes to `onToken`; the promise is the answer. */
export async function ask(bot, question, onToken, signal) {
  const response = await reach(`bots/${encodeURIComponent(bot)}/chat`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ ...question, stream: true }),
    signal,
  });
  for await (const { name, data } of events(response.body, signal)) {
    if (name === "token") onToken(data.text);
    if (name === "answer") return data;
    if (name === "error") throw new Problem(data.error.type, data.error.message);
  }
  throw new Problem("stream_broken");
}

/** Paths are relative to the page, which may be served below a prefix. */
async function reach(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem("network");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Problem(told?.error?.type ?? "internal", told?.error?.message ?? "");
}

async function* events(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let name = "message";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) yield { name, data: JSON.parse(line.slice(5)) };
        else if (line === "") name = "message";
      }
    }
  } catch (error) {
    throw signal.aborted || error instanceof Problem ? error : new Problem("stream_broken");
  } finally {
    reader.cancel().catch(() => {}); // it is closed already where the stream broke
  }
}
