// The rows of the list: an entry, a refused request, and a conversation with its entries.

const STEP_OF_THREAD = 20; // How many entries of a conversation are in the page at first.
const FOLD = { characters: 800, lines: 12 }; // A longer text is folded.

const threads = new Map(); // The row of each conversation.
const owners = new WeakMap(); // The records of a row, for a copy.

function element(tag, kind, ...children) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...children); // A string becomes a text node.
  return made;
}

function button(words, act) {
  const made = element("button", "", words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function entryRow(entry) {
  if (entry.row) return entry.row;
  const details = element("details", "", entry.kind === "refused" ? refusedHead(entry) : head(entry));
  // Only few are ever opened.
  details.addEventListener("toggle", () => details.append(body(entry)), { once: true });
  entry.row = element("li", entry.kind, details);
  if (entry.outcome === "failed" || entry.outcome === "interrupted") entry.row.classList.add(entry.outcome);
  const { status, request, reasons, records } = entry;
  owners.set(entry.row, entry.kind === "refused" ? { status, request, reasons, records } : records[0]);
  return entry.row;
}

function head(entry) {
  const record = entry.records[0];
  const { facts, error, others } = figures(record);
  const rest = element("span", "rest", element("span", "name", entry.names.join(" → ")));
  if (entry.outcome === "failed") rest.append(element("span", "mark", "✗ failed"));
  if (entry.outcome === "interrupted") rest.append(element("span", "mark warn", "! interrupted"));
  if (error) rest.append(element("span", "error", error.slice(0, 300)));
  rest.append(...facts.map((fact) => element("span", "fact", fact)));
  for (const [name, value] of others.slice(0, 12)) {
    const short = typeof value === "string" ? value : JSON.stringify(value);
    rest.append(element("span", isId(name) ? "pair id" : "pair", `${name}=`, element("b", "", short.slice(0, 200))));
  }
  const made = element("summary", "", time(record.timestamp ?? entry.received), element("span", "user", text(record.user_id)), rest);
  if (entry.kind === "llm") {
    const brief = (kind) => element("span", kind, text(record[kind]).slice(0, 600)); // Enough for two lines.
    made.append(element("span", "brief", ...["prompt", "generation"].filter((kind) => record[kind]).map(brief)));
  }
  return made;
}

function refusedHead(entry) {
  const users = entry.users.filter(Boolean).join(", ").slice(0, 100);
  const what = `${entry.records.length ? count(entry.records.length, "record") : "no readable record"} in ${entry.request}`;
  return element("summary", "", time(entry.received), element("span", "user", users), element(
    "span", "rest", element("span", "mark", `✗ refused ${entry.status}`),
    element("span", "error", entry.reasons.join("; ").slice(0, 300)), element("span", "pair", what)));
}

function body(entry) {
  const made = element("div", "body");
  const record = entry.records[0];
  if (entry.kind === "refused") {
    made.append(...[entry.request, ...entry.reasons].map((words) => element("p", "", words)));
    if (record) made.append(element("pre", "", JSON.stringify(entry.records, null, 2)));
  } else {
    const { prompt, generation, properties, event, ...own } = record;
    for (const [label, said] of Object.entries({ prompt, generation })) {
      if (!said) continue;
      const block = element("div", `said ${label}`, ...folded(said));
      block.dataset.label = label;
      made.append(block);
    }
    const fields = Object.entries({ ...own, ...properties });
    made.append(element("dl", "", ...fields.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", ...folded(text(value)))])));
  }
  const acts = element("div", "acts", button("Copy JSON", () => copy(entry.row)));
  const only = (field, values, what) => values.length === 1 && values[0] && acts.append(button(`Only this ${what}`, () => set(field, values[0])));
  only("user", entry.users, "user");
  only("event", entry.names.slice(0, 1), entry.kind === "llm" ? "prompt" : "event");
  made.append(acts);
  return made;
}

// The beginning of a long text, with a button for the rest.
function folded(whole) {
  const start = whole.slice(0, FOLD.characters).split("\n", FOLD.lines).join("\n");
  if (start.length === whole.length) return [whole];
  const shown = element("span", "", `${start}…`);
  const more = button(`Show all ${count(whole.length, "character")}`, () => {
    shown.textContent = whole;
    more.remove();
  });
  more.className = "fold";
  return [shown, more];
}

// A conversation, the earliest entry first. Only the latest few are in the page.
function threadRow({ key, whole, passing }) {
  if (!threads.has(key)) threads.set(key, newThread());
  const thread = threads.get(key);
  const entries = thread.isWhole ? whole : passing;
  // Entries never change, so these say whether the row does.
  const drawn = [wanted, thread.isWhole, thread.limit, whole.length, whole[0], whole.at(-1), passing.length].map((one) => one.number ?? one);
  if (thread.drawn?.every((one, at) => one === drawn[at])) return thread.row;
  thread.drawn = drawn;
  thread.head.replaceChildren(...threadHead(key, whole));
  const ordered = inOrder(entries);
  const latest = ordered.slice(-thread.limit);
  for (const entry of latest) entryRow(entry).classList.toggle("step", entry.anchor !== entry && entry.anchor !== undefined);
  place(thread.list, latest.map(entryRow));
  thread.part.hidden = entries.length === whole.length && latest.length === ordered.length;
  thread.some.textContent = `${latest.length} of ${count(whole.length, "entry", "entries")} `;
  thread.earlier.hidden = latest.length === ordered.length;
  thread.all.hidden = entries.length === whole.length;
  thread.row.classList.toggle("shared", new Set(whole.map((entry) => entry.users[0])).size > 1);
  owners.set(thread.row, inOrder(whole).map((entry) => entry.records[0]));
  return thread.row;
}

function newThread() {
  const thread = { limit: STEP_OF_THREAD, isWhole: false, head: element("summary"), list: element("ol"), some: element("span") };
  const change = (what) => () => {
    Object.assign(thread, what());
    drawNow();
  };
  thread.list.setAttribute("role", "list");
  thread.earlier = button("Show earlier", change(() => ({ limit: thread.limit + STEP })));
  thread.all = button("Show also those that the filter hides", change(() => ({ isWhole: true })));
  thread.part = element("p", "part", thread.some, thread.earlier, " ", thread.all);
  const details = element("details", "", thread.head, thread.part, thread.list);
  details.open = true;
  thread.row = element("li", "thread", details);
  return thread;
}

// By time, with the steps and the feedback of a generation below it.
function inOrder(entries) {
  const generations = new Map(entries.filter((entry) => entry.kind === "llm").map((entry) => [entry.generation, entry]));
  for (const entry of entries) entry.anchor = entry.generation && generations.get(entry.generation);
  const rank = (entry) => (entry.anchor === entry ? 0 : 1);
  const at = (entry) => (entry.anchor ?? entry).at;
  return entries.toSorted((a, b) => at(a) - at(b) || rank(a) - rank(b) || a.at - b.at || a.number - b.number);
}

function threadHead(key, whole) {
  const kinds = new Map(["generation", "tool call", "feedback", "other event"].map((kind) => [kind, 0]));
  const costs = new Map();
  let [failed, input, output] = [0, 0, 0];
  for (const entry of whole) {
    const given = entry.records[0].properties ?? {};
    const event = "gen_ai.tool.name" in given ? "tool call" : entry.names[0] === "Feedback" ? "feedback" : "other event";
    const kind = entry.kind === "llm" ? "generation" : event;
    kinds.set(kind, kinds.get(kind) + 1);
    if (entry.outcome === "failed") failed += 1;
    input += Number(given["gen_ai.usage.input_tokens"]) || 0;
    output += Number(given["gen_ai.usage.output_tokens"]) || 0;
    const [amount, currency] = [Number(given["cost.amount"]), text(given["cost.currency"])];
    if (amount) costs.set(currency, (costs.get(currency) ?? 0) + amount);
  }
  const facts = [...kinds].filter(([, found]) => found).map(([kind, found]) => count(found, kind, kind === "feedback" ? kind : `${kind}s`));
  if (input || output) facts.push(`${figure(input)} → ${figure(output)} tokens`);
  for (const [currency, amount] of costs) facts.push(`${figure(amount)} ${currency}`);
  const [what, ...id] = key.split(" ");
  const rest = element("span", "rest", element("span", "name", what));
  if (failed) rest.append(element("span", "mark", `✗ ${failed} failed`));
  rest.append(...facts.map((fact) => element("span", "fact", fact)), element("span", "thread-id", id.join(" ")));
  const users = [...new Set(whole.map((entry) => entry.users[0]))];
  return [time(whole[0].at), element("span", "user", users.length > 1 ? count(users.length, "user") : users[0]), rest];
}

// The time of day with milliseconds, or the date of another day.
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const calendar = new Intl.DateTimeFormat("sv");

function time(when) {
  const at = new Date(when);
  if (Number.isNaN(at.getTime())) return element("time", "", text(when));
  const isToday = at.toDateString() === new Date().toDateString();
  const made = element("time", "", (isToday ? clock : calendar).format(at));
  made.dateTime = made.title = at.toISOString();
  return made;
}
