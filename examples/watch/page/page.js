// Shows the entries that the feed sends. A text of a user goes into the page as text only, never as HTML.
"use strict";

const STEP = 100; // How many entries are in the page at first, and how many "Show more" adds.
const STEP_OF_THREAD = 20; // The same for one conversation.
const NAMES = 200; // How many users and names are suggested.
const MOST_CHARACTERS = 64e6; // Of the texts of all kept entries.
const FOLD = { characters: 800, lines: 12 }; // A longer text is folded.

const $ = (id) => document.getElementById(id);
const [list, filter] = [$("list"), $("filter")];

let most = 10000; // How many entries are kept.
let kept = []; // The latest last.
let characters = 0; // In the kept entries.
let received = 0; // Kept or not.
let paused = null; // While paused: what `kept` and `received` were.
let limit = STEP;
let frame = 0; // The drawing that is due, if one is.
const threadOf = new Map(); // The thread of a generation, for a thumb that names the generation only.
const threads = new Map(); // The row of each conversation.
const owners = new WeakMap(); // The records of a row, for a copy.

// From the feed

let run = ""; // The run of the server, and the next entry: a lost connection goes on there.
let next = 0;

function connect() {
  const feed = new EventSource(run ? `feed?after=${run}:${next}` : "feed");
  feed.onerror = () => {
    feed.close();
    state("lost", "no connection, trying again");
    setTimeout(connect, 1000);
  };
  feed.addEventListener("hello", (message) => {
    const hello = JSON.parse(message.data);
    // Another run counts from 0; what the earlier one sent stays.
    if (hello.run !== run) [run, next] = [hello.run, 0];
    most = hello.most;
    $("setup").textContent = `export TRUBRICS_HOST=${hello.host}\nexport TRUBRICS_API_KEY=${hello.api_key}`;
    state("live", "live");
    draw();
  });
  feed.onmessage = (message) => {
    const { from, entries } = parse(message.data);
    received += from - next; // The server dropped these before this page could read them.
    next = from + entries.length;
    for (const entry of entries) add(entry);
    evict();
    draw();
  };
}

// A whole number that JavaScript cannot hold stays as it was sent, where the browser can do that.
function parse(json) {
  const exact = (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source) && JSON.rawJSON
      ? JSON.rawJSON(context.source) : value;
  return JSON.parse(json, /\d{16}/.test(json) ? exact : undefined);
}

function add(entry) {
  const record = entry.records[0] ?? {};
  const properties = record.properties ?? {};
  entry.number = received++;
  entry.users = [...new Set(entry.records.map((one) => text(one?.user_id)))];
  entry.names = [...new Set(entry.records.flatMap(namesOf))];
  entry.lowerUsers = entry.users.join("\n").toLowerCase();
  entry.lowerNames = entry.names.join("\n").toLowerCase();
  const words = [String(entry.status ?? ""), ...(entry.reasons ?? []), ...entry.names];
  entry.search = flatten(entry.records, "", words).join("\n").toLowerCase();
  const at = Date.parse(record.timestamp);
  entry.at = Number.isNaN(at) ? entry.received : at;
  if (entry.kind !== "refused") {
    entry.thread = record.thread_id ?? properties.$thread_id;
    entry.generation = properties.$generation_id;
    entry.outcome = "error.type" in properties && properties.outcome !== "interrupted" ? "failed" : properties.outcome;
    if (entry.thread && entry.generation) threadOf.set(entry.generation, entry.thread);
  }
  suggest("users", entry.users);
  suggest("events", entry.names);
  kept.push(entry);
  characters += entry.search.length;
}

function evict() {
  let gone = 0;
  while (kept.length - gone > most || characters > MOST_CHARACTERS) {
    characters -= kept[gone].search.length;
    threadOf.delete(kept[gone].generation);
    gone += 1;
  }
  kept.splice(0, gone);
}

function namesOf(record) {
  if (record === null || typeof record !== "object") return [];
  if (!("prompt" in record)) return [text(record.event)];
  return [record.prompt_event_name ?? "Prompt", record.generation_event_name ?? "Generation"].map(text);
}

// Each value as a line `name=value`, so that a search can ask for both.
function flatten(value, name, into) {
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value)) into.push(`${name}=${text(value)}`);
  else for (const [key, inner] of Object.entries(value)) flatten(inner, Array.isArray(value) ? name : key, into);
  return into;
}

function text(value) {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length > 80 ? JSON.stringify(value, null, 2) : line;
}

function suggest(id, texts) {
  const known = (suggest[id] ??= new Set([""]));
  for (const one of texts) {
    if (known.has(one) || known.size > NAMES) continue;
    known.add(one);
    $(id).append(new Option(one, one));
  }
}

function state(kind, words) {
  $("state").className = `state ${kind}`;
  $("state").textContent = words;
}

// What passes the filter

let wanted = readFilter();

function readFilter() {
  const value = (name) => filter.elements[name].value.trim().toLowerCase();
  const words = [...value("search").matchAll(/"([^"]+)"?|\S+/g)].map(([word, phrase]) => phrase ?? word);
  const [user, name, kind] = [value("user"), value("event"), filter.elements.kind.value];
  return { words, user, name, kind, isAny: Boolean(words.length || user || name || kind) };
}

// Asked once for an entry and a filter, since entries do not change.
function passesTexts(entry) {
  if (entry.asked !== wanted) {
    entry.asked = wanted;
    entry.passes = entry.lowerUsers.includes(wanted.user) && entry.lowerNames.includes(wanted.name) &&
      wanted.words.every((word) => entry.search.includes(word));
  }
  return entry.passes;
}

function isOfKind(entry, kind) {
  return !kind || entry.kind === kind || entry.outcome === kind;
}

// The conversation of an entry, or else its generation with the steps and the feedback.
function threadKey({ thread, generation }) {
  const found = thread ?? threadOf.get(generation);
  return found ? `Conversation ${text(found)}` : generation && `Generation ${text(generation)}`;
}

// The entries that pass, the latest first; those of a conversation are one item, with the entries that do not pass too.
function select(entries) {
  const counts = { all: 0, event: 0, llm: 0, failed: 0, refused: 0 };
  const [items, groups] = [[], new Map()];
  for (const entry of entries.toReversed()) {
    const passesText = passesTexts(entry);
    if (passesText) {
      counts.all += 1;
      counts[entry.kind] += 1;
      if (entry.outcome === "failed") counts.failed += 1;
    }
    const passes = passesText && isOfKind(entry, wanted.kind);
    const key = $("group").checked && threadKey(entry);
    if (!key) {
      if (passes) items.push({ key: "", whole: [entry], passing: [entry] });
      continue;
    }
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { key, whole: [], passing: [] }));
    group.whole.push(entry);
    if (passes && group.passing.push(entry) === 1) items.push(group);
  }
  for (const key of threads.keys()) if (!groups.has(key)) threads.delete(key);
  return { items, counts, passing: counts[wanted.kind || "all"] };
}

// Into the page

const grouped = (number) => number.toLocaleString("en");
const count = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;

// At most once a frame, however much comes.
function draw() {
  frame ||= requestAnimationFrame(drawNow);
}

function drawNow() {
  frame = 0;
  const focused = document.activeElement;
  const shown = paused ?? { kept, received };
  const { items, counts, passing } = select(shown.kept);
  for (const [kind, found] of Object.entries(counts)) {
    $(`count-${kind}`).textContent = grouped(found);
    $(`count-${kind}`).classList.toggle("some", found > 0);
  }
  const rows = [];
  let room = limit;
  for (const item of items) {
    if (room <= 0) break;
    const isThread = item.whole.length > 1;
    rows.push(isThread ? threadRow(item) : entryRow(item.whole[0]));
    rows.at(-1).classList.remove("step");
    room -= isThread ? Math.min(item.passing.length, STEP_OF_THREAD) : 1;
  }
  place(list, rows);
  // A row that joined a conversation has lost the focus.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  $("more").hidden = rows.length === items.length;
  $("empty").hidden = shown.kept.length > 0;
  $("none").hidden = shown.kept.length === 0 || passing > 0;
  const gone = shown.received - shown.kept.length;
  const older = gone ? ` ${count(gone, "older entry is", "older entries are")} not kept and cannot be searched.` : "";
  $("why-none").textContent = `No kept entry passes the filter.${older}`;
  let words = gone ? `${grouped(shown.kept.length)} of ${grouped(shown.received)} kept` : count(shown.kept.length, "entry", "entries");
  if (wanted.isAny) words = `${grouped(passing)} found · ${words}`;
  $("shown").textContent = shown.received ? words : "";
  $("pause").textContent = paused ? `Resume (${grouped(received - paused.received)} new)` : "Pause";
}

// Makes these the rows of a list. A row that stays is not moved.
function place(into, rows) {
  const staying = new Set(rows);
  for (const child of [...into.children]) if (!staying.has(child)) child.remove();
  let following = into.firstChild;
  for (const row of rows) {
    if (row === following) following = following.nextSibling;
    else into.insertBefore(row, following);
  }
}

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

// The figures of a record in words, its error, and the other properties.
function figures(record) {
  const left = { ...record.properties };
  for (const name of ["latency", "assistant_id", "thread_id"]) if (name in record) left[name] = record[name];
  const take = (kind, name, words) => {
    const value = left[name];
    if (typeof value !== kind) return "";
    delete left[name];
    return words(value);
  };
  const word = (name) => take("string", name, (value) => value);
  const number = (name, words = figure) => take("number", name, words);
  const tokens = (side, ...parts) => {
    const known = parts.map(([name, what]) => number(`gen_ai.usage.${name}.${side}_tokens`, (value) => `${figure(value)} ${what}`)).filter(Boolean);
    return number(`gen_ai.usage.${side}_tokens`, (total) => figure(total) + (known.length ? ` (${known.join(", ")})` : ""));
  };

  const hasOutcome = word("outcome") !== "";
  const error = [word("error.type"), word("error_message")].filter(Boolean).join(": ");
  const facts = [word("gen_ai.tool.name"), word("retrieval.name"), number("retrieval.results", (found) => count(found, "result")), number("latency", seconds)];
  // Another program's `duration` may be in any unit; that of a step or a call has an outcome beside it.
  if (hasOutcome) facts.push(number("duration", seconds));
  facts.push(number("gen_ai.response.time_to_first_chunk", (first) => `first token ${seconds(first)}`));
  const input = tokens("input", ["cache_read", "cached"], ["cache_write", "into cache"]);
  const output = tokens("output", ["reasoning", "reasoning"]);
  facts.push(input && output ? `${input} → ${output} tokens` : input ? `${input} tokens in` : output && `${output} tokens out`);
  facts.push(number("cost.amount", (amount) => `${figure(amount)} ${word("cost.currency")}`), word("gen_ai.response.model"));
  facts.push(take("string", "feedback.thumb", (thumb) => `thumb ${thumb}`));
  const [min, max] = [number("feedback.score_min"), number("feedback.score_max")];
  facts.push(number("feedback.score", (score) => `score ${figure(score)}${min && max && ` of ${min} to ${max}`}`), word("feedback.label"));
  const others = Object.entries(left).sort(([one], [other]) => isId(one) - isId(other));
  return { facts: facts.filter(Boolean), error, others };
}

const isId = (name) => name.endsWith("_id") || name.endsWith(".id");

// `182 ms` below a second, `1.42 s` from there.
function seconds(time) {
  return time < 0.9995 ? `${figure(Math.round(time * 1e5) / 1e2)} ms` : `${figure(time)} s`;
}

// At least the whole part, with thousands separators, and at least three digits: `12,345`, `1.42`, `0.00035`.
function figure(number) {
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(number))), 0), 12);
  figure.formats ??= new Map(); // Making one takes long.
  if (!figure.formats.has(decimals)) figure.formats.set(decimals, new Intl.NumberFormat("en", { maximumFractionDigits: decimals }));
  return figure.formats.get(decimals).format(number);
}

function time(when) {
  const at = new Date(when);
  if (Number.isNaN(at.getTime())) return element("time", "", text(when));
  const two = (number) => String(number).padStart(2, "0");
  let words = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  if (at.toDateString() !== new Date().toDateString()) words = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const made = element("time", "", words);
  made.dateTime = made.title = at.toISOString();
  return made;
}

// From the person

function notice(words) {
  $("notice").textContent = words;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => $("notice").replaceChildren(), 3000);
}

function copy(row) {
  if (!row) return notice("No entry is selected: j and k select one.");
  const json = JSON.stringify(owners.get(row), null, 2);
  navigator.clipboard.writeText(json).then(() => notice("Copied as JSON"), (error) => notice(`Cannot copy: ${error.message}`));
}

function set(field, value) {
  filter.elements[field].value = value;
  filtered();
  scrollTo(0, 0);
}

// The filter is in the address too, so that it survives a reload.
function filtered() {
  limit = STEP;
  wanted = readFilter();
  const fields = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
  if (!$("group").checked) fields.set("group", "off");
  history.replaceState(null, "", fields.size ? `?${fields}` : location.pathname);
  draw();
}

function pause() {
  paused = paused ? null : { kept: [...kept], received };
  $("pause").setAttribute("aria-pressed", String(paused !== null));
  drawNow();
}

filter.addEventListener("input", filtered);
$("group").addEventListener("change", filtered);
$("pause").addEventListener("click", pause);
$("help").addEventListener("click", () => $("keys").showModal());
$("all").addEventListener("click", () => {
  filter.reset();
  filtered();
});
$("clear").addEventListener("click", () => {
  [kept, characters, received] = [[], 0, 0];
  threadOf.clear();
  if (paused) pause();
  drawNow();
});
$("more").addEventListener("click", () => {
  limit += STEP;
  drawNow();
});

const keys = {
  "/": () => $("search").select(),
  "?": () => $("keys").showModal(),
  p: pause,
  g: () => $("group").click(),
  c: () => copy(document.activeElement.closest("#list li")),
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Escape: () => (document.activeElement.closest("#list details[open]") ?? {}).open = false,
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const isField = event.target.matches("#filter input:not([type=radio])");
  const isRadio = event.target.matches("[type=radio]") && event.key.startsWith("Arrow"); // Its own arrows.
  if (isField && event.key === "Escape" && event.target.value) set(event.target.name, "");
  else if (isField && event.key === "Escape") event.target.blur();
  else if (isField && event.key === "Enter") list.querySelector("summary")?.focus();
  else if (!isField && !isRadio && Object.hasOwn(keys, event.key)) keys[event.key]();
  else return;
  event.preventDefault();
});

// Moves the focus along the heads that can be seen.
function step(by) {
  const heads = [...list.querySelectorAll("summary")].filter((head) => !head.parentElement.parentElement.closest("details:not([open])"));
  const here = heads.indexOf(document.activeElement.closest("#list li")?.querySelector("summary"));
  heads[Math.min(Math.max(here + by, 0), heads.length - 1)]?.focus();
}

for (const [name, value] of new URLSearchParams(location.search)) {
  if (["search", "user", "event", "kind"].includes(name)) filter.elements[name].value = value;
  if (name === "group") $("group").checked = value !== "off";
}
wanted = readFilter();
connect();
