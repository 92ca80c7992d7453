// Shows the entries that the feed sends. A text of a user goes into the page as text only, never as HTML.

const STEP = 100; // How many entries are in the page at first, and how many "Show more" adds.
const NAMES = 200; // How many users and names are suggested.
const MOST_CHARACTERS = 64e6; // Of the texts of all kept entries.

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
    const passes = passesText && (!wanted.kind || [entry.kind, entry.outcome].includes(wanted.kind));
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
