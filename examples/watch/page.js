// Shows what the feed tells. Texts of users go into the page as text only, never as HTML.
"use strict";

const STEP = 200; // How many entries are in the page at first, and how many "Show more" adds.
const NAMES = 200; // How many users and names are suggested.

const $ = (id) => document.getElementById(id);
const list = $("list");
const filter = $("filter");

let most = 10000; // How many entries are kept.
let entries = []; // The latest last.
let counts = { event: 0, llm: 0, refused: 0 };
let limit = STEP;
let frozen = null; // While paused: the entries to show, and how many had come.
let due = false;

// From the feed

const feed = new EventSource("feed");
feed.onerror = () => state("lost", "no connection, trying again");
// The feed begins anew: at first, after a lost connection, and for a page that fell behind.
feed.addEventListener("hello", (message) => {
  const hello = JSON.parse(message.data);
  most = hello.most;
  entries = [];
  counts = { ...hello.gone };
  if (frozen) pause();
  $("setup").textContent = `export TRUBRICS_HOST=${hello.host}\nexport TRUBRICS_API_KEY=${hello.api_key}`;
  state("live", "live");
  draw();
});
feed.onmessage = (message) => {
  for (const told of JSON.parse(message.data)) {
    const entry = read(told);
    entries.push(entry);
    counts[entry.kind] += 1;
  }
  // Cut rarely, since it copies.
  if (entries.length > most * 1.1) entries.splice(0, entries.length - most);
  draw();
};

function read(told) {
  const users = [...new Set(told.records.map((record) => text(record?.user_id)))];
  const names = [...new Set(told.records.flatMap(namesOf))];
  suggest("users", users);
  suggest("events", names);
  const lower = (texts) => texts.map((one) => one.toLowerCase());
  return { ...told, users, names, lowerUsers: lower(users), lowerNames: lower(names), row: null };
}

function namesOf(record) {
  if (record === null || typeof record !== "object") return [];
  if (!("prompt" in record)) return [text(record.event)];
  return [record.prompt_event_name ?? "Prompt", record.generation_event_name ?? "Generation"].map(text);
}

function text(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
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

// Into the page

// At most once a frame, however much comes.
function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    drawNow();
  });
}

function drawNow() {
  const kept = frozen?.kept ?? entries.slice(-most);
  const all = counts.event + counts.llm + counts.refused;
  for (const [kind, count] of Object.entries({ all, ...counts })) $(`count-${kind}`).textContent = count.toLocaleString("en");
  $("count-refused").closest("label").classList.toggle("some", counts.refused > 0);
  $("pause").textContent = frozen ? `Resume (${(all - frozen.all).toLocaleString("en")} new)` : "Pause";

  const passes = condition();
  const passing = kept.filter(passes);
  const shown = passing.slice(-limit).reverse();
  const rows = shown.map((entry) => (entry.row ??= row(entry)));
  place(rows);
  $("empty").hidden = kept.length > 0;
  $("none").hidden = kept.length === 0 || rows.length > 0;
  $("more").hidden = rows.length === passing.length;
  let words = `${kept.length.toLocaleString("en")} ${kept.length === 1 ? "entry" : "entries"}`;
  if (passing.length < kept.length) words = `${passing.length.toLocaleString("en")} of ${words}`;
  if (all > most && !frozen) words += `, the latest of ${all.toLocaleString("en")}`;
  $("shown").textContent = kept.length ? words : "";
}

// Makes these the rows of the list; one that stays is not moved, and so keeps focus and scroll.
function place(rows) {
  const staying = new Set(rows);
  for (const child of [...list.children]) if (!staying.has(child)) child.remove();
  let next = list.firstChild;
  for (const one of rows) {
    if (one === next) next = next.nextSibling;
    else list.insertBefore(one, next);
  }
}

function condition() {
  const { user, event, kind } = filter.elements;
  const [inUser, inName] = [user.value.toLowerCase(), event.value.toLowerCase()];
  return (entry) =>
    (!kind.value || entry.kind === kind.value) &&
    (!inUser || entry.lowerUsers.some((one) => one.includes(inUser))) &&
    (!inName || entry.lowerNames.some((one) => one.includes(inName)));
}

function element(tag, kind, ...children) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...children); // A string becomes a text node.
  return made;
}

function row(entry) {
  const record = entry.records[0];
  const details = element("details", "", head(entry, record));
  // Only few are ever opened.
  details.addEventListener("toggle", () => details.append(body(entry, record)), { once: true });
  return element("li", entry.kind, details);
}

function head(entry, record) {
  if (entry.kind === "refused") {
    const words = `${entry.records.length} ${entry.records.length === 1 ? "record" : "records"}, ${entry.users.join(", ")}`;
    return element(
      "summary", "", time(entry.received), element("span", "status", String(entry.status)),
      element("span", "name", "Refused"),
      element("span", "brief", `${entry.reasons.join("; ").slice(0, 300)} (${entry.records.length ? words.slice(0, 100) : entry.request})`),
    );
  }
  const fields = Object.entries(entry.kind === "llm" ? about(record) : record.properties ?? {});
  const brief = fields.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  const made = element(
    "summary", "", time(record.timestamp ?? entry.received), element("span", "user", text(record.user_id)),
    element("span", "name", entry.names.join(" → ")), element("span", "brief", brief.join("  ·  ").slice(0, 300)),
  );
  // Enough for two lines.
  if (entry.kind === "llm") made.append(said(text(record.prompt).slice(0, 600), text(record.generation).slice(0, 600)));
  return made;
}

function body(entry, record) {
  const made = element("div", "body");
  if (entry.kind === "refused") {
    made.append(...[entry.request, ...entry.reasons].map((words) => element("p", "", words)));
    if (entry.records.length) made.append(element("pre", "", JSON.stringify(entry.records, null, 2)));
  } else {
    if (entry.kind === "llm") made.append(said(text(record.prompt), text(record.generation)));
    const fields = { timestamp: record.timestamp, ...about(record), ...record.properties };
    made.append(element("dl", "", ...Object.entries(fields).flatMap(([name, value]) => [element("dt", "", name), element("dd", "", text(value))])));
  }
  const acts = element("div", "acts");
  const act = (words, what) => {
    const button = element("button", "", words);
    button.type = "button";
    button.addEventListener("click", what);
    acts.append(button);
    return button;
  };
  if (entry.users.length === 1 && entry.users[0]) act("Only this user", () => set("user", entry.users[0]));
  if (entry.names[0]) act(entry.kind === "llm" ? "Only this prompt" : "Only this event", () => set("event", entry.names[0]));
  const copy = act("Copy JSON", () => {
    const records = entry.kind === "refused" ? entry.records : record;
    navigator.clipboard.writeText(JSON.stringify(records, null, 2)).then(() => (copy.textContent = "Copied"), () => (copy.textContent = "Cannot copy"));
  });
  made.append(acts);
  return made;
}

// The fields of an LLM event beside the two texts.
function about(record) {
  const made = {};
  for (const name of ["assistant_id", "thread_id"]) if (name in record) made[name] = record[name];
  if ("latency" in record) made.latency = seconds(record.latency);
  return made;
}

// In the unit that makes the figure short.
function seconds(seconds) {
  const [figure, unit] = seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${Math.round(figure * 1e3) / 1e3} ${unit}`;
}

function said(prompt, generation) {
  const [first, second] = [element("span", "prompt", prompt), element("span", "generation", generation)];
  [first.dataset.label, second.dataset.label] = ["Prompt", "Generation"];
  return element("span", "said", first, second);
}

function time(when) {
  const at = new Date(when);
  if (Number.isNaN(at.getTime())) return element("time", "", text(when));
  const two = (number) => String(number).padStart(2, "0");
  let words = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  if (at.toDateString() !== new Date().toDateString()) words = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${words.slice(0, 5)}`;
  const made = element("time", "", words);
  made.dateTime = made.title = at.toISOString();
  return made;
}

// From the person

function set(field, value) {
  filter.elements[field].value = value;
  filtered();
  scrollTo(0, 0);
}

// The filter is in the address too, so that it survives a reload.
function filtered() {
  limit = STEP;
  const wanted = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
  history.replaceState(null, "", wanted.size ? `?${wanted}` : location.pathname);
  drawNow();
}

function pause() {
  const all = counts.event + counts.llm + counts.refused;
  frozen = frozen ? null : { kept: entries.slice(-most), all };
  $("pause").setAttribute("aria-pressed", String(frozen !== null));
  drawNow();
}

filter.addEventListener("input", filtered);
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("summary")?.focus();
});
$("pause").addEventListener("click", pause);
$("clear").addEventListener("click", () => {
  entries = [];
  counts = { event: 0, llm: 0, refused: 0 };
  if (frozen) pause();
  drawNow();
});
$("more").addEventListener("click", () => {
  limit += STEP;
  drawNow();
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.matches("#user, #event") ? event.target : null;
  if (field) {
    if (event.key !== "Escape") return;
    if (field.value) set(field.name, "");
    else field.blur();
  } else if (event.key === "/") $("user").focus();
  else if (event.key === "e") $("event").focus();
  else if (event.key === "p") pause();
  else if (event.target.matches("input")) return; // The arrows of the radio buttons are theirs.
  else if (event.key === "ArrowDown" || event.key === "j") step(event, 1);
  else if (event.key === "ArrowUp" || event.key === "k") step(event, -1);
  else return;
  event.preventDefault();
});

// Moves the focus along the rows.
function step(event, by) {
  const heads = [...list.querySelectorAll("summary")];
  const here = heads.indexOf(event.target.closest("li")?.querySelector("summary"));
  heads[Math.min(Math.max(here + by, 0), heads.length - 1)]?.focus();
}

for (const [name, value] of new URLSearchParams(location.search)) {
  if (["user", "event", "kind"].includes(name)) filter.elements[name].value = value;
}
